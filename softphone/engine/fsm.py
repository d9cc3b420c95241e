"""The life of a call as a pure function: (state, input) -> (state, actions). No I/O, no clock: timers are actions.

    outgoing   dialing ──180──> ringing ──183+SDP──> early ──200──> active ──> ending ──> ended
    incoming   incoming ──answer──> answering ──ACK──> active ──> ending ──> ended

Any state may fall to `ended` by a LegEnded. `ending` means that our side asked for the end and waits for the leg to
confirm; if the far end stays silent, a timer ends the wait.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from softphone.engine.ending import Ending, judge
from softphone.engine.timing import StartTimer, StopTimer, TimerFired
from softphone.stacks.base import Answered, Headers, LegEnded, Progress

END_PATIENCE_S = 5.0
"""How long an asked-for end may take before the call counts as ended without the far end's word."""

# ---- inputs (beside Progress, Answered and LegEnded of the leg)


@dataclass(frozen=True, slots=True)
class Dialed:
    """Our INVITE went out."""


@dataclass(frozen=True, slots=True)
class Offered:
    """An INVITE came in, and policy decided: `action` is ring, answer or reject; the phone rings `after_s` first.

    `why` it is answered by itself: rule, asked (by the caller's headers) or expected (announced by a program).
    """

    action: str
    after_s: float = 0.0
    code: int = 486
    reason: str = ""
    why: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class AnswerWanted:
    """Our side takes the incoming call."""


@dataclass(frozen=True, slots=True)
class RejectWanted:
    """Our side refuses the incoming call with a SIP status of its choice."""

    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RedirectWanted:
    """Our side sends the caller of an incoming call elsewhere: to a SIP URI."""

    target: str


@dataclass(frozen=True, slots=True)
class TransferBegun:
    """The far end was asked to call somebody else: when it hangs up now, that is the transfer at work."""


@dataclass(frozen=True, slots=True)
class TransferOver:
    """The transfer is `done`, and the call ends; or it failed, and the call goes on as it was."""

    done: bool


@dataclass(frozen=True, slots=True)
class EndWanted:
    """Our side wants the call to end; `intent` is one of ending.LOCAL_INTENTS."""

    intent: str = "local_hangup"


Input = (
    Dialed
    | Offered
    | AnswerWanted
    | RejectWanted
    | RedirectWanted
    | TransferBegun
    | TransferOver
    | EndWanted
    | TimerFired
    | Progress
    | Answered
    | LegEnded
)

# ---- actions


@dataclass(frozen=True, slots=True)
class SendRinging:
    pass


@dataclass(frozen=True, slots=True)
class SendAnswer:
    pass


@dataclass(frozen=True, slots=True)
class SendReject:
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class SendRedirect:
    target: str


@dataclass(frozen=True, slots=True)
class SendHangUp:
    pass


@dataclass(frozen=True, slots=True)
class TellProgress:
    code: int
    reason: str
    early_media: bool
    headers: Headers = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TellAnswered:
    by: str
    headers: Headers = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TellEnded:
    ending: Ending


Action = (
    SendRinging
    | SendAnswer
    | SendReject
    | SendRedirect
    | SendHangUp
    | StartTimer
    | StopTimer
    | TellProgress
    | TellAnswered
    | TellEnded
)


@dataclass(frozen=True, slots=True)
class CallState:
    """Where a call stands. `intent` is why our side wants it to end; `left` is the phase it was in then.

    `offered` is what policy decided for an incoming call that rings first. `transferring`: the far end was asked to
    call somebody else, and has not said yet how that went.
    """

    phase: str
    outgoing: bool
    ring_timeout_s: float
    max_duration_s: float = 0.0
    intent: str | None = None
    left: str = ""
    offered: Offered | None = None
    transferring: bool = False

    @property
    def over(self) -> bool:
        return self.phase == "ended"


Step = tuple[CallState, tuple[Action, ...]]
_NOTHING: tuple[Action, ...] = ()


def step(state: CallState, what: Input) -> Step:
    """The only transition function. What makes no sense in a state changes nothing."""
    if state.phase == "ended":
        return state, _NOTHING
    if isinstance(what, LegEnded):
        return _ended(state, what)
    if isinstance(what, EndWanted):
        return _end(state, what.intent)
    if isinstance(what, TimerFired):
        return _timer(state, what.name)
    return _PHASES[state.phase](state, what)


def _dialing(state: CallState, what: Input) -> Step:
    match what:
        case Dialed():
            return state, (StartTimer("ring", state.ring_timeout_s),)
        case Progress(code, reason, early_media, headers):
            phase = "early" if early_media or state.phase == "early" else "ringing" if code > 100 else state.phase
            return replace(state, phase=phase), (TellProgress(code, reason, early_media, headers),)
        case Answered(headers):
            return _active(state, "remote", headers)
    return state, _NOTHING


def _incoming(state: CallState, what: Input) -> Step:
    match what:
        case Offered("reject", after_s, code, reason) if after_s <= 0:
            return _reject(state, code, reason)
        case Offered("answer", after_s) if after_s <= 0:
            return _answer(state)
        case Offered("ring"):
            return state, (SendRinging(), StartTimer("ring", state.ring_timeout_s))
        case Offered(_, after_s):
            decided = replace(state, offered=what)
            return decided, (SendRinging(), StartTimer("ring", state.ring_timeout_s), StartTimer("decide", after_s))
        case AnswerWanted():
            return _answer(state)
        case RejectWanted(code, reason):
            return _reject(state, code, reason)
        case RedirectWanted(target):
            ending, (*others, _, patience) = _reject(state, 302, "")
            return replace(ending, intent="redirected"), (*others, SendRedirect(target), patience)
    return state, _NOTHING


def _answering(state: CallState, what: Input) -> Step:
    return _active(state, "local", {}) if isinstance(what, Answered) else (state, _NOTHING)


def _waiting(state: CallState, what: Input) -> Step:
    """active and ending: only an end, a wanted end, a transfer or a timer moves them. An answer that crossed our CANCEL
    is hung up again by the stack (RFC 3261 section 9.1); the hang-up is repeated in case it had been a CANCEL."""
    if state.phase == "ending" and state.outgoing and isinstance(what, Answered):
        return state, (SendHangUp(),)
    if state.phase == "active" and isinstance(what, TransferBegun):
        return replace(state, transferring=True), _NOTHING
    if isinstance(what, TransferOver):
        state = replace(state, transferring=False)
        return _end(state, "transferred") if what.done else (state, _NOTHING)
    return state, _NOTHING


def _answer(state: CallState) -> Step:
    return replace(state, phase="answering"), (StopTimer("ring"), StopTimer("decide"), SendAnswer())


def _reject(state: CallState, code: int, reason: str) -> Step:
    intent = "busy" if code in (486, 600) else "rejected"
    ending = replace(state, phase="ending", intent=intent, left=state.phase)
    return ending, (
        StopTimer("ring"),
        StopTimer("decide"),
        SendReject(code, reason),
        StartTimer("end", END_PATIENCE_S),
    )


def _active(state: CallState, by: str, headers: Headers) -> Step:
    timers: tuple[Action, ...] = (StopTimer("ring"),)
    if state.max_duration_s > 0:
        timers += (StartTimer("max_duration", state.max_duration_s),)
    return replace(state, phase="active"), (*timers, TellAnswered(by, headers))


def _end(state: CallState, intent: str) -> Step:
    if state.phase == "ending":
        return state, _NOTHING
    if state.phase == "incoming":
        return _refuse(state, intent)
    if intent == "local_hangup" and state.phase != "active":
        intent = "cancelled"
    ending = replace(state, phase="ending", intent=intent, left=state.phase)
    return ending, (StopTimer("ring"), StopTimer("max_duration"), SendHangUp(), StartTimer("end", END_PATIENCE_S))


def _refuse(state: CallState, intent: str) -> Step:
    """An incoming call that our side does not take: hanging up means declining it."""
    code = {"ring_timeout": 480, "shutdown": 480}.get(intent, 603)
    ending, actions = _reject(state, code, "")
    return replace(ending, intent="rejected" if intent == "local_hangup" else intent), actions


def _timer(state: CallState, name: str) -> Step:
    if name == "end" and state.phase == "ending":
        return _ended(state, LegEnded(0, "", cause="the far end did not confirm the end"))
    if name == "ring" and state.phase in ("dialing", "ringing", "early", "incoming"):
        return _end(state, "ring_timeout")
    if name == "decide" and state.phase == "incoming" and (offered := state.offered):
        return _answer(state) if offered.action == "answer" else _reject(state, offered.code, offered.reason)
    if name == "max_duration" and state.phase == "active":
        return _end(state, "max_duration")
    return state, _NOTHING


def _ended(state: CallState, report: LegEnded) -> Step:
    ending = judge(state.left or state.phase, state.outgoing, state.intent, report, transferring=state.transferring)
    stops = tuple(StopTimer(name) for name in ("ring", "decide", "max_duration", "end"))
    return replace(state, phase="ended"), (*stops, TellEnded(ending))


_PHASES: dict[str, Callable[[CallState, Input], Step]] = {
    "dialing": _dialing,
    "ringing": _dialing,
    "early": _dialing,
    "incoming": _incoming,
    "answering": _answering,
    "active": _waiting,
    "ending": _waiting,
}
