"""From the name that a person gives to the name of one device.

ALSA has many names for one thing: `hw:1,0`, `hw:CARD=Speaker`, `hw:CARD=Speaker,DEV=0`; and a person may know only what
is printed on it. A name that fits several cards is refused rather than guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
        if not fit:
            raise Unknown(f"there is no {kind} on this machine")
        return next((d.name for d in fit if d.name == "default"), fit[0].name)
    found = _exact(wanted, fit) or _close(wanted, fit)
    if not found:
        raise Unknown(f"there is no {kind} named {wanted!r} (there is: {there})")
    if len(found) > 1:
        raise MediaError(f"{wanted!r} could be any of {', '.join(d.name for d in found)}; give one of these names")
    return found[0].name


def _exact(wanted: str, devices: Sequence[AlsaDevice]) -> list[AlsaDevice]:
    same = [d for d in devices if d.name == wanted]
    return (same or [d for d in devices if _parts(d.name) == _parts(wanted)])[:1]


def _close(wanted: str, devices: Sequence[AlsaDevice]) -> list[AlsaDevice]:
    """Those in whose name or description the text occurs; of one card's names only the most useful."""
    text = wanted.casefold()
    found = [d for d in devices if text in d.name.casefold()]
    found = found or [d for d in devices if text in d.description.casefold()]
    places = {_parts(d.name)[1:] for d in found}
    if len(places) > 1 or not all(place[0] for place in places):
        return found
    return sorted(found, key=_rank)[:1]


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
