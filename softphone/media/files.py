"""Sound files of any kind, decoded to the mixer's format as they are read.

Reading, decoding and resampling are PyAV's (FFmpeg). The file is opened by us and handed over as an open stream: FFmpeg
by itself would follow addresses ("http:...") and playlists to other files, which a prompt must never do.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import av
import av.error

from softphone.errors import MediaError
from softphone.media.sources import Chunks

# No sound is recorded slower or faster. Below, a packet could grow to minutes of PCM; above, a resampler's tables take
# seconds to compute. Both are seen in damaged headers.
MIN_RATE_HZ = 1000
MAX_RATE_HZ = 768_000


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a file says about itself. `duration_s` is None where the format does not tell; MP3 may be an estimate."""

    file: Path
    format: str
    codec: str
    rate_hz: int
    channels: int
    duration_s: float | None


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A sound file as a source: wav, mp3, ogg, flac, m4a, opus and whatever else FFmpeg reads, any rate and channels.

    Held in memory: one packet. A damaged packet is left out; a file that ends early is played as far as it goes.
    """

    path: Path

    def chunks(self, rate_hz: int) -> Chunks:
        sounded = False
        with _opened(self.path) as (container, stream):
            converter = _Converter(self.path, rate_hz)
            for frame in _frames(container, stream):
                pcm = converter.convert(frame)
                if pcm:
                    sounded = True
                    yield pcm
            tail = converter.finish()
        if tail:
            yield tail
        elif not sounded:
            raise MediaError(f"{self.path}: there is no sound in this file (zero length)")


def probe(path: Path) -> AudioInfo:
    """Looks into a file and decodes its first sound: what passes here can be played. Blocks; raises MediaError."""
    with _opened(path) as (container, stream):
        info = _info(path, container, stream)
        if not any(frame.samples for frame in _frames(container, stream)):
            raise MediaError(f"{path}: there is no sound in this file (zero length)")
    return info


def _info(path: Path, container: Any, stream: Any) -> AudioInfo:
    duration_s = None
    if stream.duration is not None and stream.time_base is not None:
        duration_s = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        duration_s = container.duration / av.time_base
    context = stream.codec_context
    return AudioInfo(path, container.format.name, context.name, context.rate, context.channels, duration_s)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """The container and its sound stream, checked. Errors inside the block come out as MediaError too."""
    with _open_regular(path) as raw, _understandable(path):
        with av.open(raw, mode="r", metadata_errors="ignore", io_open=_refuse_other_files) as container:
            stream = _sound_of(path, container)
            stream.codec_context.thread_count = 1  # hundreds of prompts: no thread pool for each
            yield container, stream


def _sound_of(path: Path, container: Any) -> Any:
    stream = container.streams.best("audio")
    if stream is None:
        raise MediaError(f"{path}: there is no sound in this file (FFmpeg takes it for {container.format.name!r})")
    context = stream.codec_context
    if context is None:
        raise MediaError(f"{path}: the sound is in a format that this FFmpeg cannot decode")
    if context.name == f"pcm_{container.format.name}":
        raise MediaError(f"{path}: raw samples without a header; convert the file to WAV")
    _check_rate(path, context.rate)
    return stream


def _check_rate(path: Path, rate_hz: int) -> None:
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise MediaError(f"{path}: a sample rate of {rate_hz} Hz is not sound; {MIN_RATE_HZ} to {MAX_RATE_HZ} expected")


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            continue  # a damaged packet costs its own milliseconds, not the rest of the file
        yield from frames


class _Converter:
    """Frames of any kind in, signed 16 bit mono at `rate_hz` out; survives a change of kind in mid-stream."""

    def __init__(self, path: Path, rate_hz: int) -> None:
        self._path = path
        self._rate_hz = rate_hz
        self._kind: tuple[Any, ...] = ()
        self._resampler: av.AudioResampler | None = None

    def convert(self, frame: Any) -> bytes:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        before = b""
        if kind != self._kind:
            _check_rate(self._path, frame.sample_rate)
            before = self.finish()
            self._kind = kind
            self._resampler = av.AudioResampler(format="s16", layout="mono", rate=self._rate_hz)
        frame.pts = None  # time stamps play no part: the samples follow each other
        return before + self._resample(frame)

    def finish(self) -> bytes:
        """What the resampler still holds."""
        return self._resample(None) if self._resampler is not None else b""

    def _resample(self, frame: Any) -> bytes:
        if self._resampler is None:
            return b""
        return b"".join(out.to_ndarray().tobytes() for out in self._resampler.resample(frame))


def _open_regular(path: Path) -> IO[bytes]:
    """The file, open for reading; MediaError where that cannot be or where it is no regular file."""
    try:
        raw = open(path, "rb", opener=_open_without_waiting)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        raise MediaError(_cannot_open(path, error)) from error
    if os.fstat(raw.fileno()).st_size == 0:
        raw.close()
        raise MediaError(f"{path}: the file is empty")
    return raw


def _open_without_waiting(name: str, flags: int) -> int:
    """O_NONBLOCK, because opening a pipe that nobody writes to would hold a worker thread for ever."""
    descriptor = os.open(name, flags | os.O_NONBLOCK)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    raise IsADirectoryError if stat.S_ISDIR(mode) else OSError("a device or pipe, not a file")


def _cannot_open(path: Path, error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path}: there is no such file"
    if isinstance(error, IsADirectoryError):
        return f"{path}: this is a folder, not a sound file"
    if isinstance(error, PermissionError):
        return f"{path}: no permission to read this file"
    return f"{path}: cannot be opened ({getattr(error, 'strerror', None) or error})"


def _refuse_other_files(url: str, flags: int, options: Any) -> NoReturn:
    raise PermissionError(f"a sound file must not refer to {url!r}")


@contextmanager
def _understandable(path: Path) -> Iterator[None]:
    """FFmpeg's errors, and those of reading a failing disk, in words."""
    try:
        yield
    except (av.error.InvalidDataError, av.error.EOFError) as error:
        raise MediaError(f"{path}: this is not a sound file, or it is damaged") from error
    except av.error.FFmpegError as error:
        raise MediaError(f"{path}: cannot be decoded ({error.strerror})") from error
    except OSError as error:
        raise MediaError(f"{path}: cannot be read ({error.strerror or error})") from error
