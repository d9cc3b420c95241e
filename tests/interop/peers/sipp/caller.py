"""SIPp calls the phone. Keys of a run: `target` (request URI), `callee` (user part of To)."""

from tests.interop.peers.sipp.scenario import (
    SDP,
    Scenario,
    expect,
    expect_dialog,
    expect_request,
    expect_with,
    pause,
    send,
)

# ACK of a refusal and CANCEL carry the branch of the INVITE they belong to (RFC 3261 9.1, 17.1.1.3).
_INVITE_BRANCH = "z9hG4bK-[pid]-[call_number]-invite"
_TRUNK = "700"


def _request(
    method: str, number: int, *, uri: str, to_tag: str = "", branch: str = "[branch]", user: str = _TRUNK
) -> str:
    return f"""\
{method} {uri} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch};rport
Max-Forwards: 70
From: "SIPp" <sip:{user}@pbx.test>;tag=[pid]c[call_number]
To: <sip:[callee]@pbx.test>{to_tag}
Call-ID: [call_id]
CSeq: {number} {method}
Contact: <sip:{user}@[local_ip]:[local_port];transport=[transport]>
User-Agent: SIPp
Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO
"""


def _first(method: str) -> str:
    """INVITE, or the CANCEL of it."""
    return _request(method, 1, uri="[target]", branch=_INVITE_BRANCH)


def _within(method: str, number: int, user: str = _TRUNK) -> str:
    """A request within the dialog."""
    return _request(method, number, uri="[next_url]", to_tag="[peer_tag_param]", user=user)


def _scenario(name: str, *steps: str) -> Scenario:
    return Scenario(name, steps, is_called=False)


def _hang_up(number: int = 2, user: str = _TRUNK) -> tuple[str, ...]:
    return send(_within("BYE", number, user), until_answered=True), expect(200)


def _expect_request(method: str) -> tuple[str, ...]:
    """Waits for a request within the dialog and answers 200."""
    ok = "SIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]"
    return f'<recv request="{method}"/>', send(ok)


_INVITE = send(_first("INVITE"), until_answered=True, body=SDP)
_RINGING = (expect(100, optional=True), expect_dialog(180, optional=True), expect_dialog(183, optional=True))
_MUST_RING = (expect(100, optional=True), expect_dialog(180))
_ACK = send(_within("ACK", 1))
_TERMINATED = (
    expect(487),
    send(_request("ACK", 1, uri="[target]", to_tag="[peer_tag_param]", branch=_INVITE_BRANCH)),
)

# Speaks for `pause_s`, then hangs up.
CALL = _scenario("call", _INVITE, *_RINGING, expect_dialog(200), _ACK, pause(), *_hang_up())

_NO_EVENTS = "".join(line for line in SDP.replace(" 0 101", " 0").splitlines(True) if ":101" not in line)


def _without_info(step: str) -> str:
    return step.replace(", OPTIONS, INFO", ", OPTIONS")


# A line that knows digits as sound alone: no telephone-event, no INFO.
SOUND_ONLY = _scenario(
    "sound-only",
    _without_info(send(_first("INVITE"), until_answered=True, body=_NO_EVENTS)),
    *_RINGING,
    expect_dialog(200),
    _without_info(_ACK),
    pause(),
    *map(_without_info, _hang_up()),
)

# It allows INFO and then will not have it.
REFUSES_INFO = _scenario(
    "refuses-info",
    send(_first("INVITE"), until_answered=True, body=_NO_EVENTS),
    *_RINGING,
    expect_dialog(200),
    _ACK,
    expect_request("INFO"),
    send("SIP/2.0 415 Unsupported Media Type\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]"),
    pause(),
    *_hang_up(),
)

# The phone ends the call.
CALL_ENDED_BY_PHONE = _scenario(
    "call-ended-by-phone", _INVITE, *_RINGING, expect_dialog(200), _ACK, *_expect_request("BYE")
)

# INVITE without SDP: the phone's 200 is the offer, the ACK has the answer (RFC 3261 13.2.1).
LATE_OFFER = _scenario(
    "late-offer",
    send(_first("INVITE"), until_answered=True),
    *_RINGING,
    expect_dialog(200),
    send(_within("ACK", 1), body=SDP),
    pause(),
    *_hang_up(),
)

# Lets it ring for `pause_s`, then gives up.
CANCEL = _scenario(
    "cancel",
    _INVITE,
    *_MUST_RING,
    pause(),
    send(_first("CANCEL"), until_answered=True),
    expect(200),
    *_TERMINATED,
)

# BYE in the early dialog, which ends it like CANCEL (RFC 3261 15).
BYE_WHILE_RINGING = _scenario("bye-while-ringing", _INVITE, *_MUST_RING, *_hang_up(), *_TERMINATED)

# BYE leaves right behind the ACK.
BYE_AT_ONCE = _scenario("bye-at-once", _INVITE, *_RINGING, expect_dialog(200), _ACK, *_hang_up())

# The INVITE arrives three times, as when answers are lost; it stays one call that rings and is answered.
INVITE_REPEATED = _scenario(
    "invite-repeated",
    _INVITE,
    *_MUST_RING,
    *[send(_first("INVITE"), body=SDP)] * 2,
    *_RINGING,
    expect_dialog(200),
    _ACK,
    pause(),
    *_hang_up(),
)

# ACK comes only after 2 s: the phone must send its 200 again meanwhile (RFC 3261 13.3.1.4).
LATE_ACK = _scenario("late-ack", _INVITE, *_RINGING, expect_dialog(200), pause(2000), _ACK, pause(), *_hang_up())

# The phone sends two digits by SIP INFO; they are acknowledged, and the caller hangs up.
ANSWERS_TWO_INFO = _scenario(
    "answers-two-info",
    _INVITE,
    *_RINGING,
    expect_dialog(200),
    _ACK,
    *_expect_request("INFO"),
    *_expect_request("INFO"),
    *_hang_up(),
)


def sends_info(digit: str) -> Scenario:
    """The caller sends one digit by SIP INFO (application/dtmf-relay), then hangs up."""
    body = f"Signal={digit}\nDuration=160\n"
    info = send(_within("INFO", 2), until_answered=True, body=body, body_type="application/dtmf-relay")
    return _scenario(
        "sends-info", _INVITE, *_RINGING, expect_dialog(200), _ACK, pause(300), info, expect(200), *_hang_up(3)
    )


# --- what only some peers do ------------------------------------------------------------------------


def _invite(extra: str) -> str:
    return send(_first("INVITE") + extra, until_answered=True, body=SDP)


_OK = expect_dialog(200)

# The caller wants the phone's 180 acknowledged (RFC 3262).
RELIABLE = _scenario(
    "reliable",
    _invite("Require: 100rel\n"),
    expect(100, optional=True),
    expect_with(180, "RSeq", "rseq"),
    send(_within("PRACK", 2) + "RAck:[$rseq] 1 INVITE\n", until_answered=True),
    expect(200),
    _OK,
    _ACK,
    pause(),
    *_hang_up(3),
)

# A session of half a minute is too short for the phone (RFC 4028 section 4).
SHORT_SESSION = _scenario(
    "short-session",
    _invite("Supported: timer\nSession-Expires: 30\n"),
    expect(100, optional=True),
    expect_with(422, "Min-SE", "min"),
    send(_request("ACK", 1, uri="[target]", to_tag="[peer_tag_param]", branch=_INVITE_BRANCH)),
    '<Reference variables="min"/>',
)

# The phone has to refresh the session, and does so after 45 s.
REFRESHED_BY_PHONE = _scenario(
    "refreshed-by-phone",
    _invite("Supported: timer\nSession-Expires: 90;refresher=uas\n"),
    *_RINGING,
    expect_with(200, "Session-Expires", "expires"),
    _ACK,
    expect_request("INVITE"),
    send(
        "SIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\n"
        "Contact: <sip:700@[local_ip]:[local_port];transport=[transport]>\n"
        "Require: timer\nSession-Expires: 90;refresher=uac\n",
        body=SDP,
    ),
    expect_request("ACK"),
    *_hang_up(),
    '<Reference variables="expires"/>',
)

# Takes the place of another call (RFC 3891), which the run's key `replaces` names.
REPLACES = _scenario(
    "replaces",
    _invite("Supported: replaces\nReplaces: [replaces]\n"),
    expect(100, optional=True),
    _OK,
    _ACK,
    pause(),
    *_hang_up(),
)

# The same, and the phone refuses.
REPLACES_IN_VAIN = _scenario(
    "replaces-in-vain",
    _invite("Supported: replaces\nReplaces: [replaces]\n"),
    expect(100, optional=True),
    expect(603),
    send(_request("ACK", 1, uri="[target]", to_tag="[peer_tag_param]", branch=_INVITE_BRANCH)),
)


# --- towards a PBX -------------------------------------------------------------------------------


def registers(extension: str, password: str) -> Scenario:
    """Registers SIPp's own port for five minutes, by digest; a called scenario on that port then gets the calls."""

    def register(number: int, headers: str = "") -> str:
        text = f"""\
REGISTER sip:pbx.test SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
Max-Forwards: 70
From: <sip:{extension}@pbx.test>;tag=[pid]r[call_number]
To: <sip:{extension}@pbx.test>
Call-ID: [call_id]
CSeq: {number} REGISTER
Contact: <sip:{extension}@[local_ip]:[local_port];transport=[transport]>
Expires: 300
User-Agent: SIPp
{headers}"""
        return send(text, until_answered=True)

    authorised = register(2, f"[authentication username={extension} password={password}]")
    return _scenario("registers", register(1), _challenge(), authorised, expect(200))


def calls_as(extension: str, password: str) -> Scenario:
    """A call of an extension whose PBX asks for the password; hangs up after `pause_s`."""
    invite = _request("INVITE", 1, uri="[target]", branch=_INVITE_BRANCH, user=extension)
    ack = _request("ACK", 1, uri="[target]", to_tag="[peer_tag_param]", branch=_INVITE_BRANCH, user=extension)
    credentials = f"[authentication username={extension} password={password}]"
    again = _request("INVITE", 2, uri="[target]", user=extension) + credentials
    return _scenario(
        "calls-as",
        send(invite, until_answered=True, body=SDP),
        _challenge(),
        send(ack),
        send(again, until_answered=True, body=SDP),
        *_RINGING,
        expect_dialog(200),
        send(_within("ACK", 2, extension)),
        pause(),
        *_hang_up(3, extension),
    )


def _challenge() -> str:
    return '<recv response="401" auth="true"/>'


# Method, further headers, tag of a call that nobody knows, and the answer that the RFCs want.
_UNKNOWN = (
    ("BYE", "", ";tag=never", 481),
    ("UPDATE", "", ";tag=never", 481),
    ("NOTIFY", "Event: dialog\nSubscription-State: active\n", "", 481),
    ("INFO", "", "", 481),
    ("REFER", "Refer-To: <sip:x@[local_ip]>\n", "", 405),
    ("SUBSCRIBE", "Event: presence\n", "", 405),
    ("MESSAGE", "", "", 405),
    ("OPTIONS", "Require: nothing-like-it\n", "", 420),
    ("SPEAK", "", "", 501),
    ("OPTIONS", "", "", 200),
)
UNKNOWN_REQUESTS = _scenario(
    "requests that no call is about, each answered",
    *(
        step
        for number, (method, extra, tag, code) in enumerate(_UNKNOWN, 1)
        for step in (
            send(_request(method, number, uri="[target]", to_tag=tag) + extra, until_answered=True),
            expect(code),
        )
    ),
)
