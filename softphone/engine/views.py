"""What the phone shows of itself: frozen snapshots, made of JSON-able values only.

The agent makes them, everything outside (control API, CLI, tests) reads them. Times are ISO 8601 in UTC, durations are
seconds. No view ever carries a secret. The text below a field is its description in the OpenAPI document.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from softphone.engine.views_pbx import LiveStatus, TimelineStatus, WebhookStatus

HandsetMode = Literal["listen", "talk", "whisper"]
"""How a handset takes part in a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCounts:
    """How many accounts there are, and how they fare."""

    total: int = 0
    registered: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCounts:
    """How many calls there were since the start, and how many are running."""

    total: int = 0
    active: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeInfo:
    """The native part of the phone."""

    pjsip: str
    """PJSIP's version."""
    codecs: list[str]
    """The codecs built in, as `name/clock rate`, the preferred one first."""
    openssl: str
    """The TLS library's version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderStatus:
    """How the extension list of the PBX's API fares."""

    state: str
    """off, starting, ok, or failed (what was known before stays in force)."""
    cause: str = ""
    """Why it failed, in plain English."""
    extensions: int = 0
    """How many extensions the last list gave us."""
    last_success: str | None = None
    """When the list was last read."""
    retry_in_s: float | None = None
    """When it is read again, in seconds."""
    problems: list[str] = field(default_factory=list)
    """What was passed over in the list, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaServerView:
    """A STUN or TURN server of `nat:`."""

    kind: str
    """stun or turn."""
    server: str
    """`host:port` as configured."""
    state: str
    """unknown (not asked yet), ok, or failed (calls go on without it)."""
    seen: str = ""
    """Our address as a STUN server sees it, or the relay's that a TURN server gave."""
    cause: str = ""
    """Why it failed, in plain English."""
    advice: str = ""
    """What to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerView:
    """A place of the network where this phone answers others than the PBX."""

    name: str
    """The part of the configuration that asked for it, such as web."""
    url: str
    """Where it is, with the port in use."""
    fingerprint: str = ""
    """SHA-256 of its certificate, as browsers show it; empty without TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStatus:
    """The phone as a whole."""

    version: str
    started: str
    """When the process started."""
    uptime_s: float
    ready: bool
    """Whether it can do its work: running, and the accounts that should be registered are."""
    state: str
    """starting, running, draining (no new calls), or stopped."""
    accounts: AccountCounts
    calls: CallCounts
    provider: ProviderStatus | None
    """None where every account is static."""
    native: NativeInfo
    nat: list[MediaServerView] = field(default_factory=list)
    """The STUN and TURN servers, and whether they answer."""
    live: LiveStatus | None = None
    """The PBX's live events; null where they are not asked for."""
    webhook: WebhookStatus | None = None
    """The webhook receiver; null where there is none."""
    timeline: TimelineStatus | None = None
    """The timelines of calls; null where none are kept."""
    listeners: list[ListenerView] = field(default_factory=list)
    """Where the phone answers others than the PBX."""
    problems: list[str] = field(default_factory=list)
    """What is wrong now, one plain sentence each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """An account: an address of record that registers."""

    id: str
    """`username@domain`."""
    username: str
    domain: str
    display_name: str
    transport: str
    """tls, tcp or udp."""
    registrar: str
    """Where REGISTER goes, `host:port`; several are separated by `, `, the preferred one first."""
    state: str
    """unregistered, registering, registered, failed, unregistering, disabled, or not_registering (by configuration)."""
    expires_s: int
    """What the registrar granted; before that, what is asked for."""
    registered_since: str | None = None
    code: int = 0
    """The last SIP status that REGISTER got; 0 where there was no SIP answer."""
    reason: str = ""
    """The reason phrase that came with it."""
    cause: str = ""
    """Why registration failed, in plain English."""
    advice: str = ""
    """What to do about it."""
    retry_in_s: float | None = None
    """When it is tried again, in seconds."""
    registrar_address: str = ""
    """The numeric address and port of the registrar in use, empty while not registered."""
    outbound: bool = False
    """Whether the registrar sends calls down the connection that we registered over (RFC 5626)."""
    srtp: str = "off"
    """off, prefer or mandatory."""
    codecs: list[str] = field(default_factory=list)
    """In order of preference."""
    calls: int = 0
    """Running calls of this account."""
    dnd: bool = False
    """Do not disturb: whether callers are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioRoute:
    """Where a call's sound goes to and comes from."""

    route: Literal["null", "device", "file"] = "null"
    """null: nowhere (plays and recordings work all the same); device: a sound device; file: a file is what we say."""
    input: str | None = None
    """device: the microphone's name, None for the default one."""
    output: str | None = None
    """device: the loudspeaker's name, None for the default one."""
    file: str | None = None
    """file: what is played to the far end."""
    loop: bool = False
    """file: whether it starts anew at its end."""
    input_gain_db: float = 0.0
    """device: how much louder than it is the far end hears the microphone, dB."""
    output_gain_db: float = 0.0
    """device: how much louder than it is the far end is heard at the loudspeaker, dB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterView:
    """What is measured for a call, dBFS; -96 is silence."""

    interval_ms: int | None
    """How often `audio.level` is told; null: never."""
    far_dbfs: float
    """The far end: RMS over about 125 ms."""
    far_peak_dbfs: float
    far_talking: bool
    near_dbfs: float
    """All that goes to the far end: RMS over about 125 ms."""
    near_peak_dbfs: float
    near_talking: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundView:
    """How the sound of a call fares."""

    device: str = ""
    """open; waiting, for a device that is not there (any more); empty where the call uses none."""
    cause: str = ""
    """Why it waits, in plain English."""
    far_dbfs: float = -96.0
    """The level of what comes from the far end, in this moment; -96 is silence."""
    near_dbfs: float = -96.0
    """The level of what goes to the far end, in this moment."""
    meter: MeterView | None = None
    """Smoothed levels and who talks, while that is measured (PUT /v1/calls/{id}/meter)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnd:
    """How and why a call ended."""

    reason: str
    """The one word: answered calls end by hangup, others as busy, rejected, no_answer, cancelled, lost and so on."""
    by: str
    """local, remote or network."""
    code: int
    """The SIP status that ended it, 0 where none did."""
    sip_reason: str
    """The reason phrase, or what a Reason header said (RFC 3326)."""
    phase: str
    """Where the call stood: dialing, ringing, incoming or active."""
    cause: str
    """The same in plain English."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathView:
    """The way that media takes."""

    ice: str = ""
    """Empty where ICE is not used; negotiating, completed or failed."""
    local_candidate: str = ""
    """host (our own address), srflx (as STUN saw us), prflx, relay (through TURN); empty where it is not known."""
    local_address: str = ""
    """The address that the far end sends to, `address:port`."""
    remote_candidate: str = ""
    """The same of the far end, with ICE only."""
    remote_address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordView:
    """A running recording."""

    id: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallView:
    """A call, running or ended in the last minutes."""

    id: str
    """`c1`, `c2`, … unique in this run of the process."""
    account: str
    direction: Literal["out", "in"]
    state: str
    """dialing, ringing, early (early media), incoming, answering, active, ending or ended."""
    remote: str
    """The far end's URI."""
    remote_name: str = ""
    """The far end's display name."""
    called: str = ""
    """What was dialled: by us, or by the caller to reach us."""
    sip_call_id: str = ""
    """The dialog's Call-ID, the same in the PBX's own traces."""
    headers: dict[str, list[str]] = field(default_factory=dict)
    """What the far end's INVITE says of the caller."""
    created: str
    answered: str | None = None
    ended: str | None = None
    duration_s: float = 0.0
    """Since the answer; 0 where there was none."""
    codec: str = ""
    clock_rate_hz: int = 0
    direction_media: str = ""
    """Ours as in SDP: sendrecv, sendonly, recvonly or inactive; empty before there is media."""
    srtp: str = ""
    """The SRTP suite in use, empty for plain RTP."""
    path: PathView = field(default_factory=PathView)
    """How media gets through NAT."""
    srtp_keying: str = ""
    """How its keys were agreed: sdes (in the SDP) or dtls; empty for plain RTP."""
    held_by: list[Literal["local", "remote"]] = field(default_factory=list)
    """Who holds the call: our side, the far end, both or nobody."""
    muted: bool = False
    """Whether the far end hears nothing of our side."""
    conference: str | None = None
    """The conference that it is a member of."""
    early_media: bool = False
    """Whether the far end sent media before it answered."""
    plays: list[str] = field(default_factory=list)
    """Ids of files being played to the far end."""
    records: list[RecordView] = field(default_factory=list)
    audio: AudioRoute = field(default_factory=AudioRoute)
    sound: SoundView = field(default_factory=SoundView)
    end: CallEnd | None = None
    """None while the call runs."""
    quality: dict[str, Any] | None = None
    """RTP figures, None before there is media."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConferenceView:
    """Calls that hear each other."""

    id: str
    """`f1`, `f2`, … unique in this run of the process."""
    calls: list[str]
    """The members, in the order in which they came."""
    local: bool
    """Whether our side takes part: each call's own sound route. If not, the members hear each other alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandsetView:
    """A browser, or another WebRTC client, as microphone and ear."""

    id: str
    """`h1`, `h2`, … unique in this run of the process."""
    name: str
    """What it calls itself."""
    state: Literal["connecting", "connected"]
    codec: str
    calls: dict[str, HandsetMode] = field(default_factory=dict)
    """The calls that it is in, and how."""
    figures: dict[str, Any] = field(default_factory=dict)
    """Loss, jitter, delay, underruns, overruns, drift and round trip of its sound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedView:
    """A call that was announced: it will be answered by itself, once."""

    id: str
    """`x1`, `x2`, … unique in this run of the process."""
    account: str
    caller: str
    """The pattern of the caller's number or URI."""
    after_s: float
    """How long it rings first."""
    asked_only: bool
    """Whether the call must ask to be answered by a header, too."""
    expires: str
    """When it is no longer expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectView:
    """Digits that the far end types, put together."""

    id: str
    """`g1`, `g2`, … unique in this run of the process."""
    call: str
    running: bool
    digits: str
    """What was typed so far, without the terminator."""
    reason: str = ""
    """Why it ended: terminator, max_digits, timeout_first, timeout_inter, timeout_total, stopped or call_ended."""
    terminator: str = ""
    """The digit that ended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordEndView:
    """A finished recording."""

    record: str
    """The recording's id."""
    file: str
    reason: str
    """stopped, failed (see `error`), call_ended or max_duration."""
    duration_s: float
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """A sound device."""

    name: str
    inputs: int
    """How many channels it records; 0: it cannot."""
    outputs: int
    """How many channels it plays; 0: it cannot."""
    driver: str
    default_rate_hz: int
    description: str = ""
    """What the sound system says of it, for people."""
    default: bool = False
    """Whether it is taken where a route names none."""
    in_use: bool = False
    """Whether a call or the ringer has it open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTestView:
    """What a try of a sound device showed."""

    name: str
    loudspeaker: bool
    """Whether a tone was played on it."""
    microphone: bool
    """Whether it was listened to."""
    level_dbfs: float | None = None
    """The loudest that the microphone heard: RMS over about 125 ms; -96 is silence, null without a microphone."""
    peak_dbfs: float | None = None
