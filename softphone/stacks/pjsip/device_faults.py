"""Which devices are meant, and why they cannot be had: asked of ALSA, since PJSIP tells nothing of it."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence

from softphone.errors import MediaError
from softphone.stacks.pjsip import alsa
from softphone.stacks.pjsip.device_names import Unknown, choose

Pair = tuple[str, str]
"""ALSA names of a microphone and a loudspeaker; the microphone is '' where a loudspeaker is alone."""


def both(capture: str | None, playback: str | None) -> str:
    """Their names, for people; None is a default device, '' none at all."""
    microphone = "the default microphone" if capture is None else capture
    loudspeaker = "the default loudspeaker" if playback is None else playback
    return " and ".join(dict.fromkeys(name for name in (microphone, loudspeaker) if name))


def resolve(capture: str | None, playback: str | None) -> Pair:
    """The ALSA names of what is meant. Raises MediaError. May block."""
    devices = alsa.listed()
    return _chosen(capture, True, devices), _chosen(playback, False, devices)


def resolve_loudspeaker(playback: str | None) -> Pair:
    """The same for a loudspeaker alone."""
    return "", _chosen(playback, False, alsa.listed())


def _chosen(wanted: str | None, capture: bool, devices: Sequence[alsa.AlsaDevice]) -> str:
    try:
        return choose(wanted, capture, devices)
    except Unknown as error:
        if alsa.cards_forbidden():
            raise MediaError(f"{error}; {alsa.NO_PERMISSION}") from None
        if wanted and alsa.refusal(wanted, alsa.CAPTURE if capture else alsa.PLAYBACK) == 0:
            raise MediaError(
                f"ALSA can open {wanted} but does not list it; in asound.conf, add to pcm.{wanted}: "
                f'hint {{ show on description "{wanted}" }}'
            ) from None
        raise


def fault(pair: Pair, in_use: Iterable[str]) -> str:
    """Why one of them cannot be opened now, '' if both can. May block."""
    for name, stream, kind in ((pair[0], alsa.CAPTURE, "microphone"), (pair[1], alsa.PLAYBACK, "loudspeaker")):
        number = alsa.refusal(name, stream) if name else 0
        if number == errno.EBUSY and name in in_use:
            return f"the {kind} {name} is open for another call together with another device: {alsa.SHARE}"
        if number:
            return f"the {kind} {name} cannot be opened ({errno.errorcode.get(number, number)}): {alsa.explain(number)}"
    return ""


def why_not(pair: Pair, in_use: Iterable[str], reason: str, rate_hz: int) -> str:
    """Why PJSIP did not open them. May block."""
    if cause := fault(pair, in_use):
        return cause
    raw = [name for name in pair if name.startswith("hw:")]
    advice = f"; name it plug{raw[0]}, which converts" if raw else ""
    return f"the sound devices {both(*pair)} do not take {rate_hz} Hz mono ({reason}){advice}"
