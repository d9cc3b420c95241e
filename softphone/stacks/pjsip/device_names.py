"""From the name that a person gives to the name of one device.

ALSA has many names for one thing: `hw:1,0`, `hw:CARD=Speaker`, `hw:CARD=Speaker,DEV=0`; and a person may know only what
is printed on it. A name that fits several cards is refused rather than guessed.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from softphone.errors import MediaError
from softphone.stacks.pjsip.alsa import AlsaDevice, card_id

_ORDER = ("plughw", "default", "sysdefault", "hw")  # of one card's names, those that fit any program first


class Unknown(MediaError):
    """Nothing fits the name."""


def choose(wanted: str | None, capture: bool, devices: Sequence[AlsaDevice]) -> str:
    """The ALSA name of the device meant; None means the default one. Raises MediaError that names what there is.

    capture: a microphone is wanted, else a loudspeaker.
    """
    fit = [d for d in devices if (d.capture if capture else d.playback)]
    kind = "microphone" if capture else "loudspeaker"
    there = ", ".join(d.name for d in fit) or "none at all"
    if wanted is None:
        if (name := default_name(devices, capture)) is None:
            raise Unknown(f"there is no {kind} on this machine")
        return name
    found = _exact(wanted, fit) or _close(wanted, fit)
    if not found:
        raise Unknown(f"there is no {kind} named {wanted!r}{_nearest(wanted, fit)} (there is: {there})")
    if len(found) > 1:
        raise MediaError(f"{wanted!r} could be any of {', '.join(d.name for d in found)}; give one of these names")
    return found[0].name


def default_name(devices: Sequence[AlsaDevice], capture: bool) -> str | None:
    """What is taken where no device is named, None where there is none: ALSA's `default`, else its first."""
    fit = [d.name for d in devices if (d.capture if capture else d.playback)]
    return "default" if "default" in fit else next(iter(fit), None)


def _exact(wanted: str, devices: Sequence[AlsaDevice]) -> list[AlsaDevice]:
    same = [d for d in devices if d.name == wanted]
    return (same or [d for d in devices if _parts(d.name) == _parts(wanted)])[:1]


def _close(wanted: str, devices: Sequence[AlsaDevice]) -> list[AlsaDevice]:
    """Those in whose name or description the text occurs, or that fit the pattern (`*`, `?`); of one card's names only
    the most useful."""
    text = wanted.casefold()
    pattern = text if any(sign in text for sign in "*?") else f"*{text.replace('[', '[[]')}*"
    found = [d for d in devices if fnmatchcase(d.name.casefold(), pattern)]
    found = found or [d for d in devices if fnmatchcase(d.description.casefold(), pattern)]
    places = {_parts(d.name)[1:] for d in found}
    if len(places) > 1 or not all(place[0] for place in places):
        return found
    return sorted(found, key=_rank)[:1]


def _nearest(wanted: str, devices: Sequence[AlsaDevice]) -> str:
    """A hint at names that are spelt much like it."""
    names = {d.name.casefold(): d.name for d in devices} | {
        word.casefold(): d.name for d in devices for word in (d.description, *d.description.split())
    }
    near = dict.fromkeys(names[key] for key in difflib.get_close_matches(wanted.casefold(), names, n=3, cutoff=0.7))
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _rank(device: AlsaDevice) -> int:
    interface = _parts(device.name)[0]
    return _ORDER.index(interface) if interface in _ORDER else len(_ORDER)


def _parts(name: str, card: Callable[[str], str] = card_id) -> tuple[str, str, str]:
    """(interface, card, device) of a name such as `hw:CARD=Speaker,DEV=0`; the card is '' where none is named."""
    interface, colon, rest = name.partition(":")
    if not colon:
        return name, "", ""
    words = dict(zip(("CARD", "DEV"), ("", "0"), strict=True))
    for key, word in zip(("CARD", "DEV", "SUBDEV"), rest.split(","), strict=False):
        given, equals, value = word.partition("=")
        words[given if equals else key] = value if equals else word
    return interface, card(words["CARD"]) if words["CARD"].isdigit() else words["CARD"], words["DEV"]
