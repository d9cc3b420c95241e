"""The life of a registration as a pure function: (state, input) -> (state, actions). No I/O, no clock.

    unregistered ──> registering ──200──> registered ──(refresh by the stack)──> registered
                          │                   │ connection lost, or no answer to a probe
                          ├──failure──> failed (retry timer) <──┘ at once: registering
                          └──failure, and another registrar is left──> registering there at once

Delays: the first retry comes after about `retry_min_s`, doubled up to `retry_max_s`. A refused password is retried
slowly, since PBXs ban addresses that try often: from AUTH_RETRY_MIN_S to AUTH_RETRY_MAX_S, after the secret has been
fetched anew once.

Where there are several registrars, or one with several addresses, those that cannot be reached, do not answer or are
out of order (5xx) are followed by the next at once; the delays begin when all have failed. On another one than the
preferred, that one is looked for every `failback_s` seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from softphone.engine.timing import StartTimer, StopTimer, TimerFired
from softphone.stacks.base import (
    ConnectionLost,
    PreferredAnswers,
    ProbeAnswered,
    RegistrationFailed,
    RegistrationOk,
    Which,
)

AUTH_RETRY_MIN_S = 60.0
AUTH_RETRY_MAX_S = 600.0
WSS_RETRY_MAX_S = 10.0
"""The longest pause over WebSocket, where the server can reach us by our connection only: with the time that a try may
take, that makes less than 20 s from the server's return to the registration."""
TIMEOUT_CODE = 408


@dataclass(frozen=True, slots=True)
class RegisterWanted:
    """Register now: at start, on command, or since settings or addresses changed."""


@dataclass(frozen=True, slots=True)
class UnregisterWanted:
    """Take our contact back and stay silent until RegisterWanted."""


@dataclass(frozen=True, slots=True)
class NetworkChanged:
    """This machine's addresses or routes are others now. `moved`: so is our address on the way to the registrar."""

    moved: bool


@dataclass(frozen=True, slots=True)
class SecretStays:
    """The secret was fetched anew and is the same, or cannot be fetched: the refusal stands."""


ReportInput = RegistrationOk | RegistrationFailed | PreferredAnswers | ConnectionLost | ProbeAnswered
Input = RegisterWanted | UnregisterWanted | SecretStays | NetworkChanged | TimerFired | ReportInput


@dataclass(frozen=True, slots=True)
class SendRegister:
    which: Which = "same"


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Wait no longer for the answer to a REGISTER; `after_s` is how long it has taken."""

    after_s: float


@dataclass(frozen=True, slots=True)
class SeekPreferred:
    """Find out whether the preferred registrar is back."""


@dataclass(frozen=True, slots=True)
class SendUnregister:
    pass


@dataclass(frozen=True, slots=True)
class SendProbe:
    pass


@dataclass(frozen=True, slots=True)
class ResetConnection:
    pass


@dataclass(frozen=True, slots=True)
class FetchSecret:
    """Ask the provider for the present password; the owner answers with RegisterWanted or SecretStays."""


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Set the retry timer. `auth`: the slow one. `failures` counts from 0: the delay doubles with each."""

    failures: int
    auth: bool


@dataclass(frozen=True, slots=True)
class TellRegistering:
    pass


@dataclass(frozen=True, slots=True)
class TellRegistered:
    expires_s: int
    address: str = ""
    preferred: bool = True


@dataclass(frozen=True, slots=True)
class TellPassedOver:
    """One of several registrars failed; the next is tried at once."""

    failure: RegistrationFailed


@dataclass(frozen=True, slots=True)
class TellFailed:
    """Comes right after the RetryAfter whose delay it names."""

    failure: RegistrationFailed


@dataclass(frozen=True, slots=True)
class TellConnectionLost:
    cause: str


@dataclass(frozen=True, slots=True)
class TellUnregistered:
    pass


Action = (
    SendRegister
    | GiveUp
    | SeekPreferred
    | SendUnregister
    | SendProbe
    | ResetConnection
    | FetchSecret
    | RetryAfter
    | StartTimer
    | StopTimer
    | TellRegistering
    | TellRegistered
    | TellPassedOver
    | TellFailed
    | TellConnectionLost
    | TellUnregistered
)


@dataclass(frozen=True, slots=True)
class RegistrationState:
    """Where a registration stands. `pulled`: the secret comes from the provider and can be fetched anew."""

    phase: str = "unregistered"
    pulled: bool = False
    probe_s: float = 20.0
    probe_timeout_s: float = 8.0
    timeout_s: float = 8.0
    failback_s: float = 300.0
    failures: int = 0
    refetched: bool = False
    failure: RegistrationFailed | None = None
    address: str = ""


Step = tuple[RegistrationState, tuple[Action, ...]]
_NOTHING: tuple[Action, ...] = ()
_QUIET: tuple[Action, ...] = (
    StopTimer("retry"),
    StopTimer("probe"),
    StopTimer("probe_deadline"),
    StopTimer("answer"),
    StopTimer("failback"),
)


def step(state: RegistrationState, what: Input) -> Step:
    """The only transition function. What makes no sense in a state changes nothing."""
    match what:
        case RegisterWanted():
            return _register(state)
        case UnregisterWanted():
            return _unregister(state)
        case RegistrationOk():
            return _ok(state, what)
        case RegistrationFailed():
            return _failed(state, what)
        case PreferredAnswers():
            return _go_home(state)
        case ConnectionLost(cause):
            return _lost(state, cause)
        case ProbeAnswered():
            return _probe_answered(state)
        case NetworkChanged(moved):
            return _network_changed(state, moved)
        case SecretStays():
            return _give_up_on_secret(state)
        case TimerFired(name):
            return _timer(state, name)


def _register(state: RegistrationState) -> Step:
    begun = replace(state, phase="registering", failures=0 if state.phase == "registered" else state.failures)
    return begun, (*_QUIET, *_send(state))


def _send(state: RegistrationState, which: Which = "same") -> tuple[Action, ...]:
    return TellRegistering(), SendRegister(which), StartTimer("answer", state.timeout_s)


def _unregister(state: RegistrationState) -> Step:
    if state.phase in ("registered", "registering"):
        return replace(state, phase="unregistering"), (*_QUIET, SendUnregister())
    if state.phase == "unregistering":
        return state, _NOTHING
    return replace(state, phase="unregistered"), (*_QUIET, TellUnregistered())


def _ok(state: RegistrationState, ok: RegistrationOk) -> Step:
    if ok.expires_s == 0 or state.phase == "unregistering":
        gone = replace(state, phase="unregistered", failures=0, failure=None)
        return (gone, (*_QUIET, TellUnregistered())) if state.phase == "unregistering" else (state, _NOTHING)
    if state.phase == "unregistered":
        return state, _NOTHING
    first = state.phase != "registered" or state.address != ok.address
    good = replace(state, phase="registered", failures=0, refetched=False, failure=None, address=ok.address)
    timers = (StopTimer("retry"), StopTimer("answer"), StopTimer("probe_deadline"), *_probe_timer(state))
    if first and not ok.preferred and state.failback_s > 0:
        timers = (*timers, StartTimer("failback", state.failback_s))
    return good, (*timers, TellRegistered(ok.expires_s, ok.address, ok.preferred)) if first else timers


def _probe_timer(state: RegistrationState) -> tuple[Action, ...]:
    return (StartTimer("probe", state.probe_s),) if state.probe_s > 0 else ()


def _failed(state: RegistrationState, failure: RegistrationFailed) -> Step:
    if state.phase == "unregistering":
        return replace(state, phase="unregistered", failure=None), (*_QUIET, TellUnregistered())
    if state.phase not in ("registering", "registered"):
        return state, _NOTHING
    failed = replace(state, phase="failed", failure=failure)
    if failure.auth and state.pulled and not state.refetched:
        return replace(failed, refetched=True), (*_QUIET, FetchSecret())
    if failure.others and _elsewhere(failure):
        reset = () if failure.code else (ResetConnection(),)
        return replace(failed, phase="registering"), (*_QUIET, *reset, TellPassedOver(failure), *_send(state, "next"))
    return _retry(failed, failure, () if failure.code else (ResetConnection(),))


def _elsewhere(failure: RegistrationFailed) -> bool:
    """Whether another registrar may do what this one did not (RFC 3263 section 4.3, and all 5xx)."""
    return failure.code in (0, TIMEOUT_CODE) or failure.code // 100 == 5


def _retry(state: RegistrationState, failure: RegistrationFailed, first: tuple[Action, ...]) -> Step:
    retry = RetryAfter(state.failures, failure.auth)
    later = replace(state, failures=state.failures + 1)
    return later, (*_QUIET, *first, retry, TellFailed(failure))


def _give_up_on_secret(state: RegistrationState) -> Step:
    if state.phase != "failed" or state.failure is None:
        return state, _NOTHING
    return _retry(state, state.failure, ())


def _lost(state: RegistrationState, cause: str) -> Step:
    """A link that breaks while registered is replaced at once; in any other phase its REGISTER fails by itself."""
    if state.phase != "registered":
        return state, _NOTHING
    begun = replace(state, phase="registering")
    return begun, (*_QUIET, TellConnectionLost(cause), *_send(state))


def _go_home(state: RegistrationState) -> Step:
    if state.phase != "registered":
        return state, _NOTHING
    return replace(state, phase="registering"), (*_QUIET, *_send(state, "first"))


def _network_changed(state: RegistrationState, moved: bool) -> Step:
    """A new address means a new contact over a new connection. Where it is the old one, the link has to prove itself;
    and what failed before may succeed now, except for a refused password."""
    refused = state.failure is not None and state.failure.auth
    if (state.phase == "failed" and not refused) or (moved and state.phase in ("registered", "registering")):
        begun = replace(state, phase="registering", failures=0)
        return begun, (*_QUIET, ResetConnection(), *_send(state))
    if state.phase == "registered" and state.probe_s > 0:
        return state, (StopTimer("probe"), SendProbe(), StartTimer("probe_deadline", state.probe_timeout_s))
    return state, _NOTHING


def _probe_answered(state: RegistrationState) -> Step:
    if state.phase != "registered":
        return state, _NOTHING
    return state, (StopTimer("probe_deadline"), *_probe_timer(state))


def _timer(state: RegistrationState, name: str) -> Step:
    if name == "retry" and state.phase == "failed":
        return replace(state, phase="registering"), _send(state)
    if name == "answer" and state.phase == "registering":
        return state, (GiveUp(state.timeout_s),)
    if name == "failback" and state.phase == "registered":
        return state, (SeekPreferred(), StartTimer("failback", state.failback_s))
    if name == "probe" and state.phase == "registered":
        return state, (SendProbe(), StartTimer("probe_deadline", state.probe_timeout_s))
    if name == "probe_deadline" and state.phase == "registered":
        silent = f"the registrar has not answered for {state.probe_timeout_s:g} s: the connection is dead"
        lost, actions = _lost(state, silent)
        return lost, (ResetConnection(), *actions)
    return state, _NOTHING
