"""SIP messages for the tests of traces."""

from __future__ import annotations

from softphone.tracing.message import Place, SipMessage

US = Place("192.0.2.7", 41_000)
THEM = Place("198.51.100.1", 5060)
NOON_US = 1_750_000_000_000_000

SDP = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"
    "m=audio 4000 RTP/SAVP 96 0 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4\r\na=sendonly\r\n"
)


def sip(start: str, *headers: str, body: str = "") -> bytes:
    """A message with a Content-Length that is right."""
    lines = [start, *headers, f"Content-Length: {len(body.encode())}", "", body]
    return "\r\n".join(lines).encode()


def request(method: str = "INVITE", *headers: str, body: str = "", call_id: str = "one@phone") -> bytes:
    """From 901 to 9196."""
    return sip(
        f"{method} sip:9196@pbx.example SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.7:41000;branch=z9hG4bK1",
        "From: <sip:901@pbx.example>;tag=a",
        "To: <sip:9196@pbx.example>",
        f"Call-ID: {call_id}",
        f"CSeq: 1 {method}",
        "Max-Forwards: 70",
        *headers,
        body=body,
    )


def response(code: int, reason: str, *headers: str, method: str = "INVITE", body: str = "") -> bytes:
    """To what `request` makes."""
    return sip(
        f"SIP/2.0 {code} {reason}",
        "Via: SIP/2.0/UDP 192.0.2.7:41000;branch=z9hG4bK1",
        "From: <sip:901@pbx.example>;tag=a",
        "To: <sip:9196@pbx.example>;tag=b",
        "Call-ID: one@phone",
        f"CSeq: 1 {method}",
        *headers,
        body=body,
    )


def message(
    data: bytes, *, sent: bool = True, at_ms: float = 0, transport: str = "udp", ours: Place = US, theirs: Place = THEM
) -> SipMessage:
    """So many milliseconds after the first."""
    return SipMessage(NOON_US + int(at_ms * 1000), sent, transport, ours, theirs, data)
