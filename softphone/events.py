"""What happens, as data: one frozen dataclass an event, one dotted wire name, one encoder for every outlet.

An event says what was seen, never a secret. `account` is an account id (`901@pbx.example`), `call` a call id.
Times are seconds. A SIP `code` is 0 where no SIP answer was involved.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events. `type` is the wire name; its first part is the resource it speaks of.

    `kept`: it is of use to somebody who comes back later, and stays in the bus's history.
    """

    type: ClassVar[str] = ""
    kept = True


# ---- the process


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStarted(Event):
    """The phone is up: it takes requests, accounts are being registered."""

    type: ClassVar[str] = "agent.started"
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStopping(Event):
    """No new calls any more; running ones may go on for `drain_s` seconds."""

    type: ClassVar[str] = "agent.stopping"
    drain_s: float
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigReloaded(Event):
    """The configuration was read again; `restart_needed` names the keys that only a restart applies."""

    type: ClassVar[str] = "agent.config_reloaded"
    restart_needed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRejected(Event):
    """The configuration was read again and is wrong; the old one stays in force."""

    type: ClassVar[str] = "agent.config_rejected"
    cause: str


# ---- the trace of SIP messages


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSwitched(Event):
    """SIP messages are kept from now on, or no longer: all of them (`on`), or those of `accounts`."""

    type: ClassVar[str] = "trace.switched"
    on: bool
    accounts: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceCollectorFailed(Event):
    """A warning: the HEP collector cannot be reached. What it misses is counted, not kept; said once per outage."""

    type: ClassVar[str] = "trace.collector_failed"
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceCollectorBack(Event):
    """The HEP collector can be reached again; `dropped` messages never came to it, counted from the start."""

    type: ClassVar[str] = "trace.collector_back"
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLost(Event):
    """So many SIP messages are missing in the trace: too many came at once."""

    type: ClassVar[str] = "trace.lost"
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkChanged(Event):
    """This machine's addresses (`before`, `after`) or its default routes have changed.

    `out` are its addresses along the default routes. Accounts that this concerns register anew, and their calls follow.
    """

    type: ClassVar[str] = "network.changed"
    before: list[str]
    after: list[str]
    out: list[str]


# ---- the PBX's API


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFetched(Event):
    """The extension list was read; `problems` names what was passed over and why."""

    type: ClassVar[str] = "provider.fetched"
    extensions: int
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFailed(Event):
    """The extension list could not be read; what was known before stays in force."""

    type: ClassVar[str] = "provider.failed"
    cause: str
    status: int | None
    retry_in_s: float


# ---- STUN and TURN servers


@dataclass(frozen=True, slots=True, kw_only=True)
class NatServerOk(Event):
    """A STUN or TURN server answers. `seen`: our address as it sees it (stun), or the relay's that it gave (turn)."""

    type: ClassVar[str] = "nat.server_ok"
    kind: str  # "stun" or "turn"
    server: str  # host:port as configured
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NatServerFailed(Event):
    """A STUN or TURN server does not help: calls go on without it until it answers."""

    type: ClassVar[str] = "nat.server_failed"
    kind: str
    server: str
    cause: str
    advice: str


# ---- accounts


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountAdded(Event):
    type: ClassVar[str] = "account.added"
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChanged(Event):
    type: ClassVar[str] = "account.changed"
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRemoved(Event):
    type: ClassVar[str] = "account.removed"
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRegistering(Event):
    type: ClassVar[str] = "account.registering"
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRegistered(Event):
    """The registrar has our contact. Sent for the first success and for each one after a failure, not for refreshes.

    `address` is the one that answered (numeric, with port); `preferred` is false where those before it had failed.
    """

    type: ClassVar[str] = "account.registered"
    account: str
    expires_s: int
    address: str = ""
    preferred: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRegistrarFailed(Event):
    """One of several registrars (or addresses of one) failed; the next is tried at once. `others` are left to try."""

    type: ClassVar[str] = "account.registrar_failed"
    account: str
    address: str
    code: int
    reason: str
    cause: str
    advice: str
    others: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFailed(Event):
    """Registration failed. `cause` and `advice` are plain English; `retry_in_s` is when it is tried again."""

    type: ClassVar[str] = "account.failed"
    account: str
    code: int
    reason: str
    cause: str
    advice: str
    retry_in_s: float
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountConnectionLost(Event):
    """The connection to the registrar broke or went silent; it is opened and registered anew at once."""

    type: ClassVar[str] = "account.connection_lost"
    account: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUnregistered(Event):
    type: ClassVar[str] = "account.unregistered"
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDnd(Event):
    """Do-not-disturb was switched on or off: callers of this account are refused with `code`."""

    type: ClassVar[str] = "account.dnd"
    account: str
    on: bool
    code: int


# ---- calls


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent(Event):
    """Base of all that happens to a call."""

    call: str
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDialing(CallEvent):
    """Our INVITE is on its way. `target` is the URI that is called."""

    type: ClassVar[str] = "call.dialing"
    target: str
    sip_call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallIncoming(CallEvent):
    """Somebody calls. `headers` holds what the INVITE says of the caller (see engine/headers.py)."""

    type: ClassVar[str] = "call.incoming"
    caller: str
    caller_name: str
    called: str
    sip_call_id: str
    headers: dict[str, list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAutoAnswer(CallEvent):
    """The call is answered without anybody's doing, after `after_s` seconds of ringing.

    `why`: rule (the account's `incoming` says so), asked (a rule lets the caller's headers decide), or expected (a
    program announced the call).
    """

    type: ClassVar[str] = "call.auto_answer"
    why: str
    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallProgress(CallEvent):
    """A provisional answer (RFC 3261 section 21.1): 180 ringing, 183 with early media, and so on.

    `headers` holds what it says of the far end, as in call.incoming.
    """

    type: ClassVar[str] = "call.progress"
    code: int
    reason: str
    early_media: bool
    headers: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered(CallEvent):
    """`headers` holds what the answer says of the far end, as in call.incoming; nothing where our side answered."""

    type: ClassVar[str] = "call.answered"
    by: str  # "local" or "remote"
    headers: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallIdentity(CallEvent):
    """The PBX tells who is at the far end now, such as after a transfer there (RFC 3325, RFC 5876)."""

    type: ClassVar[str] = "call.identity"
    remote: str
    remote_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReplaced(CallEvent):
    """The call goes on with another far end: its INVITE takes the place of the one before (Replaces, RFC 3891).

    All that plays, records or confers goes on too. `headers` as in call.incoming.
    """

    type: ClassVar[str] = "call.replaced"
    remote: str
    remote_name: str
    sip_call_id: str
    headers: dict[str, list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMedia(CallEvent):
    """What was agreed for sound. `direction` is ours as in SDP: sendrecv, sendonly, recvonly, inactive."""

    type: ClassVar[str] = "call.media"
    active: bool
    codec: str
    clock_rate_hz: int
    direction: str
    srtp: str  # the suite, "" for plain RTP
    srtp_keying: str  # how its keys were agreed: sdes or dtls, "" for plain RTP
    remote: str  # address:port that media goes to
    ice: str = ""  # "" not used, negotiating, completed, failed
    local_candidate: str = ""  # host, srflx, prflx, relay; "" unknown
    remote_candidate: str = ""  # the same, with ICE only


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMediaSilent(CallEvent):
    """No RTP has arrived for `silent_s` seconds although it should (`silent`), or it arrives again (not `silent`).

    `reports`: RTCP still came, so the far end lives. Held calls are silent by right and not told of.
    """

    type: ClassVar[str] = "call.media_silent"
    silent: bool
    silent_s: float
    reports: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallQuality(CallEvent):
    """The estimated MOS of the last `window_s` seconds fell below `limit`, or is well above it again (`good`).

    `direction`: received (as heard here) or sent (as heard there, by the far end's reports).
    """

    type: ClassVar[str] = "call.quality"
    direction: str
    good: bool
    mos: float
    limit: float
    window_s: float
    loss_percent: float
    jitter_ms: float | None
    rtt_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHold(CallEvent):
    """Somebody holds the call, or resumed it. `by`: local or remote; both can hold at once."""

    type: ClassVar[str] = "call.hold"
    by: str
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHoldFailed(CallEvent):
    """Our side could not hold (`held` true) or resume the call; it is as it was. `code` 0: there was no answer."""

    type: ClassVar[str] = "call.hold_failed"
    held: bool
    code: int
    reason: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMuted(CallEvent):
    """The far end hears nothing of our side any more, or hears it again."""

    type: ClassVar[str] = "call.muted"
    muted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTransfer(CallEvent):
    """A transfer that our side asked for. `state`: requested, progress, done (the call ends) or failed (it goes on).

    `code` and `reason` are what the far end reports of its new call, 0 where it said nothing. `consulted`: the call
    whose far end the other one is connected to, empty for a blind transfer.
    """

    type: ClassVar[str] = "call.transfer"
    state: str
    target: str
    consulted: str
    code: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTransferAsked(CallEvent):
    """The far end asks us to call `target` instead. `new_call` does so, if the account's `transfers` allows it."""

    type: ClassVar[str] = "call.transfer_asked"
    target: str
    accepted: bool
    new_call: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRedirected(CallEvent):
    """The far end answered 3xx, and the call goes on to `target` (calls.follow_redirects)."""

    type: ClassVar[str] = "call.redirected"
    code: int
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallUnencrypted(CallEvent):
    """A warning: SRTP is preferred, the far end refused it, and the call was placed again in the clear."""

    type: ClassVar[str] = "call.unencrypted"
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDigit(CallEvent):
    """The far end pressed a key, and let go. `method`: rfc4733, info or inband; `duration_ms` None: nobody tells."""

    type: ClassVar[str] = "call.digit"
    digit: str
    method: str
    duration_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDigitsSent(CallEvent):
    """All digits of one request have gone out."""

    type: ClassVar[str] = "call.digits_sent"
    digits: str
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDigitsFailed(CallEvent):
    """`digits` could not be sent (`sent` of them were, before)."""

    type: ClassVar[str] = "call.digits_failed"
    digits: str
    sent: int
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitsCollecting(CallEvent):
    """Digits that the far end types are being put together."""

    type: ClassVar[str] = "digits.collecting"
    collect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitsCollected(CallEvent):
    """`reason`: terminator, max_digits, timeout_first, timeout_inter, timeout_total, stopped or call_ended."""

    type: ClassVar[str] = "digits.collected"
    collect: str
    digits: str
    reason: str
    terminator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFailed(CallEvent):
    """The call's audio route (sound device or file) could not be opened; the call goes on without it."""

    type: ClassVar[str] = "audio.failed"
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioDeviceLost(CallEvent):
    """The call's sound device stopped working. The call goes on in silence, and takes it again when it is back."""

    type: ClassVar[str] = "audio.device_lost"
    device: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioDeviceBack(CallEvent):
    """The call's sound device is there (again) and in use. Names as in the route, empty for the default ones."""

    type: ClassVar[str] = "audio.device_back"
    input: str
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RingerFailed(CallEvent):
    """An incoming call cannot be heard on the ringer's device; it rings in silence; the device is tried again."""

    type: ClassVar[str] = "ringer.failed"
    device: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioGain(CallEvent):
    """The gains of the call's microphone and loudspeaker were changed, dB."""

    type: ClassVar[str] = "audio.gain"
    input_db: float
    output_db: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTalk(CallEvent):
    """Somebody began to talk, or stopped. `side`: far (the far end) or near (our side)."""

    type: ClassVar[str] = "audio.talk"
    side: str
    talking: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioLevel(CallEvent):
    """How loud the far end and our side (near) are, dBFS (-96 is silence), as often as it was asked for."""

    type: ClassVar[str] = "audio.level"
    kept = False
    far_dbfs: float
    far_peak_dbfs: float
    far_talking: bool
    near_dbfs: float
    near_peak_dbfs: float
    near_talking: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(CallEvent):
    """The call is over. See engine/ending.py for the words of `reason`.

    `by`: local, remote or network. `phase`: where it stood: dialing, ringing, incoming, active.
    `duration_s` counts from the answer, 0 where there was none. `quality` is the last of the media's figures.
    """

    type: ClassVar[str] = "call.ended"
    reason: str
    by: str
    code: int
    sip_reason: str
    phase: str
    cause: str
    duration_s: float
    quality: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectStarted(Event):
    """A program announced a call: the next one from `caller` (a pattern) within `within_s` is answered by itself."""

    type: ClassVar[str] = "expect.started"
    expect: str
    account: str
    caller: str
    within_s: float
    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectEnded(Event):
    """`reason`: met (by `call`), expired or cancelled."""

    type: ClassVar[str] = "expect.ended"
    expect: str
    account: str
    reason: str
    call: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConferenceEvent(Event):
    """Base of what happens to a conference. `calls` are its members, `local` tells whether our side takes part."""

    conference: str
    calls: list[str]
    local: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ConferenceStarted(ConferenceEvent):
    """These calls hear each other now."""

    type: ClassVar[str] = "conference.started"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConferenceChanged(ConferenceEvent):
    """A call came or went, or our side did."""

    type: ClassVar[str] = "conference.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConferenceEnded(ConferenceEvent):
    """It was split, or fewer than two calls were left. `calls` are those that go on by themselves."""

    type: ClassVar[str] = "conference.ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayStarted(CallEvent):
    type: ClassVar[str] = "play.started"
    play: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayEnded(CallEvent):
    """`reason`: finished, stopped, failed (see `error`), call_ended."""

    type: ClassVar[str] = "play.ended"
    play: str
    file: str
    reason: str
    played_s: float
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordStarted(CallEvent):
    type: ClassVar[str] = "record.started"
    record: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordEnded(CallEvent):
    """`reason`: stopped, failed (see `error`), call_ended, max_duration."""

    type: ClassVar[str] = "record.ended"
    record: str
    file: str
    reason: str
    duration_s: float
    error: str


def event_types() -> dict[str, type[Event]]:
    """All events by wire name."""
    found: dict[str, type[Event]] = {}
    waiting: list[type[Event]] = [Event]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        if cls.type:
            found[cls.type] = cls
    return dict(sorted(found.items()))


def encode(event: Event) -> dict[str, Any]:
    """The event as plain JSON-able data: `{"type": "call.digit", "call": "c3", …}`."""
    return {"type": event.type} | {f.name: getattr(event, f.name) for f in dataclasses.fields(event)}
