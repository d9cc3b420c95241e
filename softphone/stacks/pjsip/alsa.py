"""ALSA itself, asked directly: what it lists, and why it will not open something.

PJSIP opens every device of the machine twice to make its list, and says of a failure only that there was one. These
functions open nothing (`listed`), or only the device in question (`refusal`).
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLAYBACK, CAPTURE = 0, 1  # snd_pcm_stream_t
_NONBLOCK = 1


@dataclass(frozen=True, slots=True)
class AlsaDevice:
    """A PCM as ALSA lists it. `description` is for people, one line."""

    name: str
    description: str
    capture: bool
    playback: bool


@functools.cache
def _alsa() -> Any:
    library = ctypes.CDLL("libasound.so.2")
    library.snd_device_name_get_hint.restype = ctypes.c_void_p  # the text is ours to free
    library.snd_device_name_get_hint.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    library.snd_device_name_free_hint.argtypes = [ctypes.c_void_p]
    library.snd_pcm_open.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
    library.snd_pcm_close.argtypes = [ctypes.c_void_p]
    library.snd_strerror.restype = ctypes.c_char_p
    return library


@functools.cache
def _libc() -> Any:
    library = ctypes.CDLL(None)
    library.free.argtypes = [ctypes.c_void_p]
    return library


def listed() -> list[AlsaDevice]:
    """What ALSA's configuration offers, in its order, but its own `null`; empty where there is no sound at all."""
    with _hints() as hints:
        found = [_device(hint) for hint in hints]
    return [device for device in found if device.name not in ("", "null")]


@contextmanager
def _hints() -> Iterator[list[int]]:
    table = ctypes.POINTER(ctypes.c_void_p)()
    if _alsa().snd_device_name_hint(-1, b"pcm", ctypes.byref(table)) != 0:
        yield []
        return
    hints: list[int] = []
    while (hint := table[len(hints)]) is not None:
        hints.append(hint)
    try:
        yield hints
    finally:
        _alsa().snd_device_name_free_hint(table)


def _device(hint: int) -> AlsaDevice:
    direction = _text(hint, b"IOID")  # Input, Output, or nothing for both
    description = " ".join(_text(hint, b"DESC").split())
    return AlsaDevice(_text(hint, b"NAME"), description, direction != "Output", direction != "Input")


def _text(hint: int, key: bytes) -> str:
    address = _alsa().snd_device_name_get_hint(hint, key)
    if not address:
        return ""
    try:
        return ctypes.string_at(address).decode(errors="replace")
    finally:
        _libc().free(address)


def refusal(name: str, stream: int) -> int:
    """Opens a PCM (PLAYBACK or CAPTURE) and closes it again; 0, or the errno that ALSA gives. May block."""
    handle = ctypes.c_void_p()
    status = int(_alsa().snd_pcm_open(ctypes.byref(handle), name.encode(), stream, _NONBLOCK))
    if status >= 0:
        _alsa().snd_pcm_close(handle)
    return max(0, -status)


def explain(number: int) -> str:
    """Why a PCM could not be opened, and what to do, from `refusal`'s errno."""
    if number == errno.EBUSY:
        return f"another program uses it; stop that program, or {SHARE}"
    if number in (errno.EACCES, errno.EPERM):
        return NO_PERMISSION
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return "it is not plugged in, or its sound card is not there any more"
    if number in (errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTDOWN):
        return "its sound server (PulseAudio or PipeWire) does not run, or not for this user"
    return str(_alsa().snd_strerror(-number).decode())


SHARE = "share the device through dmix, PulseAudio or PipeWire"
NO_PERMISSION = (
    "this user may not use the sound card; add the user to the group `audio` (usermod -aG audio USER), then start anew"
)


def cards_forbidden(folder: Path = Path("/dev/snd")) -> bool:
    """Whether there are sound cards and this user may use none of them; ALSA then lists none."""
    cards = list(folder.glob("pcm*")) if folder.is_dir() else []
    return bool(cards) and not any(os.access(card, os.R_OK) or os.access(card, os.W_OK) for card in cards)


def card_id(number: str, folder: Path = Path("/proc/asound")) -> str:
    """The name of a sound card that is given by number; the number itself if there is none."""
    try:
        return (folder / f"card{number}" / "id").read_text().strip() or number
    except OSError:
        return number
