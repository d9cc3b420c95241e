"""SIP messages on their way between PJSIP, which believes to speak TCP, and a WebSocket (RFC 7118): text, no I/O.

Nothing is rewritten but what has to be: the topmost Via, Content-Length, and routes that keep a dialog's requests
coming our way. Every other byte stays as its sender wrote it, in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_HEAD = 65_536
MAX_BODY = 1_048_576
"""Bytes; more than any SIP message of good will has."""

_COMPACT = {b"v": b"via", b"l": b"content-length", b"i": b"call-id", b"m": b"contact", b"f": b"from", b"t": b"to"}
_BLANK = re.compile(rb"\r?\n\r?\n")
_LINE = re.compile(rb"\r?\n(?![ \t])")
_REQUEST = re.compile(rb"[A-Za-z0-9\-.!%*_+`'~]+ [^ \r\n]+ SIP/2\.0$")
_STATUS = re.compile(rb"SIP/2\.0 [1-6][0-9][0-9](?: |$)")
_NAME = re.compile(rb"[A-Za-z0-9\-.!%*_+`'~]+$")
_VIA = re.compile(
    rb"(\s*SIP\s*/\s*2\.0\s*/\s*)([A-Za-z0-9\-]+)(\s+)(\[[^\]\s]*\](?:\s*:\s*\d+)?|[^\s;:,]+(?:\s*:\s*\d+)?)"
)
_DIALOGS = (b"INVITE", b"SUBSCRIBE", b"REFER")
_KEEPALIVE = b"\r\n\r\n"


class Malformed(ValueError):
    """These bytes are no SIP message."""


@dataclass(slots=True)
class Header:
    """One header: `name` in lower case and full, `spelled` as it stands, `value` with its folds."""

    name: bytes
    spelled: bytes
    value: bytes

    def __bytes__(self) -> bytes:
        return self.spelled + b":" + self.value


@dataclass(slots=True)
class Message:
    """Start line, headers in order, body."""

    start: bytes
    headers: list[Header]
    body: bytes

    def __bytes__(self) -> bytes:
        return b"\r\n".join((self.start, *map(bytes, self.headers), b"", self.body))

    @property
    def is_request(self) -> bool:
        return not self.start.startswith(b"SIP/2.0 ")

    @property
    def method(self) -> bytes:
        """Of a request the method, of a response the method that it answers."""
        if self.is_request:
            return self.start.partition(b" ")[0]
        found = self.first(b"cseq")
        words = found.value.split() if found else []
        return words[-1] if words else b""

    @property
    def title(self) -> str:
        """For a log: the start line without what anybody typed."""
        if not self.is_request:
            return self.start[8:11].decode("ascii", "replace") + " to " + self.method.decode("ascii", "replace")
        return self.method.decode("ascii", "replace")

    def first(self, name: bytes) -> Header | None:
        return next((header for header in self.headers if header.name == name), None)

    def drop(self, name: bytes) -> None:
        self.headers = [header for header in self.headers if header.name != name]

    def tell_length(self) -> None:
        """Content-Length says what the body is: a stream needs it, and whoever reads a frame may check it."""
        told = self.first(b"content-length")
        if told is None:
            self.headers.append(Header(b"content-length", b"Content-Length", b" %d" % len(self.body)))
        elif int(told.value) != len(self.body):
            told.value = b" %d" % len(self.body)


# ---- reading


def read_head(head: bytes) -> Message:
    """A message without its body. `head` ends before the blank line. Raises Malformed."""
    start, *lines = _LINE.split(head)
    if not (_STATUS.match(start) or _REQUEST.match(start)):
        raise Malformed("it does not begin as a SIP message does")
    return Message(start, [_header(line) for line in lines], b"")


def _header(line: bytes) -> Header:
    spelled, colon, value = line.partition(b":")
    name = spelled.strip(b" \t").lower()
    if not colon or not _NAME.match(name):
        raise Malformed("a line of it is no header")
    return Header(_COMPACT.get(name, name), spelled, value)


def told_length(message: Message) -> int | None:
    """What Content-Length says, None if there is none. Raises Malformed."""
    found = {header.value.strip() for header in message.headers if header.name == b"content-length"}
    if not found:
        return None
    if len(found) > 1:
        raise Malformed("its Content-Length is told twice, and differently")
    (text,) = found
    if not re.fullmatch(rb"[0-9]{1,9}", text) or int(text) > MAX_BODY:
        raise Malformed("its Content-Length is no length")
    return int(text)


def messages_of(frame: bytes) -> Iterator[Message]:
    """The messages in one WebSocket message, one by RFC 7118 section 5; keep-alives are none.

    What Content-Length leaves over is read as another message. Raises Malformed at what cannot be read; what came
    before has been given by then.
    """
    while frame := frame.lstrip(b"\r\n"):
        blank = _BLANK.search(frame, 0, MAX_HEAD)
        if blank is None:
            raise Malformed("its headers have no end")
        message = read_head(frame[: blank.start()])
        rest = frame[blank.end() :]
        length = told_length(message)
        if length is None:
            length = len(rest)
        if length > len(rest):
            raise Malformed(f"its Content-Length is {length}, and {len(rest)} bytes follow")
        message.body, frame = rest[:length], rest[length:]
        yield message


@dataclass(slots=True)
class Stream:
    """SIP over a stream (RFC 3261 section 18.3), as it comes in pieces."""

    _buffer: bytes = b""
    _message: Message | None = None
    _length: int = 0
    keepalives: int = field(default=0)
    """How many there were (RFC 5626 section 3.5.1); the reader takes them off."""

    def feed(self, data: bytes) -> Iterator[Message]:
        """What is whole by now. Raises Malformed; the stream cannot go on then."""
        self._buffer += data
        while (message := self._next()) is not None:
            yield message

    def _next(self) -> Message | None:
        if self._message is None and not self._head():
            return None
        message = self._message
        if message is None or len(self._buffer) < self._length:
            return None
        message.body, self._buffer = self._buffer[: self._length], self._buffer[self._length :]
        self._message = None
        return message

    def _head(self) -> bool:
        while self._buffer.startswith(_KEEPALIVE):
            self.keepalives += 1
            self._buffer = self._buffer[4:]
        if self._buffer in (b"\r", b"\r\n", b"\r\n\r"):
            return False  # perhaps the beginning of one
        self._buffer = self._buffer.lstrip(b"\r\n")
        blank = _BLANK.search(self._buffer)
        if blank is None:
            if len(self._buffer) > MAX_HEAD:
                raise Malformed("its headers have no end")
            return False
        self._message = read_head(self._buffer[: blank.start()])
        self._length = told_length(self._message) or 0
        self._buffer = self._buffer[blank.end() :]
        return True


# ---- rewriting


@dataclass(slots=True)
class Rewriting:
    """Between PJSIP's TCP and a WebSocket whose end is called `host` (a name in .invalid, RFC 7118 section 5.4).

    route: what PJSIP has to take as the first hop of a dialog's requests, in angle brackets.
    """

    host: str
    route: str
    _sent_by: bytes = b""
    """What PJSIP has in its Via, transport included; it takes no answer with anything else."""

    def outgoing(self, message: Message) -> Message:
        """From PJSIP to the WebSocket."""
        via = message.first(b"via")
        if via is not None:
            self._leave(via) if message.is_request else self._give_back(via)
        message.tell_length()
        return message

    def _leave(self, via: Header) -> None:
        match = _VIA.match(via.value)
        if match is None:
            return
        self._sent_by = match[2] + match[3] + match[4]
        params, others = _top(via.value[match.end() :])
        kept = b"".join(p for p in params if _param(p)[0] not in (b"alias", b"rport"))
        via.value = match[1] + b"WSS " + self.host.encode() + kept + others

    def _give_back(self, via: Header) -> None:
        """The far end's own Via, without what PJSIP has noted in it: this machine's loopback tells nobody anything."""
        match = _VIA.match(via.value)
        if match is None:
            return
        params, others = _top(via.value[match.end() :])
        told = [_unnoted(param) for param in params]
        via.value = via.value[: match.end()] + b"".join(told) + others

    def incoming(self, message: Message) -> Message:
        """From the WebSocket to PJSIP."""
        via = message.first(b"via")
        if via is not None and not message.is_request:
            self._take_back(via)
        if message.method in _DIALOGS and (message.is_request or message.start[8:9] in b"12"):
            self._route_by_us(message)
        message.tell_length()
        return message

    def _take_back(self, via: Header) -> None:
        match = _VIA.match(via.value)
        if match is None or match[4].lower() != self.host.encode() or not self._sent_by:
            return
        params, others = _top(via.value[match.end() :])
        kept = b"".join(p for p in params if _param(p)[0] not in (b"received", b"rport"))
        via.value = match[1] + self._sent_by + kept + others

    def _route_by_us(self, message: Message) -> None:
        """We are the proxy that is nearest to PJSIP: first in a request's record of the route, last in an answer's."""
        header = Header(b"record-route", b"Record-Route", b" " + self.route.encode())
        places = [place for place, each in enumerate(message.headers) if each.name == b"record-route"]
        if not places:
            message.headers.append(header)
        else:
            message.headers.insert(places[0] if message.is_request else places[-1] + 1, header)


def _top(text: bytes) -> tuple[list[bytes], bytes]:
    """What follows a sent-by: the parameters of this Via, each with its semicolon, and the rest from the comma on."""
    params: list[bytes] = []
    begin, quoted, place = 0, False, 0
    while place < len(text):
        byte = text[place : place + 1]
        if quoted:
            if byte == b"\\":
                place += 1
            quoted = byte != b'"'
        elif byte == b'"':
            quoted = True
        elif byte in (b";", b","):
            if place > begin:
                params.append(text[begin:place])
            begin = place
            if byte == b",":
                return params, text[place:]
        place += 1
    if begin < len(text):
        params.append(text[begin:])
    return params, b""


def _param(text: bytes) -> tuple[bytes, bytes]:
    """Name in lower case and value of `;name=value`."""
    name, _, value = text.lstrip(b"; \t\r\n").partition(b"=")
    return name.strip().lower(), value.strip()


def _unnoted(param: bytes) -> bytes:
    name, value = _param(param)
    if name == b"received" and value in (b"127.0.0.1", b"::1", b"[::1]"):
        return b""
    return b";rport" if name == b"rport" else param
