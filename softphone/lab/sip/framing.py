"""Where one SIP message ends and the next begins, on a stream (RFC 3261 section 18.3, RFC 5626 section 3.5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_HEAD_BYTES = 32 * 1024
MAX_BODY_BYTES = 256 * 1024

_LENGTH = re.compile(rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*(\d{1,9})[ \t]*\r?$")


class FramingError(ValueError):
    """The stream is lost: nobody can say where the next message begins. Close it."""


@dataclass(frozen=True)
class Ping:
    """A double CRLF: the client asks whether we are alive; a single CRLF is the answer."""


class StreamFramer:
    """Cuts a byte stream into whole messages and keep-alives. No socket: bytes in, frames out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes | Ping]:
        """Yield what `data` completes. Raises FramingError."""
        self._buffer += data
        while (frame := self._next()) is not None:
            yield frame

    def _next(self) -> bytes | Ping | None:
        self._drop_single_crlf()
        if self._buffer.startswith(b"\r\n\r\n"):
            del self._buffer[:4]
            return Ping()
        if not self._buffer or b"\r\n\r\n".startswith(self._buffer):
            return None
        return self._message()

    def _drop_single_crlf(self) -> None:
        """A lone CRLF before a message is to be ignored (section 7.5)."""
        while self._buffer.startswith(b"\r\n") and len(self._buffer) > 2 and self._buffer[2:3] != b"\r":
            del self._buffer[:2]

    def _message(self) -> bytes | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise FramingError("no end of headers")
            return None
        total = end + 4 + self._body_length(bytes(self._buffer[: end + 2]))
        if len(self._buffer) < total:
            return None
        message = bytes(self._buffer[:total])
        del self._buffer[:total]
        return message

    def _body_length(self, head: bytes) -> int:
        found = _LENGTH.search(head)
        if found is None:
            raise FramingError("no Content-Length on a stream")
        length = int(found.group(1))
        if length > MAX_BODY_BYTES:
            raise FramingError(f"a body of {length} bytes")
        return length
