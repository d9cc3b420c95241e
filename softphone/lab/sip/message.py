"""SIP messages: what `sipmessage` parses, made safe for what strangers send, and answers built from requests."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

from sipmessage import URI, Address, Message, Request, Response, Via

MAX_HEAD_BYTES = 32 * 1024
MAX_HEADER_LINES = 250
MAX_LINE_BYTES = 4096

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY, REGISTER"
PRODUCT = "softphone-lab"

HeaderList = Iterable[tuple[str, str]]

_FOLD = re.compile(rb"\r\n[ \t]+")
_NAME_PADDING = re.compile(rb"(?m)^([A-Za-z-]+)[ \t]+:")
_RECEIVED_IPV6 = re.compile(r";\s*received\s*=\s*\[?[0-9A-Fa-f]*:[0-9A-Fa-f:.]*\]?", re.IGNORECASE)
_RPORT = re.compile(r";\s*rport\s*(?=;|$)", re.IGNORECASE)

REASONS = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    302: "Moved Temporarily",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    423: "Interval Too Brief",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    603: "Decline",
}


def parse(data: bytes) -> Request | Response:
    """Parse one whole message. Raises ValueError, and nothing else, for whatever is not one.

    Folded header lines and blanks before the colon (RFC 3261 section 7.3.1) are put right first: sipmessage knows
    neither. Bytes after Content-Length are cut off; a body that is shorter than it says is an error (section 18.3).
    """
    head, separator, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if not separator:
        raise ValueError("no end of headers")
    _check_size(head)
    head = _NAME_PADDING.sub(rb"\1:", _FOLD.sub(b" ", head))
    message: Request | Response = Message.parse(head + b"\r\n\r\n" + body)
    length = message.content_length
    if length is not None:
        if not 0 <= length <= len(message.body):
            raise ValueError(f"Content-Length {length} with a body of {len(message.body)} bytes")
        message.body = message.body[:length]
    return message


def _check_size(head: bytes) -> None:
    """Bound what the parser must chew: some of its patterns take quadratic time."""
    lines = head.split(b"\r\n")
    if len(head) > MAX_HEAD_BYTES or len(lines) > MAX_HEADER_LINES:
        raise ValueError("the head of the message is too long")
    if max(map(len, lines)) > MAX_LINE_BYTES:
        raise ValueError("a header line is too long")


def check_request(request: Request) -> None:
    """Raises ValueError if a header that every request must have is missing or malformed (section 8.1.1)."""
    for name in ("Via", "From", "To", "Call-ID", "CSeq"):
        if not request.headers.get(name):
            raise ValueError(f"no {name} header")
    if request.cseq.method != request.method:
        raise ValueError("CSeq names another method")
    if request.cseq.sequence > 0x7FFFFFFF:
        raise ValueError("CSeq is too big")
    _check_addresses(request)
    if not from_tag(request):
        raise ValueError("no tag in From")


def check_response(response: Response) -> None:
    """Raises ValueError if a header that we are going to read is missing or malformed."""
    for name in ("Via", "From", "To", "Call-ID", "CSeq"):
        if not response.headers.get(name):
            raise ValueError(f"no {name} header")
    if not 100 <= response.code <= 699:
        raise ValueError(f"status {response.code}")
    _check_addresses(response)


def _check_addresses(message: Request | Response) -> None:
    """Parse once what later code takes for granted. REGISTER's Contact may be `*`, and is the registrar's matter."""
    _ = (message.from_address, message.to_address, message.cseq, vias(message), message.content_length)
    if message.cseq.method != "REGISTER":
        _ = contacts(message)


def to_tag(message: Request | Response) -> str:
    """The tag of To, "" where there is none."""
    return message.to_address.parameters.get("tag") or ""


def from_tag(message: Request | Response) -> str:
    """The tag of From, "" where there is none."""
    return message.from_address.parameters.get("tag") or ""


def branch(message: Request | Response) -> str:
    """The branch of the topmost Via: what names the transaction (section 17.1.3)."""
    via = vias(message)
    return (via[0].parameters.get("branch") or "") if via else ""


def new_branch() -> str:
    """A branch with RFC 3261's magic cookie."""
    return "z9hG4bK" + secrets.token_hex(8)


def new_tag() -> str:
    """A tag for From or To."""
    return secrets.token_hex(6)


def vias(message: Message) -> list[Via]:
    """The Via headers. sipmessage does not read an IPv6 address in `received`, which RFC 3261 section 25.1 has bare."""
    plain = (_RECEIVED_IPV6.sub("", value) for value in message.headers.getlist("Via"))
    return [via for value in plain for via in Via.parse_many(value)]


def stamp_via(request: Request, source: tuple[str, int]) -> None:
    """Note in the topmost Via where the request really came from: `received`, `rport` (RFC 3581)."""
    lines = request.headers.getlist("Via")
    first, comma, rest = lines[0].partition(",")
    host, port = source
    stamped = _RPORT.sub(f";rport={port}", first)
    if ";received=" not in stamped:
        stamped += f";received={host}"
    lines[0] = stamped + comma + rest


def option_tags(message: Request | Response, name: str) -> set[str]:
    """The option tags of Require or Supported, in lower case."""
    values = ",".join(message.headers.getlist(name)).split(",")
    return {value.strip().lower() for value in values if value.strip()}


def session_timer(request: Request) -> list[tuple[str, str]]:
    """What a 2xx says to a wish for a session timer (RFC 4028): granted, and the phone does the refreshing."""
    wish = (request.headers.get("Session-Expires") or "").partition(";")[0].strip()
    if not wish.isdecimal() or "timer" not in option_tags(request, "Supported") | option_tags(request, "Require"):
        return []
    return [("Require", "timer"), ("Session-Expires", f"{wish};refresher=uac")]


def make_response(
    request: Request, code: int, reason: str = "", *, tag: str = "", headers: HeaderList = (), body: bytes = b""
) -> Response:
    """The answer to a request (section 8.2.6). `tag` goes to To unless the request has one already."""
    response = Response(code, reason or REASONS.get(code, "Unknown"), body)
    for name in ("Via", "Record-Route", "From", "To", "Call-ID", "CSeq"):
        if name == "Record-Route" and not 100 < code < 300:
            continue
        values = request.headers.getlist(name)
        if values:
            response.headers.setlist(name, list(values))
    if code > 100 and tag and not to_tag(request):
        response.headers.set("To", f"{request.headers['To']};tag={tag}")
    response.headers.set("Server", PRODUCT)
    add_headers(response, headers)
    response.headers.set("Content-Length", str(len(body)))
    return response


def make_request(
    method: str,
    uri: URI,
    *,
    via: str,
    from_: str,
    to: str,
    call_id: str,
    cseq: int,
    headers: HeaderList = (),
    body: bytes = b"",
) -> Request:
    """A request of our own; `from_` and `to` are whole header values with their tags."""
    request = Request(method, uri, body)
    request.headers.set("Via", via)
    request.headers.set("Max-Forwards", "70")
    request.headers.set("From", from_)
    request.headers.set("To", to)
    request.headers.set("Call-ID", call_id)
    request.headers.set("CSeq", f"{cseq} {method}")
    request.headers.set("User-Agent", PRODUCT)
    add_headers(request, headers)
    request.headers.set("Content-Length", str(len(body)))
    return request


def add_headers(message: Request | Response, headers: HeaderList) -> None:
    """Append headers, several of one name included."""
    for name, value in headers:
        message.headers.add(name, value)


def contacts(message: Request | Response) -> list[Address]:
    """The addresses of Contact. Raises ValueError for what cannot be parsed."""
    return message.contact
