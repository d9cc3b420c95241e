"""Server-Sent Events, the reading side (WHATWG HTML, section 9.2.6): bytes in, frames out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """What stood between two blank lines. `data` is empty for a heartbeat."""

    id: str
    event: str
    data: str


class FrameReader:
    """Keeps the last id, across connections, and the bytes of a frame that is not complete yet."""

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete now."""
        *frames, self._rest = (self._rest + data).split(b"\n\n")
        for raw in frames:
            yield self._frame(raw.decode())

    def forget_partial(self) -> None:
        """The connection ended: half a frame is none."""
        self._rest = b""

    def _frame(self, text: str) -> Frame:
        fields: dict[str, list[str]] = {"id": [], "event": [], "data": []}
        for line in text.split("\n"):
            name, _, value = line.partition(":")
            fields.get(name, []).append(value.removeprefix(" "))
        if fields["id"]:
            self.last_id = fields["id"][-1]
        return Frame(self.last_id, "".join(fields["event"][-1:]), "\n".join(fields["data"]))
