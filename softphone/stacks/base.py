"""What every stack offers to the engine, and what it reports back.

A stack carries; the engine decides. Commands go down as method calls, which never block and report their outcome
through the sink. Reports come up as frozen dataclasses, always on the event loop's thread, in the order in which things
happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol

from softphone.addresses import HostPort
from softphone.config.nat import Turn
from softphone.config.resolved import ResolvedAccount
from softphone.media.ports import Port, SoundMixer
from softphone.media.quality import StreamQuality
from softphone.tracing.message import SipMessage

Headers = dict[str, list[str]]
"""Header name as received -> its values, in order."""

HeaderLines = Mapping[str, str]
NO_HEADERS: HeaderLines = MappingProxyType({})
"""Headers that our side adds to a message of its own: name -> value."""


# ---- reports of an account


@dataclass(frozen=True, slots=True)
class RegistrationOk:
    """The registrar answered 200; `expires_s` 0 means that we are unregistered now.

    `address` (numeric, with port) is where it answered; `preferred`: no other address comes before it; `outbound`: it
    sends calls down the connection that we registered over (RFC 5626).
    """

    expires_s: int
    address: str = ""
    preferred: bool = True
    outbound: bool = False


@dataclass(frozen=True, slots=True)
class RegistrationFailed:
    """REGISTER got a final answer other than 200, or none. `code` 0: no SIP answer; `cause`/`advice` are for people.

    `auth` is true where the registrar refused the credentials (401, 403, 407): fetching them anew may help.
    `address` is where it was tried, '' if there is none; `others`: how many addresses are left to try in this round.
    """

    code: int
    reason: str
    cause: str
    advice: str
    auth: bool = False
    address: str = ""
    others: int = 0


@dataclass(frozen=True, slots=True)
class PreferredAnswers:
    """A registrar that we would rather use than the present one answers again."""


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The TCP or TLS connection that this account registered through is gone."""

    cause: str


@dataclass(frozen=True, slots=True)
class ProbeAnswered:
    """The registrar answered our OPTIONS, with whatever code: the way there and back works."""


AccountReport = RegistrationOk | RegistrationFailed | PreferredAnswers | ConnectionLost | ProbeAnswered

Which = Literal["same", "next", "first"]
"""Which of an account's registrars: the one in use (or the first), the next one to try, the preferred one."""


class AccountSink(Protocol):
    """Who hears of an account."""

    def account_report(self, report: AccountReport) -> None: ...

    def incoming(self, leg: Leg, invite: IncomingInvite) -> LegSink:
        """A new leg rings here; returns who hears of it from now on."""

    def transferred(self, leg: Leg, target: str, origin: LegSink | None) -> LegSink:
        """The far end of `origin` sent us to `target`: `leg` calls there already. Returns who hears of it."""


# ---- reports of a leg


@dataclass(frozen=True, slots=True)
class IncomingInvite:
    """Who calls whom: URIs, the display name, Call-ID, and the INVITE's headers."""

    caller: str
    caller_name: str
    called: str
    sip_call_id: str
    headers: Headers


@dataclass(frozen=True, slots=True)
class Progress:
    """A provisional answer arrived. `early_media`: it carried SDP, so there is something to hear."""

    code: int
    reason: str
    early_media: bool
    headers: Headers = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answered:
    """The dialog is confirmed: 200 and ACK have been exchanged. `headers` are those of a 200 that came to us."""

    headers: Headers = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Identified:
    """A request within the dialog told who is at the far end now (P-Asserted-Identity or Remote-Party-ID)."""

    remote: str
    remote_name: str


@dataclass(frozen=True, slots=True)
class MediaPath:
    """The way that media takes. Candidate types are those of ICE: host, srflx (as STUN saw us), prflx, relay, or ''.

    `ice`: '' where it is not used, negotiating, completed or failed. Addresses are address:port. The far end's
    candidate is known with ICE only.
    """

    ice: str = ""
    local_candidate: str = ""
    local_address: str = ""
    remote_candidate: str = ""
    remote_address: str = ""


@dataclass(frozen=True, slots=True)
class MediaChanged:
    """Media was agreed, changed or stopped. `port` is the leg's place on the mixer, None while there is none.

    `srtp`: the suite, "" for plain RTP; `srtp_keying`: how its keys were agreed, sdes or dtls. `held`: our side holds
    the call; the port stays, so that music can be sent. `events`: the far end knows RFC 4733.
    """

    port: Port | None
    codec: str = ""
    clock_rate_hz: int = 0
    direction: str = "inactive"
    srtp: str = ""
    remote: str = ""
    held: bool = False
    events: bool = True
    path: MediaPath = MediaPath()
    srtp_keying: str = ""


@dataclass(frozen=True, slots=True)
class HoldRefused:
    """A re-INVITE of ours that holds or resumes came to nothing. `code` 491: try again in a while (RFC 3261 14.1)."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class TransferProgress:
    """How a transfer that we asked for fares (RFC 3515): the SIP status that the far end reports. `final`: the last."""

    code: int
    reason: str
    final: bool


@dataclass(frozen=True, slots=True)
class TransferAsked:
    """The far end asked us to call `target` instead (REFER), and policy refused it."""

    target: str


@dataclass(frozen=True, slots=True)
class Replaced:
    """`leg` takes the place of the leg that reported so far (RFC 3891), and is answered; its reports come from now on.

    The leg before is ended by its stack and not heard of again.
    """

    leg: Leg
    invite: IncomingInvite


@dataclass(frozen=True, slots=True)
class Redirected:
    """The far end sent our call elsewhere (3xx), and it goes on to `target`."""

    code: int
    target: str


@dataclass(frozen=True, slots=True)
class DigitBegun:
    """The far end holds a key down; `Digit` follows when it lets go."""

    digit: str
    method: str


@dataclass(frozen=True, slots=True)
class Digit:
    """The far end pressed a key. `method`: rfc4733 or info."""

    digit: str
    method: str
    duration_ms: int | None


@dataclass(frozen=True, slots=True)
class DigitSent:
    """One digit is out (its last packet sent, or the INFO answered 200)."""

    digit: str


@dataclass(frozen=True, slots=True)
class DigitFailed:
    """`refused`: the far end answered INFO, and with a refusal; another method may do."""

    digit: str
    cause: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class SecurityLowered:
    """The far end has no SRTP, and the call goes on in the clear (`srtp: prefer`)."""

    cause: str


@dataclass(frozen=True, slots=True)
class LegEnded:
    """The last report of a leg. `code` 0: no SIP answer was involved. `bye`: the far end sent BYE or CANCEL.

    `expired`: no refresh of the session came in time (RFC 4028 section 10), and our stack sent BYE. `cause` explains
    network faults in plain English, '' otherwise. `headers` are of the message that ended it.
    `quality` holds the media's last figures. `insecure`: why we ended it for want of encryption, in plain English.
    """

    code: int
    reason: str
    bye: bool = False
    cause: str = ""
    headers: Headers = field(default_factory=dict)
    quality: StreamQuality | None = None
    expired: bool = False
    insecure: str = ""


LegReport = (
    Progress
    | Answered
    | Identified
    | MediaChanged
    | HoldRefused
    | TransferProgress
    | TransferAsked
    | Replaced
    | Redirected
    | DigitBegun
    | Digit
    | DigitSent
    | DigitFailed
    | SecurityLowered
    | LegEnded
)


class LegSink(Protocol):
    """Who hears of a leg."""

    def leg_report(self, report: LegReport) -> None: ...


# ---- what a stack offers


@dataclass(frozen=True, slots=True)
class OutgoingInvite:
    """`target`: the URI to call; `headers`: extra header lines of our caller's choice.

    `redirects`: how many 3xx answers are followed before the call counts as redirected.
    """

    target: str
    headers: dict[str, str] = field(default_factory=dict)
    redirects: int = 0


class Leg(Protocol):
    """One side of a call, as carried by a stack. After `LegEnded` all commands are ignored."""

    @property
    def sip_call_id(self) -> str: ...

    def ring(self) -> None:
        """Answers 180 to an incoming INVITE."""

    def answer(self, headers: HeaderLines = NO_HEADERS) -> None:
        """Answers 200 to an incoming INVITE."""

    def reject(self, code: int, reason: str = "", headers: HeaderLines = NO_HEADERS) -> None:
        """Answers an incoming INVITE with a final `code` (300-699)."""

    def redirect(self, target: str) -> None:
        """Answers 302 to an incoming INVITE: the caller shall call `target`, a SIP URI."""

    def hold(self, held: bool, headers: HeaderLines = NO_HEADERS) -> None:
        """Holds (sendonly) or resumes by re-INVITE. Reports MediaChanged, or HoldRefused."""

    def renew(self) -> None:
        """Sends a re-INVITE with our present address for signalling and sound. Reports MediaChanged."""

    def transfer(self, target: str, headers: dict[str, str]) -> None:
        """Asks the far end to call `target` (REFER, RFC 3515). Reports TransferProgress."""

    def transfer_to(self, other: Leg, headers: dict[str, str]) -> None:
        """Asks the far end to take the place of ours in `other` (REFER with Replaces). Reports TransferProgress."""

    def hang_up(self, headers: HeaderLines = NO_HEADERS) -> None:
        """Ends the leg as its state asks for: CANCEL, BYE, or a final answer. A CANCEL takes no headers."""

    def send_digit(self, digit: str, method: str, duration_ms: int) -> None:
        """Sends one of 0-9 A-D * #; `method`: auto, rfc4733 or info. Reports DigitSent or DigitFailed."""

    def dtmf_method(self, wanted: str) -> str:
        """What `wanted` ("auto") comes to with this peer: rfc4733, info, or inband (which is the engine's to do)."""

    def quality(self) -> StreamQuality | None:
        """The media's figures so far, None while there is no media."""


class StackAccount(Protocol):
    """An address of record on a stack."""

    def register(self, which: Which = "same") -> None:
        """Sends REGISTER (afresh, or as a refresh). Reports RegistrationOk or RegistrationFailed.

        Names are looked up anew, except for the "next" of the addresses that are known already.
        """

    def give_up(self, after_s: float) -> None:
        """Waits no longer for the answer to a REGISTER sent `after_s` seconds ago. Reports RegistrationFailed."""

    def seek_preferred(self) -> None:
        """Finds out whether a registrar that comes before the present one answers; if so reports PreferredAnswers."""

    def unregister(self) -> None: ...

    def prepare(self, done: Callable[[], None] | None = None) -> None:
        """For an account that does not register: finds the way to its first hop, so that calls can be placed.

        `done()` runs when that is known.
        """

    def moved(self) -> bool:
        """Whether our address on the way to the registrar in use is another than when it was chosen."""

    def update(self, settings: ResolvedAccount) -> None:
        """Takes new settings; running calls go on as they are. The engine registers anew afterwards."""

    def probe(self) -> None:
        """Sends OPTIONS to the registrar; any answer is reported as ProbeAnswered, silence is not reported."""

    def reset_connection(self) -> None:
        """Closes the connection to the registrar, so that the next request opens a new one."""

    def invite(self, invite: OutgoingInvite, sink: LegSink) -> Leg:
        """Places a call. Raises SipError or MediaError if it cannot even begin."""

    def close(self) -> None:
        """Removes the account without a word to the registrar (`unregister` first for that)."""


@dataclass(frozen=True, slots=True)
class MediaServers:
    """STUN and TURN servers that answer, at numeric addresses; None for none. `turn` says how to speak to the relay.

    `gather_s`: how long a call waits for them at most.
    """

    stun: HostPort | None = None
    relay: HostPort | None = None
    turn: Turn | None = None
    gather_s: float = 1.0


@dataclass(frozen=True, slots=True)
class SoundDevice:
    """`inputs` and `outputs` are channels; 0 where it cannot record or play. `default`: taken where none is named.

    `in_use`: a call or the ringer of this phone has it open.
    """

    name: str
    inputs: int
    outputs: int
    driver: str
    default_rate_hz: int
    description: str = ""
    default: bool = False
    in_use: bool = False


class Stack(Protocol):
    """A way to carry calls."""

    @property
    def mixer(self) -> SoundMixer: ...

    async def start(self) -> None: ...

    async def stop(self) -> None:
        """Ends everything in the right order. Calls should be over by then; what is left is cut."""

    def open_account(self, settings: ResolvedAccount, sink: AccountSink) -> StackAccount: ...

    def use_servers(self, servers: MediaServers) -> None:
        """From now on the calls of accounts whose `nat` asks for it use these servers."""

    def devices(self) -> list[SoundDevice]:
        """The sound devices of this machine; the first call looks for them."""

    def describe(self) -> dict[str, Any]:
        """`pjsip` (version), `codecs` (a list, preferred first), `openssl` (version)."""

    def tap(self, receiver: Callable[[Sequence[SipMessage]], None] | None) -> None:
        """From now on `receiver` gets each SIP message that travels, secrets and all, in order; None: nobody does."""

    def tap_lost(self) -> int:
        """Messages lost since the process began, because too many came at once."""
