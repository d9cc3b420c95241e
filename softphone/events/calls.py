"""The life of a call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from softphone.events.base import CallEvent


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
