"""A screenshot with a palette instead of true colours, a third of the size: `python -m tools.smaller_png IN OUT`.

The lab's picture: LAB_SCREENSHOT=lab.png python -m pytest tests/lab/test_page.py -k follows
"""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import av.filter

COLOURS = 64  # enough for a page of text; more would be shades of its letters' edges


def smaller(picture: Path) -> bytes:
    """The same picture as a PNG with a palette."""
    with av.open(str(picture)) as container:
        frame = next(container.decode(video=0))
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1))
    split, sink = graph.add("split"), graph.add("buffersink")
    palette = graph.add("palettegen", f"max_colors={COLOURS}:reserve_transparent=0")
    painted = graph.add("paletteuse", "dither=none")
    source.link_to(split)
    split.link_to(painted, 0, 0)
    split.link_to(palette, 1, 0)
    palette.link_to(painted, 0, 1)
    painted.link_to(sink)
    graph.configure()
    graph.push(frame)
    graph.push(None)
    result = graph.pull()
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = result.width, result.height, "pal8"
    encoder.time_base = Fraction(1)
    return b"".join(bytes(packet) for packet in [*encoder.encode(result), *encoder.encode(None)])


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(smaller(Path(sys.argv[1])))
