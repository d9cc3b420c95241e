"""What goes with a request of a call: its media lines, and headers of our own."""

from __future__ import annotations

from typing import Any

import pjsua2 as pj

from softphone.stacks.base import HeaderLines


def invite_options() -> Any:
    """Options of an INVITE or re-INVITE: one audio line and nothing else."""
    prm = pj.CallOpParam(True)
    prm.opt.audioCount = 1
    prm.opt.videoCount = 0
    prm.opt.textCount = 0  # else PJSIP offers an m=text line
    return prm


def add_headers(prm: Any, headers: HeaderLines) -> None:
    """Adds header lines to a `CallOpParam`."""
    for name, value in headers.items():
        prm.txOption.headers.append(_header(name, value))


def _header(name: str, value: str) -> Any:
    header = pj.SipHeader()
    header.hName = name
    header.hValue = value
    return header
