"""One entry of `accounts:`: which extensions it stands for, and how each of them is a phone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from softphone.config.nat import AccountNat
from softphone.config.problems import Found, merged_error
from softphone.config.secrets import Secret
from softphone.config.sound import Intercom, Ringer
from softphone.config.types import (
    ExistingFile,
    GainDb,
    HeaderName,
    Host,
    HostPortField,
    HostPorts,
    Line,
    PortNumber,
    Seconds,
    SecondsOrZero,
    ShardField,
    SipUser,
    Strict,
    UrlPath,
)

Transport = Literal["tls", "tcp", "udp", "wss"]
Srtp = Literal["off", "mandatory", "prefer"]
SrtpKeying = Literal["sdes", "dtls"]
SrtpSuite = Literal[
    "AES_256_CM_HMAC_SHA1_80",
    "AES_CM_128_HMAC_SHA1_80",
    "AEAD_AES_256_GCM",
    "AEAD_AES_128_GCM",
    "AES_CM_128_HMAC_SHA1_32",
    "AES_256_CM_HMAC_SHA1_32",
]
DEFAULT_SUITES: tuple[SrtpSuite, ...] = (
    "AES_256_CM_HMAC_SHA1_80",
    "AES_CM_128_HMAC_SHA1_80",
    "AEAD_AES_256_GCM",
    "AEAD_AES_128_GCM",
    "AES_CM_128_HMAC_SHA1_32",
)
Codec = Literal["opus", "g722", "pcma", "pcmu", "gsm", "speex"]
Dtmf = Literal["auto", "rfc4733", "info", "inband"]
DtmfDetect = Literal["auto", "off", "on"]
Action = Literal["ring", "answer", "answer_if_asked", "reject"]
Outbound = Literal["auto", "on", "off"]
Transfers = Literal["refuse", "domain", "accept"]
SessionTimer = Literal["off", "supported", "required", "always"]
Reliable = Literal["off", "supported", "required"]
Replaces = Literal["accept", "refuse"]

DEFAULT_PORTS: Mapping[str, int] = {"tls": 5061, "tcp": 5060, "udp": 5060, "wss": 443}


class Tls(Strict):
    """How the registrar's certificate is judged."""

    ca_file: ExistingFile | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's own (path)"
    )
    verify: bool = Field(
        default=True,
        description="Refuse a certificate that is not trusted, out of date or of another name (true or false)",
    )
    server_name: Host | None = Field(
        default=None,
        description="Name the certificate must carry, where it differs from the account's domain (host name)",
    )


class IncomingRule(Strict):
    """What happens to a call whose caller matches. The first rule that matches decides."""

    from_: str = Field(
        default="*",
        alias="from",
        min_length=1,
        description="Pattern for the caller's number or user name: * any text, ? one character, [0-9] one of a set",
    )
    action: Action = Field(
        default="ring",
        description="ring (wait for a command), answer, answer_if_asked (when the caller's headers ask for it, as an"
        " intercom's do; whoever may call by this pattern can then listen in), or reject",
    )
    after_s: SecondsOrZero = Field(
        default=0,
        description="Seconds to ring before answering or refusing; with `answer_if_asked` at least that (seconds)",
    )
    code: Annotated[int, Field(strict=True, ge=400, le=699)] = Field(
        default=486, description="With `reject`: SIP status of the refusal, 486 is Busy Here (400 to 699)"
    )


class Audio(Strict):
    """Where a call's sound goes: nowhere (`null`), to sound devices, or from a file."""

    device: Line | None = Field(default=None, description="One sound device for both directions (ALSA name)")
    input: Line | None = Field(default=None, description="Microphone; goes with `output` (ALSA name)")
    output: Line | None = Field(default=None, description="Loudspeaker; goes with `input` (ALSA name)")
    file: ExistingFile | None = Field(
        default=None, description="Sound file that the other side hears from the moment of answer (path)"
    )
    loop: bool = Field(default=False, description="With `file`: begin again at its end (true or false)")
    input_gain_db: GainDb = Field(
        default=0.0, description="With a device: how much louder the microphone is heard (-30 to 20 dB)"
    )
    output_gain_db: GainDb = Field(
        default=0.0, description="With a device: how much louder the loudspeaker is (-30 to 20 dB)"
    )

    @property
    def kind(self) -> Literal["null", "device", "file"]:
        """`null` has no device and no file: the call is heard and spoken to by programs only."""
        if self.file is not None:
            return "file"
        return "device" if self.device or self.input or self.output else "null"

    @model_validator(mode="before")
    @classmethod
    def _null(cls, value: Any) -> Any:
        return {} if value is None or value == "null" else value

    @model_validator(mode="after")
    def _one_route(self) -> Audio:
        pair = self.input is not None or self.output is not None
        if sum((self.device is not None, pair, self.file is not None)) > 1:
            raise ValueError("expected one route: null, {device: ...}, {input: ..., output: ...} or {file: ...}")
        if pair and (self.input is None or self.output is None):
            raise ValueError("`input` and `output` go together; for one device in both directions use `device`")
        if self.loop and self.file is None:
            raise ValueError("`loop` goes with `file`")
        if (self.input_gain_db or self.output_gain_db) and self.kind != "device":
            raise ValueError("`input_gain_db` and `output_gain_db` go with a sound device")
        return self


class Limits(Strict):
    """Times of this account's calls, where they differ from those under `calls:`."""

    ring_timeout_s: Seconds | None = Field(
        default=None, description="An outgoing call that nobody answers is cancelled after this (seconds)"
    )
    answer_timeout_s: Seconds | None = Field(
        default=None, description="An incoming call that nobody answers is refused after this (seconds)"
    )
    max_duration_s: SecondsOrZero | None = Field(
        default=None, description="Longest connected call; 0: no limit (seconds)"
    )
    media_timeout_s: SecondsOrZero | None = Field(
        default=None, description="Hang up when nothing has arrived for so long; 0: never (seconds)"
    )


class Select(Strict):
    """Extensions pulled from the PBX by search; without keys, every enabled extension of the domain."""

    search: Line = Field(default="", description="Only extensions that the PBX finds by this text; empty: all (text)")
    shard: ShardField | None = Field(
        default=None,
        description='Only this instance\'s part: "2/5" is the second of five; every account is in one part',
    )


def _some_distinct(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError("expected at least one in the list")
    twice = sorted({item for item in value if value.count(item) > 1})
    if twice:
        raise ValueError(f"listed twice: {', '.join(twice)}")
    return value


class AccountSettings(Strict):
    """How an account is a phone; the same keys for pulled and for static accounts."""

    transport: Transport = Field(
        default="tls",
        description="How SIP travels: tls, tcp, udp, or wss (secure WebSocket, RFC 7118, with media as WebRTC has it)",
    )
    websocket_path: UrlPath = Field(
        default="/", description="With transport wss: path of the WebSocket at the server, such as /ws"
    )
    port: PortNumber | None = Field(
        default=None,
        description="Port of the registrar; default: as DNS says (SRV, RFC 3263), else 5061 for tls, 5060 for tcp and"
        " udp; for wss 443",
    )
    registrar: HostPorts = Field(
        default=(),
        description="Where REGISTER is sent when not to the domain itself: one, or a list in the order of preference;"
        " the domain stays realm and TLS name (host[:port])",
    )
    outbound_proxy: HostPortField | None = Field(
        default=None, description="Where every request is sent first; the domain stays realm and TLS name (host[:port])"
    )
    tls: Tls = Field(default=Tls(), description="How the registrar's certificate is judged")
    expires_s: Annotated[int, Field(strict=True, ge=5, le=86_400)] = Field(
        default=3600, description="Lifetime asked for a registration; refreshed well before its end (seconds)"
    )
    outbound: Outbound = Field(
        default="auto",
        description="Over TCP and TLS, have the registrar send calls down our connection (RFC 5626): auto (if it can),"
        " on (only register where it can), off",
    )
    register_: bool = Field(
        default=True, alias="register", description="Register with the PBX; false: only place calls (true or false)"
    )
    srtp: Srtp = Field(
        default="off",
        description="Encrypted media: off, mandatory (never without), or prefer (without when the PBX refuses it)",
    )
    srtp_suites: Annotated[tuple[SrtpSuite, ...], AfterValidator(_some_distinct)] = Field(
        default=DEFAULT_SUITES,
        description="SRTP suites, best first, by their names in RFC 4568, 6188 and 7714; DTLS knows no AES_256_CM",
    )
    srtp_keying: SrtpKeying = Field(
        default="sdes",
        description="How our own offers agree on keys: sdes (in the SDP) or dtls (DTLS-SRTP); an offer of the other"
        " side is taken either way",
    )
    codecs: Annotated[tuple[Codec, ...], AfterValidator(_some_distinct)] = Field(
        default=("opus", "g722", "pcma", "pcmu"),
        description="Codecs offered, best first: opus, g722, pcma, pcmu, gsm, speex",
    )
    dtmf: Dtmf = Field(
        default="auto",
        description="How digits are sent: rfc4733, info (SIP INFO), inband (as sound), or auto (the first of these that"
        " the far end takes)",
    )
    dtmf_detect: DtmfDetect = Field(
        default="auto",
        description="Whether digits are heard in the sound that comes in: auto (only where the far end does not know"
        " RFC 4733), off, or on",
    )
    max_calls: Annotated[int, Field(strict=True, ge=1, le=1000)] = Field(
        default=8, description="Calls of this account at once; further callers hear busy (calls)"
    )
    limits: Limits = Field(default=Limits(), description="Times of its calls, where they differ from those in `calls`")
    rtcp_xr: bool = Field(
        default=False, description="Exchange extended quality reports with the far end, RFC 3611 (true or false)"
    )
    incoming: tuple[IncomingRule, ...] = Field(
        default=(), description="Rules for incoming calls, the first that matches decides; without a match: ring"
    )
    dnd_code: Annotated[int, Field(strict=True, ge=400, le=699)] = Field(
        default=486, description="SIP status for callers while do-not-disturb is on; 486 is Busy Here (400 to 699)"
    )
    transfers: Transfers = Field(
        default="refuse",
        description="When the far end of a call sends us elsewhere (REFER): refuse, domain (follow it within the"
        " account's domain), or accept (call whatever it says, at our cost)",
    )
    replaces: Replaces = Field(
        default="accept",
        description="When a call takes the place of one of ours (INVITE with Replaces, as after an attended transfer):"
        " accept or refuse",
    )
    session_timer: SessionTimer = Field(
        default="supported",
        description="Session timers, by which both ends notice a dead call: off, supported (if the peer wants them),"
        " required (only calls with them), or always (our side refreshes whatever the peer says)",
    )
    session_expires_s: Annotated[int, Field(strict=True, ge=90, le=86_400)] = Field(
        default=1800, description="Lifetime of a call without a refresh, where session timers are in use (seconds)"
    )
    reliable_provisional: Reliable = Field(
        default="supported",
        description="Provisional answers such as 180 that are acknowledged (100rel): off, supported, or required",
    )
    audio: Audio = Field(
        default=Audio(),
        description="Where a call's sound goes: null (programs only), {device}, {input, output} or {file, loop}",
    )
    ringer: Ringer | None = Field(
        default=None,
        description="How this account's incoming calls ring here; null: as the whole phone's `ringer` says",
    )
    intercom: Intercom = Field(
        default=Intercom(), description="Calls that the phone takes by itself: a chime first, a microphone that waits"
    )
    nat: AccountNat = Field(default=AccountNat(), description="How calls of this account get through NAT")
    headers: dict[HeaderName, Line] = Field(
        default={}, description="SIP headers added to every INVITE of this account (name: value)"
    )


class Account(AccountSettings):
    """An entry of `accounts:`: pulled from the PBX (`extensions` or `select`) or static (`username`, ...)."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["extensions"]},
                {"required": ["select"]},
                {"required": ["username", "password", "domain"]},
            ]
        }
    )

    extensions: Annotated[tuple[SipUser, ...], AfterValidator(_some_distinct)] | None = Field(
        default=None,
        description='Pulled: these extensions, such as ["901", "902"]; password and domain come from the PBX',
    )
    select: Select | None = Field(default=None, description="Pulled: every enabled extension that this finds")
    username: SipUser | None = Field(default=None, description="Static: user name at the registrar, such as 901")
    password: Secret | None = Field(default=None, description="Static: SIP secret ({env}, {file} or {credential})")
    domain: Host | None = Field(
        default=None, description="Static: domain, which is also realm and registrar (host name)"
    )
    auth_username: Line | None = Field(
        default=None, description="Static: user name for the digest, where it is not `username`"
    )
    display_name: Line = Field(default="", description="Static: name shown to the people called")

    @property
    def pulled(self) -> bool:
        """Whether the PBX's API says who this is."""
        return self.username is None

    @property
    def id(self) -> str | None:
        """`user@domain` of a static account, None of a pulled one."""
        return None if self.pulled else f"{self.username}@{self.domain}"

    @model_validator(mode="wrap")
    @classmethod
    def _who(cls, value: Any, handler: ModelWrapValidatorHandler[Account]) -> Account:
        """Finds missing and clashing keys even where another key is wrong, so that all is shown at once."""
        found = list(_identity_problems(value)) if isinstance(value, Mapping) else []
        try:
            account = handler(value)
        except ValidationError as error:
            raise merged_error(error, found) from None
        if found:
            raise merged_error(None, found)
        return account


_STATIC = ("username", "password", "domain")
_STATIC_ONLY = (*_STATIC, "auth_username", "display_name")


def _identity_problems(entry: Mapping[Any, Any]) -> Iterator[Found]:
    given = {key for key, value in entry.items() if value is not None}
    pulled = [key for key in ("extensions", "select") if key in given]
    if not pulled and not given.intersection(_STATIC):
        yield (), "expected who this is: `extensions`, `select`, or `username` with `password` and `domain`"
    elif not pulled:
        for key in _STATIC:
            if key not in given:
                yield (key,), "is required for an account that is not pulled from the PBX"
    if len(pulled) == 2:
        yield ("select",), "goes without `extensions`; use one entry for each"
    for key in _STATIC_ONLY:
        if pulled and key in given:
            yield (key,), f"goes without `{pulled[0]}`: for pulled accounts it comes from the PBX"
