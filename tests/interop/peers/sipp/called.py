"""The phone calls SIPp. `pause_s` of the run is the time between ringing and what comes then."""

from tests.interop.peers.sipp.scenario import (
    SDP,
    Scenario,
    expect,
    expect_invite,
    expect_register,
    expect_request,
    mention_variables,
    pause,
    send,
)

_TAG = ";tag=[pid]s[call_number]"
_ECHO_HEADERS = f"""\
[last_Via:]
[last_Record-Route:]
[last_From:]
[last_To:]{_TAG}
[last_Call-ID:]
"""
_CONTACT = "Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>\nServer: SIPp\n"


def _answer(code: int, reason: str, *, body: str = "", extra: str = "", leg: str = "") -> str:
    """Answers the INVITE that came; `leg` tells the phones of a fork apart, each has a tag of its own."""
    head = f"""\
SIP/2.0 {code} {reason}
Via:[$via]
[last_Record-Route:]
From:[$caller]
To:[$callee]{_TAG}{leg}
Call-ID: [call_id]
CSeq:[$cseq]
"""
    return send(f"{head}{_CONTACT}{extra}", body=body)


def _within(code: int, reason: str, *, body: str = "", extra: str = "") -> str:
    """Answers a request within the dialog: To has our tag already."""
    echo = "[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\n"
    return send(f"SIP/2.0 {code} {reason}\n{echo}{_CONTACT}{extra}", body=body)


def _ok_within(*, body: str = "", extra: str = "") -> str:
    return _within(200, "OK", body=body, extra=extra)


def _request(method: str, number: int, extra: str = "") -> str:
    """A request of ours within the dialog."""
    return f"""\
{method} [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
[routes]
Max-Forwards: 70
From: <sip:sipp@pbx.test>{_TAG}
To:[$caller]
Call-ID: [call_id]
CSeq: {number} {method}
{_CONTACT}{extra}"""


_BYE = _request("BYE", 1)
_INVITE = expect_invite()
_TRYING = _answer(100, "Trying")
_RINGING = _answer(180, "Ringing")
_OK = _answer(200, "OK", body=SDP)
_ACK = expect_request("ACK")
_ENDED_BY_PHONE = (expect_request("BYE"), _ok_within())
_HANG_UP = (send(_BYE, until_answered=True), expect(200))


def _scenario(name: str, *steps: str, options: tuple[str, ...] = ()) -> Scenario:
    return Scenario(name, (*steps, mention_variables()), is_called=True, options=options)


def refuses(code: int, reason: str, header: str = "", *, rings: bool = False) -> Scenario:
    """Refuses a call, with one more header if given; `rings` sends 180 and waits `pause_s` before."""
    before = (_RINGING, pause()) if rings else ()
    refusal = _answer(code, reason, extra=header)
    return _scenario(f"refuses-{code}", _INVITE, *before, refusal, _ACK)


BUSY = refuses(486, "Busy Here")
NOT_FOUND = refuses(404, "Not Found")
UNAVAILABLE = refuses(480, "Temporarily Unavailable", rings=True)
MOVED = refuses(302, "Moved Temporarily", "Contact: <sip:elsewhere@pbx.test>")
OVERLOADED = refuses(503, "Service Unavailable", "Retry-After: 3")

# Rings until the phone gives up.
NO_ANSWER = _scenario(
    "no-answer",
    _INVITE,
    _TRYING,
    _RINGING,
    expect_request("CANCEL"),
    send(f"SIP/2.0 200 OK\n{_ECHO_HEADERS}[last_CSeq:]"),
    send(f"SIP/2.0 487 Request Terminated\n{_ECHO_HEADERS}CSeq: [last_cseq_number] INVITE"),
    _ACK,
)

# Not even a 100: the phone's own transaction has to end the call (timer B, RFC 3261 17.1.1.2).
DEAF = _scenario("deaf", _INVITE, pause())

# Rings for `pause_s`, answers, and waits for the phone's BYE.
ANSWERS = _scenario("answers", _INVITE, _TRYING, _RINGING, pause(), _OK, _ACK, *_ENDED_BY_PHONE)

# Answers and holds at once: we may hear, and say nothing.
HOLDS = _scenario(
    "holds", _INVITE, _answer(200, "OK", body=SDP.replace("a=sendrecv", "a=sendonly")), _ACK, *_ENDED_BY_PHONE
)

# Answers without ringing, and hangs up after `pause_s` (0: with the ACK just in).
ANSWERS_AND_HANGS_UP = _scenario("answers-and-hangs-up", _INVITE, _OK, _ACK, pause(), *_HANG_UP)

# The 200 comes once more, as when the ACK was lost: it wants another ACK (RFC 3261 13.2.2.4).
ANSWERS_TWICE = _scenario(
    "answers-twice",
    _INVITE,
    _OK,
    _ACK,
    pause(500),  # T1: no sooner does a 200 come again
    send(
        f"SIP/2.0 200 OK\nVia:[$via]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\nCSeq:[$cseq]\n{_CONTACT}",
        body=SDP,
    ),
    _ACK,
    *_HANG_UP,
    options=("-nr",),  # else it answers the second ACK, the same again, by yet another 200, without end
)

# 183 with media for `pause_s`, then 200.
EARLY_MEDIA = _scenario(
    "early-media",
    _INVITE,
    _TRYING,
    _answer(183, "Session Progress", body=SDP),
    pause(),
    _OK,
    _ACK,
    *_ENDED_BY_PHONE,
)

# BYE from the called side of an early dialog, which RFC 3261 15 forbids.
BYE_BEFORE_ANSWER = _scenario("bye-before-answer", _INVITE, _RINGING, pause(), *_HANG_UP)


def refuses_registration(code: int, reason: str, header: str = "") -> Scenario:
    """A registrar that turns every REGISTER down; `calls` of the run is how many."""
    return _scenario(f"refuses-registration-{code}", expect_register(), _answer(code, reason, extra=header))


# --- what only some peers do ------------------------------------------------------------------------

# The 180 wants to be acknowledged (RFC 3262).
RELIABLE = _scenario(
    "reliable",
    _INVITE,
    _answer(180, "Ringing", extra="Require: 100rel\nRSeq: 71\n"),
    expect_request("PRACK"),
    _ok_within(),
    _OK,
    _ACK,
    *_ENDED_BY_PHONE,
)

# Two phones ring, and one of them has sound to hear; a third one answers (RFC 3261 section 13.2.2.4).
FORKS = _scenario(
    "forks",
    _INVITE,
    _TRYING,
    _answer(180, "Ringing", leg="a"),
    _answer(183, "Session Progress", body=SDP, leg="b"),
    pause(),
    _answer(200, "OK", body=SDP, leg="c"),
    _ACK,
    *_ENDED_BY_PHONE,
)

# Two phones answer at once: one of them has to be told that it was too late.
TWO_ANSWER = _scenario(
    "two-answer",
    _INVITE,
    _answer(180, "Ringing", leg="a"),
    _answer(180, "Ringing", leg="b"),
    _answer(200, "OK", body=SDP, leg="a"),
    _ACK,
    _answer(200, "OK", body=SDP, leg="b"),
    expect_request("ACK"),
    *_ENDED_BY_PHONE,
    *_ENDED_BY_PHONE,
)

_ALLOW = "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS{more}\nRequire: timer\nSupported: timer\n"


def refreshed_by_phone(method: str) -> Scenario:
    """The phone has to refresh the session, by UPDATE or by re-INVITE, after 45 s (RFC 4028 section 10)."""
    timer = _ALLOW.format(more=", UPDATE" if method == "UPDATE" else "") + "Session-Expires: 90;refresher=uac\n"
    refresh = (expect_request(method), _ok_within(body=SDP if method == "INVITE" else "", extra=timer))
    ack = (_ACK,) if method == "INVITE" else ()
    return _scenario(
        f"refreshed-{method}",
        _INVITE,
        _answer(200, "OK", body=SDP, extra=timer),
        _ACK,
        *refresh,
        *ack,
        *_ENDED_BY_PHONE,
    )


# This side has to refresh, and never does: after 60 s the phone gives up.
NEVER_REFRESHES = _scenario(
    "never-refreshes",
    _INVITE,
    _answer(200, "OK", body=SDP, extra=_ALLOW.format(more=", UPDATE") + "Session-Expires: 90;refresher=uas\n"),
    _ACK,
    *_ENDED_BY_PHONE,
)

# A re-INVITE of ours meets one of the phone: the phone's is refused with 491 and has to come again.
MEETS_A_REINVITE = _scenario(
    "meets-a-reinvite",
    _INVITE,
    _OK,
    _ACK,
    expect_request("INVITE"),
    _within(491, "Request Pending"),
    _ACK,
    expect_request("INVITE"),
    _ok_within(body=SDP.replace("sendrecv", "recvonly")),
    _ACK,
    *_ENDED_BY_PHONE,
)


def storm(rounds: int) -> Scenario:
    """After the answer as many re-INVITEs, each with another session version, and as many UPDATEs, back to back."""
    steps: list[str] = []
    for i in range(rounds):
        body = SDP.replace("o=sipp 1 1", f"o=sipp 1 {i + 2}")
        steps += [send(_request("INVITE", 2 * i + 1), until_answered=True, body=body), expect(100, optional=True)]
        steps += [expect(200), send(_request("ACK", 2 * i + 1))]
        steps += [send(_request("UPDATE", 2 * i + 2), until_answered=True), expect(200)]
    end = (send(_request("BYE", 2 * rounds + 1), until_answered=True), expect(200))
    # -nr: else it answers the repetition of an answer by another ACK, the same again, without end
    return _scenario(f"storm-{rounds}", _INVITE, _OK, _ACK, *steps, pause(), *end, options=("-nr",))


_WHO = 'P-Asserted-Identity: "{name}" <sip:{user}@pbx.test>\n'

# The answers tell who is there, and after `pause_s` somebody else is (RFC 5876 section 3.1.1).
TELLS_WHO = _scenario(
    "tells-who",
    _INVITE,
    _answer(180, "Ringing", extra=_WHO.format(name="Front", user="1") + "X-Queue: sales\n"),
    _answer(200, "OK", body=SDP, extra=_WHO.format(name="Anna", user="2")),
    _ACK,
    pause(),
    send(_request("UPDATE", 1, _WHO.format(name="Berta", user="3")), until_answered=True),
    expect(200),
    *_ENDED_BY_PHONE,
)
