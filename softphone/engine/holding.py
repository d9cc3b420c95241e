"""Hold as a pure function: (state, input) -> (state, actions). It runs beside the life of a call (fsm.py).

Our side holds by a re-INVITE with sendonly and resumes by one with sendrecv; the far end does the same to us, and we
see it by the direction that is left for us (RFC 3264 section 8.4). Both can hold at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

HOLD_PATIENCE_S = 35.0
"""How long the far end may take to answer a re-INVITE: 64*T1 (RFC 3261 section 17.1.1.2) and a little."""

TRIES = 4
"""How often a re-INVITE that crossed another one (491) is sent in all."""


@dataclass(frozen=True, slots=True)
class HoldState:
    """`local` and `remote`: who holds now. `wanted`: what our re-INVITE under way asks for, None without one."""

    local: bool = False
    remote: bool = False
    wanted: bool | None = None
    tries: int = 0


# ---- inputs


@dataclass(frozen=True, slots=True)
class Want:
    """Our side wants the call held, or resumed."""

    held: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """Media was agreed: who sends, as in SDP and from our side, and whether our own hold is in force."""

    direction: str
    held: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """The re-INVITE came to nothing."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Again:
    """The pause after a 491 is over."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """HOLD_PATIENCE_S are over."""


Input = Want | Seen | Refused | Again | NoAnswer

# ---- actions


@dataclass(frozen=True, slots=True)
class Send:
    """Send the re-INVITE, and give up after HOLD_PATIENCE_S."""

    held: bool


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for as long as RFC 3261 section 14.1 wants after a 491."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Somebody (local, remote) holds now, or no more."""

    by: str
    held: bool


@dataclass(frozen=True, slots=True)
class TellFailed:
    """Holding (or resuming) failed; it is as it was."""

    held: bool
    code: int
    reason: str


Action = Send | Pause | Tell | TellFailed
Step = tuple[HoldState, tuple[Action, ...]]


def step(state: HoldState, what: Input) -> Step:
    """The only transition function."""
    match what:
        case Want(held):
            return _want(state, held)
        case Seen(direction, held):
            return _seen(state, direction, held)
        case Refused(code, reason) if state.wanted is not None:
            return _refused(state, state.wanted, code, reason)
        case Again() if state.wanted is not None:
            return replace(state, tries=state.tries + 1), (Send(state.wanted),)
        case NoAnswer() if state.wanted is not None:
            return replace(state, wanted=None), (TellFailed(state.wanted, 0, ""),)
    return state, ()


def _want(state: HoldState, held: bool) -> Step:
    if state.wanted is not None or held == state.local:
        return state, ()
    return replace(state, wanted=held, tries=1), (Send(held),)


def _seen(state: HoldState, direction: str, held: bool) -> Step:
    # while we hold, "inactive" may be the far end's answer to our hold just as well as a hold of its own
    remote = state.remote and direction == "inactive" if held else direction in ("recvonly", "inactive")
    tells: list[Action] = []
    if held != state.local:
        tells.append(Tell("local", held))
    if remote != state.remote:
        tells.append(Tell("remote", remote))
    wanted = None if state.wanted == held else state.wanted
    return replace(state, local=held, remote=remote, wanted=wanted), tuple(tells)


def _refused(state: HoldState, wanted: bool, code: int, reason: str) -> Step:
    if code == 491 and state.tries < TRIES:
        return state, (Pause(),)
    return replace(state, wanted=None), (TellFailed(wanted, code, reason),)
