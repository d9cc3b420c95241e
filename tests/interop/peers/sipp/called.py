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


def _answer(code: int, reason: str, *, body: str = "", extra: str = "") -> str:
    """Answers the request just received, with our tag."""
    return send(f"SIP/2.0 {code} {reason}\n{_ECHO_HEADERS}[last_CSeq:]\n{_CONTACT}{extra}", body=body)


def _ok_within() -> str:
    """200 to a request within the dialog: To has our tag already."""
    return send("SIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]")


_BYE = f"""\
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
[routes]
Max-Forwards: 70
From: <sip:sipp@pbx.test>{_TAG}
To:[$caller]
Call-ID: [call_id]
CSeq: 1 BYE
"""
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
