"""The PBX's sound files. Tests make the same sounds again, to find them in what the phone heard."""

from pathlib import Path

from softphone.testing.audio import Sound, speech_like, write_wav

_RATE_HZ = 16_000  # Asterisk calls a WAV file of this rate `wav16`


def announcement() -> Sound:
    """What ANNOUNCEMENT plays: four seconds."""
    return speech_like(4, _RATE_HZ, seed=9195)


def notice() -> Sound:
    """What the early-media numbers play: a second and a half."""
    return speech_like(1.5, _RATE_HZ, seed=9183)


def write_sounds(folder: Path) -> None:
    """Writes both as the dial plan names them."""
    folder.mkdir()
    write_wav(folder / "announcement.wav16", announcement())
    write_wav(folder / "notice.wav16", notice())
