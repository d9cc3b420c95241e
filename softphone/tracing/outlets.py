"""The forms in which a trace is handed out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from softphone.tracing import ladder, pcap, svg, text
from softphone.tracing.scene import scene
from softphone.tracing.store import Entry

Format = Literal["json", "text", "ladder", "svg", "pcap"]


def render(entries: Sequence[Entry], form: Format, title: str, width: int = ladder.WIDTH) -> tuple[bytes, str]:
    """The document and its media type, for every form but json."""
    tagged = [(entry.message, entry.tag) for entry in entries]
    match form:
        case "ladder":
            return ladder.ladder(scene(tagged), title, width).encode(), "text/plain; charset=utf-8"
        case "svg":
            return svg.svg(scene(tagged), title).encode(), "image/svg+xml"
        case "pcap":
            return pcap.pcap(entry.message for entry in entries), pcap.MEDIA_TYPE
    return text.text(tagged).encode(), "text/plain; charset=utf-8"
