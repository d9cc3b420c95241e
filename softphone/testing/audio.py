"""Proofs about sound: is this tone in that recording, did this prompt come back, how late, how much is silence.

Sounds are mono float arrays between -1 and 1. A recording that went through a codec, a gain and a jitter
buffer is never equal to what was sent, so equality is judged by the normalised cross-correlation: 1 is the
same wave at any level, speech through G.711 gives 0.95 and more, different speech stays below 0.5.
"""

import math
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]

HEARD = 0.8  # the score from which a sound counts as the reference
_COMPARE_HZ = 16_000  # both sides are compared at this rate
_QUIET_DBFS = -120.0


@dataclass(frozen=True, eq=False)
class Sound:
    """Mono samples with their rate."""

    samples: Samples
    rate_hz: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate_hz

    def cut(self, start_s: float, end_s: float | None = None) -> "Sound":
        """The part between two times; without an end, up to the end."""
        end = None if end_s is None else round(end_s * self.rate_hz)
        return Sound(self.samples[round(start_s * self.rate_hz) : end], self.rate_hz)

    def at_rate(self, rate_hz: int) -> "Sound":
        """The same sound at another rate, band-limited."""
        count = round(len(self.samples) * rate_hz / self.rate_hz)
        if rate_hz == self.rate_hz or not count:
            return Sound(self.samples[:count], rate_hz)
        spectrum = np.fft.rfft(self.samples)[: count // 2 + 1]
        scale = count / len(self.samples)
        return Sound(np.fft.irfft(spectrum, n=count) * scale, rate_hz)


@dataclass(frozen=True)
class Tone:
    """The strongest frequency of a sound."""

    frequency_hz: float
    share: float  # of the sound's whole power, 0 to 1


@dataclass(frozen=True)
class Match:
    """Where a reference fits best into a recording."""

    score: float  # normalised cross-correlation there, -1 to 1
    lag_s: float  # when in the recording the reference begins; negative: its beginning is missing

    @property
    def heard(self) -> bool:
        return self.score >= HEARD


# --- files ---------------------------------------------------------------------------------------


def read_wav(path: Path | str, channel: int | None = None) -> Sound:
    """Reads a 16-bit WAV file; of several channels the one asked for, or else their mean."""
    with wave.open(str(path), "rb") as file:
        if file.getsampwidth() != 2:
            raise ValueError(f"{path}: {8 * file.getsampwidth()} bits a sample; 16 are expected")
        frames = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        rate_hz, channels = file.getframerate(), file.getnchannels()
    columns = frames[: len(frames) // channels * channels].reshape(-1, channels) / 32768.0
    return Sound(columns.mean(axis=1) if channel is None else columns[:, channel].copy(), rate_hz)


def write_wav(path: Path | str, *channels: Sound) -> None:
    """Writes sounds of one rate and length as the channels of a 16-bit WAV file."""
    columns = np.stack([sound.samples for sound in channels], axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(channels[0].rate_hz)
        file.writeframes((np.clip(columns, -1, 1) * 32767).astype("<i2").tobytes())


# --- sounds to send ------------------------------------------------------------------------------


def tone(frequency_hz: float, seconds: float, rate_hz: int = 16_000, level: float = 0.5) -> Sound:
    """A sine of the given amplitude."""
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return Sound(level * np.sin(2 * math.pi * frequency_hz * times), rate_hz)


def silence(seconds: float, rate_hz: int = 16_000) -> Sound:
    """Nothing, for so long."""
    return Sound(np.zeros(round(seconds * rate_hz)), rate_hz)


def speech_like(seconds: float, rate_hz: int = 16_000, seed: int = 1, level: float = 0.5) -> Sound:
    """Babble with the build of speech: syllables of gliding pitch and changing timbre below 3 kHz.

    Every codec of a phone carries it, and no part of it resembles another part or another seed's.
    """
    random = np.random.default_rng(seed)
    syllables = []
    missing = round(seconds * rate_hz)
    while missing > 0:
        syllable = _syllable(random, rate_hz)
        syllables.append(syllable)
        missing -= len(syllable)
    samples = np.concatenate(syllables)[: round(seconds * rate_hz)]
    return Sound(level * samples / np.abs(samples).max(), rate_hz)


def _syllable(random: np.random.Generator, rate_hz: int) -> Samples:
    count = round(random.uniform(0.12, 0.25) * rate_hz)
    pitch_hz = np.linspace(random.uniform(110, 240), random.uniform(110, 240), count)
    phase = 2 * math.pi * np.cumsum(pitch_hz) / rate_hz
    formants_hz = random.uniform((300, 900, 2000), (800, 1900, 2900))
    voice = np.zeros(count)
    for harmonic in range(1, int(3000 / pitch_hz.max()) + 1):
        distance = (harmonic * pitch_hz.mean() - formants_hz) / 180
        weight = float((np.exp(-(distance**2)) * (1.0, 0.6, 0.35)).sum()) + 0.02
        voice += weight * np.sin(harmonic * phase + random.uniform(0, 2 * math.pi))
    envelope = np.sin(math.pi * np.arange(count) / count) ** 0.7
    syllable: Samples = voice * envelope / np.abs(voice).max() * random.uniform(0.5, 1)
    return syllable


# --- measures ------------------------------------------------------------------------------------


def rms(sound: Sound) -> float:
    """The root mean square, 0 to 1."""
    return float(np.sqrt(np.mean(sound.samples**2))) if len(sound.samples) else 0.0


def level_dbfs(sound: Sound) -> float:
    """The level in decibels against the loudest possible square wave; -120 for nothing at all."""
    return max(_QUIET_DBFS, 20 * math.log10(max(rms(sound), 1e-12)))


def silence_share(sound: Sound, threshold_dbfs: float = -50, frame_ms: int = 20) -> float:
    """The share of frames whose level is below the threshold, 0 to 1; 1 of an empty sound."""
    size = sound.rate_hz * frame_ms // 1000
    frames = sound.samples[: len(sound.samples) // size * size].reshape(-1, size)
    if not len(frames):
        return 1.0
    quiet = np.sqrt((frames**2).mean(axis=1)) < 10 ** (threshold_dbfs / 20)
    return float(quiet.mean())


def strongest_tone(sound: Sound, width_hz: float = 20) -> Tone:
    """The strongest frequency, and the share of the sound's power within `width_hz` of it."""
    samples = sound.samples - sound.samples.mean() if len(sound.samples) else sound.samples
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2 if len(samples) else np.zeros(1)
    if power.sum() <= 1e-12:
        return Tone(0.0, 0.0)
    frequencies = np.fft.rfftfreq(len(samples), 1 / sound.rate_hz)
    near = np.abs(frequencies - frequencies[power.argmax()]) <= width_hz
    centre = float((frequencies[near] * power[near]).sum() / power[near].sum())
    return Tone(centre, float(power[near].sum() / power.sum()))


# --- did it arrive -------------------------------------------------------------------------------


def find(reference: Sound, recording: Sound, min_overlap: float = 0.5) -> Match:
    """Finds where the reference fits best into the recording.

    Rates may differ. The best place may lie partly outside of the recording, as when it was started late,
    as long as `min_overlap` of the shorter of the two, and of the reference's energy, is inside.
    """
    wanted, heard = _comparable(reference), _comparable(recording)
    if not len(wanted) or not len(heard) or not wanted.any() or not heard.any():
        return Match(0.0, 0.0)
    size = 1 << (len(wanted) + len(heard) - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size)), size)
    margin = max(1, int(min(len(wanted), len(heard)) * min_overlap))
    lags = np.arange(margin - len(wanted), len(heard) - margin + 1)
    wanted_energy = _energy(wanted, -lags, len(heard) - lags)
    heard_energy = _energy(heard, lags, lags + len(wanted))
    enough = (wanted_energy >= min_overlap * wanted_energy.max()) & (heard_energy > 1e-9)
    scale = np.sqrt(np.where(enough, wanted_energy * heard_energy, np.inf))
    scores = product[lags] / scale  # a negative lag counts from the end, where irfft puts it
    best = int(scores.argmax())
    return Match(float(scores[best]), float(lags[best]) / _COMPARE_HZ)


def find_parts(reference: Sound, recording: Sound, part_s: float = 0.5) -> list[Match]:
    """Finds each part of the reference by itself, for a recording in which the delay may have changed.

    A jitter buffer drops or repeats frames, after which the rest fits at another lag. The lags given are
    the whole reference's: they are all alike when nothing slipped.
    """
    matches = []
    count = max(1, round(reference.seconds / part_s))
    for index in range(count):
        start_s = index * reference.seconds / count
        match = find(reference.cut(start_s, start_s + reference.seconds / count), recording)
        matches.append(Match(match.score, match.lag_s - start_s))
    return matches


def heard_share(reference: Sound, recording: Sound, part_s: float = 0.5) -> float:
    """The share of the reference's parts that the recording contains, 0 to 1."""
    matches = find_parts(reference, recording, part_s)
    return sum(match.heard for match in matches) / len(matches)


def _comparable(sound: Sound) -> Samples:
    samples = sound.at_rate(_COMPARE_HZ).samples
    return samples - samples.mean() if len(samples) else samples


def _energy(samples: Samples, first: NDArray[np.int_], end: NDArray[np.int_]) -> Samples:
    """The energy of each part [first, end), cut to where there are samples."""
    sums = np.concatenate(([0.0], np.cumsum(samples**2)))
    return sums[np.clip(end, 0, len(samples))] - sums[np.clip(first, 0, len(samples))]
