"""A WAV file that is playable at every moment of its making.

The classic 44-byte header (every tool and every PBX reads it), rewritten after each append so that it describes what is
on disk: data first, header second, so a process that is killed in between leaves a file that plays, at worst, one
append less. Sizes in a RIFF header have 32 bits: a file ends before 4 GiB (18 hours of 16 kHz stereo, 74 of 8 kHz
mono). Everything here blocks and belongs in a worker thread.
"""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

from softphone.errors import MediaError

HEADER_BYTES = 44
MAX_DATA_BYTES = 0xFFFF_FFFF - HEADER_BYTES
_BYTES_PER_SAMPLE = 2


class WavFile:
    """Open from construction to `close`. All errors are MediaError and name the file."""

    def __init__(self, path: Path, rate_hz: int, channels: int, *, overwrite: bool = False) -> None:
        """Creates the file (mode 0640 less the umask: recordings are private). Refuses an existing one unless told."""
        self.path = path
        self.rate_hz = rate_hz
        self.channels = channels
        self.frames = 0
        self._descriptor = _create(path, overwrite)
        try:
            self._write_at(0, self._header())
        except MediaError:
            self._abandon(created=not overwrite)
            raise

    @property
    def frame_bytes(self) -> int:
        return self.channels * _BYTES_PER_SAMPLE

    @property
    def size(self) -> int:
        """Bytes on disk that belong to the recording."""
        return HEADER_BYTES + self.frames * self.frame_bytes

    def append(self, pcm: bytes) -> None:
        """Adds whole frames, interleaved, little-endian. After an error the file still plays up to the last append."""
        self._write_at(self.size, pcm)
        self.frames += len(pcm) // self.frame_bytes
        self._write_at(0, self._header())

    def close(self) -> None:
        """Forces the file to disk and closes it; also after an error."""
        try:
            os.ftruncate(self._descriptor, self.size)  # what a failed append left behind its end
            os.fsync(self._descriptor)
        except OSError as error:
            raise MediaError(f"{self.path}: cannot be written ({error.strerror})") from error
        finally:
            os.close(self._descriptor)

    def discard(self) -> None:
        """Closes and removes a file that nobody will ask for."""
        self._abandon(created=True)

    def _abandon(self, *, created: bool) -> None:
        os.close(self._descriptor)
        if created:
            self.path.unlink(missing_ok=True)

    def _header(self) -> bytes:
        data_bytes = self.frames * self.frame_bytes
        byte_rate = self.rate_hz * self.frame_bytes
        riff = struct.pack("<4sI4s", b"RIFF", HEADER_BYTES - 8 + data_bytes, b"WAVE")
        pcm_format = (16, 1, self.channels, self.rate_hz, byte_rate, self.frame_bytes, 8 * _BYTES_PER_SAMPLE)
        return riff + struct.pack("<4sIHHIIHH", b"fmt ", *pcm_format) + struct.pack("<4sI", b"data", data_bytes)

    def _write_at(self, offset: int, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                written = os.pwrite(self._descriptor, view, offset)
                view, offset = view[written:], offset + written
        except OSError as error:
            raise MediaError(f"{self.path}: cannot be written ({error.strerror})") from error


def _create(path: Path, overwrite: bool) -> int:
    """O_NONBLOCK, because opening a pipe that nobody reads would hold a worker thread for ever."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags if overwrite else flags | os.O_EXCL, 0o640)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        raise MediaError(_cannot_create(path, error)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise MediaError(f"{path}: this is a device or pipe; recordings go to files")
    os.ftruncate(descriptor, 0)
    return descriptor


def _cannot_create(path: Path, error: OSError | ValueError) -> str:
    if isinstance(error, FileExistsError):
        return f"{path}: the file exists already; name another one, or ask to overwrite it"
    if isinstance(error, FileNotFoundError):
        return f"{path}: the folder {path.parent} does not exist"
    if isinstance(error, IsADirectoryError):
        return f"{path}: this is a folder; a file name is needed"
    if isinstance(error, PermissionError):
        return f"{path}: no permission to write here"
    return f"{path}: cannot be created ({getattr(error, 'strerror', None) or error})"
