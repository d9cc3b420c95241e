"""Why a call ended, in words that programs can rely on.

| reason              | by      | meaning |
|---------------------|---------|---------|
| local_hangup        | local   | our side hung up an answered call |
| remote_hangup       | remote  | the far end hung up an answered call (BYE) |
| cancelled           | either  | the caller gave up before an answer |
| rejected            | either  | refused: by us with a code of our choice, or by the far end (403, 603, …) |
| busy                | either  | 486 or 600 |
| no_answer           | remote  | 480 or 408 from the far end: nobody took it |
| ring_timeout        | local   | our own limit for ringing was reached |
| not_found           | remote  | 404, 410, 484, 604: there is no such number |
| redirected          | either  | 3xx: the caller was sent elsewhere |
| transferred         | either  | the far end talks to somebody else now, as we asked (REFER) |
| session_expired     | remote  | the far end did not refresh the session in time (RFC 4028) |
| answered_elsewhere  | remote  | another device took the incoming call (Reason: SIP;cause=200, RFC 3326) |
| no_common_media     | either  | 488, 606: codecs or encryption do not match |
| encryption_failed   | local   | SRTP keys could not be agreed with the far end; our side ended the call |
| failed              | remote  | any other refusal or server fault |
| unreachable         | network | no answer at all: name, route, certificate, or a dead link |
| media_timeout       | local   | neither RTP nor RTCP arrived for too long, and nobody held the call |
| max_duration        | local   | the longest allowed call was reached |
| shutdown            | local   | the agent stopped |
| lost                | local   | the agent died; told by the journal at the next start |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypedDict

from softphone.engine.explain import explain_call
from softphone.stacks.base import Headers, LegEnded

LOCAL_INTENTS = frozenset(
    {
        "local_hangup",
        "cancelled",
        "rejected",
        "busy",
        "redirected",
        "transferred",
        "ring_timeout",
        "media_timeout",
        "max_duration",
        "shutdown",
    }
)
"""What our own side can have wanted when it ended a call."""

_BY_CODE = {
    404: "not_found",
    408: "no_answer",
    410: "not_found",
    480: "no_answer",
    484: "not_found",
    486: "busy",
    487: "cancelled",
    488: "no_common_media",
    600: "busy",
    403: "rejected",
    603: "rejected",
    604: "not_found",
    606: "no_common_media",
    607: "rejected",
}

_NO_COMMON_MEDIA = frozenset({406, 415, 488, 606})
"""How the stack itself refuses an offer while the call rings."""

_LOCAL_CAUSE = {
    "local_hangup": "our side hung up",
    "cancelled": "our side gave up before an answer",
    "rejected": "our side refused the call",
    "busy": "our side was busy",
    "redirected": "our side sent the caller elsewhere",
    "transferred": "the far end was transferred",
    "ring_timeout": "nobody answered within the ring time-out",
    "media_timeout": "no sound arrived for too long",
    "max_duration": "the longest allowed call was reached",
    "shutdown": "the agent stopped",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended. `code` is the SIP status, 0 where there was none (a BYE after an answer counts as 200)."""

    reason: str
    by: str
    code: int
    sip_reason: str
    phase: str
    cause: str


def judge(phase: str, outgoing: bool, intent: str | None, report: LegEnded, *, transferring: bool = False) -> Ending:
    """Puts what our side wanted and what the leg reported into one verdict.

    phase: where the call stood: dialing, ringing, early, incoming, answering, active.
    intent: what our side asked for, None if the end came from outside.
    transferring: a transfer was under way; many PBXs hang up as its only word.
    """
    phase = "ringing" if phase == "early" else "incoming" if phase == "answering" else phase
    if intent is not None:
        return Ending(intent, "local", report.code, report.reason, phase, _LOCAL_CAUSE[intent])
    if report.expired:
        cause = "the far end did not refresh the session in time"
        return Ending("session_expired", "remote", report.code, report.reason, phase, cause)
    if report.insecure:
        return Ending("encryption_failed", "local", report.code, report.reason, phase, report.insecure)
    if report.cause:
        return Ending("unreachable", "network", report.code, report.reason, phase, report.cause)
    if phase == "active" and transferring and report.bye:
        return Ending("transferred", "remote", report.code, report.reason, phase, _LOCAL_CAUSE["transferred"])
    if phase == "active":
        return _after_answer(phase, report)
    if not outgoing:
        return _caller_gave_up(phase, report)
    if report.bye:  # RFC 3261 section 15 forbids it, and some do it; the BYE's own 200 is no answer to the INVITE
        return Ending("rejected", "remote", 0, "", phase, "the far end hung up before it had answered")
    reason = _BY_CODE.get(report.code) or ("redirected" if report.code // 100 == 3 else "failed")
    return Ending(reason, "remote", report.code, report.reason, phase, explain_call(report.code).cause)


def _after_answer(phase: str, report: LegEnded) -> Ending:
    if report.bye:
        return Ending("remote_hangup", "remote", report.code, report.reason, phase, "the far end hung up")
    if report.code in _NO_COMMON_MEDIA:
        cause = "the far end's answer has no codec that we offered"
        return Ending("no_common_media", "local", report.code, report.reason, phase, cause)
    return Ending("unreachable", "network", report.code, report.reason, phase, "the far end stopped answering")


def _caller_gave_up(phase: str, report: LegEnded) -> Ending:
    if _cause_200(report.headers):
        cause = "another device answered"
        return Ending("answered_elsewhere", "remote", report.code, report.reason, phase, cause)
    if report.bye or report.code == 487:
        return Ending("cancelled", "remote", report.code, report.reason, phase, "the caller gave up")
    if report.code in _NO_COMMON_MEDIA:
        cause = "the caller's offer has no codec or encryption that this account takes"
        return Ending("no_common_media", "local", report.code, report.reason, phase, cause)
    cause = explain_call(report.code).cause
    return Ending("failed", "network", report.code, report.reason, phase, cause)


def _cause_200(headers: Headers) -> bool:
    values = [v for name, vs in headers.items() if name.lower() == "reason" for v in vs]
    return any(re.match(r"\s*SIP\s*;.*\bcause\s*=\s*200\b", v, re.IGNORECASE) for v in values)


class _Lost(TypedDict):
    reason: str
    by: str
    code: int
    sip_reason: str
    phase: str
    cause: str


LOST: _Lost = {
    "reason": "lost",
    "by": "local",
    "code": 0,
    "sip_reason": "",
    "phase": "active",
    "cause": "the agent died while this call was up",
}
"""What `call.ended` says of a call that a crash ended."""
