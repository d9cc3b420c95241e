"""Exit codes: what a command's end says to a script. The table is part of the interface."""

from __future__ import annotations

OK = 0
FAILED = 1
USAGE = 2
NO_DAEMON = 3
REFUSED = 4
CONFIG = 5
UNKNOWN = 6
BUSY = 10
NO_ANSWER = 11
REJECTED = 12
NOT_FOUND = 13
UNREACHABLE = 14
NO_COMMON_MEDIA = 15
OTHER_ENDING = 16
ENDED_EARLY = 17
INCOMPLETE = 18
INTERRUPTED = 130

MEANINGS = {
    OK: "done; a call was answered",
    FAILED: "something failed, or a check found something",
    USAGE: "wrong arguments",
    NO_DAEMON: "no softphone runs on this socket",
    REFUSED: "the softphone or the PBX refused the request, such as a call from an account that is not registered",
    CONFIG: "the configuration is wrong",
    UNKNOWN: "an order or a call was sent to the PBX, and whether it was done is unknown",
    BUSY: "call: busy",
    NO_ANSWER: "call: nobody answered",
    REJECTED: "call: rejected",
    NOT_FOUND: "call: there is no such number",
    UNREACHABLE: "call: the PBX or the far end cannot be reached",
    NO_COMMON_MEDIA: "call: no common codec or encryption",
    OTHER_ENDING: "call: not answered for another reason",
    ENDED_EARLY: "call: answered, but it ended before --for was over, or by a fault",
    INCOMPLETE: "call: answered, but a recording, a sound or digits failed",
    INTERRUPTED: "Ctrl-C (a call is hung up first)",
}

_UNANSWERED = {
    "busy": BUSY,
    "no_answer": NO_ANSWER,
    "ring_timeout": NO_ANSWER,
    "rejected": REJECTED,
    "not_found": NOT_FOUND,
    "unreachable": UNREACHABLE,
    "no_common_media": NO_COMMON_MEDIA,
    "encryption_failed": NO_COMMON_MEDIA,
}


def of_call(reason: str, *, answered: bool, timed: bool) -> int:
    """The code for a call that ended with `reason` (see engine/ending.py).

    timed: it was to last for a given time; then the far end's hanging up is an early end.
    """
    if not answered:
        return _UNANSWERED.get(reason, OTHER_ENDING)
    if reason == "local_hangup" or (reason == "remote_hangup" and not timed):
        return OK
    return ENDED_EARLY


def table() -> str:
    """The table for help texts; `\\b` keeps the help formatter from joining its lines."""
    return "\b\nExit codes:\n" + "\n".join(f"  {code:>3}  {meaning}" for code, meaning in MEANINGS.items())
