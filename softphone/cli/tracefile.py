"""Which form a trace takes in a file, by the file's name."""

from __future__ import annotations

from pathlib import Path

from softphone.errors import UsageError

SUFFIXES = {"txt": "ladder", "sip": "text", "svg": "svg", "pcap": "pcap", "json": "json"}
"""What a file's name ends with -> the form of what is written to it."""


def form_of(file: str) -> str:
    """The form; looked at, like the folder, before anything is done. Raises UsageError."""
    path = Path(file)
    form = SUFFIXES.get(path.suffix[1:].lower())
    if form is None:
        raise UsageError(f"{file}: a trace is written to a name that ends with .{', .'.join(SUFFIXES)}")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {path.absolute().parent} to write the trace to")
    return form
