"""Sound files of every kind come out as the mixer's PCM; what is none is refused in words."""

from __future__ import annotations

import os
import random
import tracemalloc
import wave
from contextlib import closing, suppress
from pathlib import Path

import av
import numpy as np
import pytest

from softphone.errors import MediaError
from softphone.media.files import AudioFile, probe
from tests.media.fakes import RATE_HZ, loudest_hz, open_files, tone, write_sound


def decode(path: Path, rate_hz: int = RATE_HZ) -> bytes:
    return b"".join(AudioFile(path).chunks(rate_hz))


@pytest.mark.parametrize(
    ("name", "codec", "rate_hz", "layout"),
    [
        ("a.wav", "pcm_s16le", 8_000, "mono"),
        ("a.wav", "pcm_s24le", 48_000, "stereo"),
        ("a.wav", "pcm_mulaw", 8_000, "mono"),
        ("a.wav", "pcm_f32le", 44_100, "5.1"),
        ("a.mp3", "libmp3lame", 44_100, "stereo"),
        ("a.mp3", "libmp3lame", 22_050, "mono"),
        ("a.ogg", "vorbis", 44_100, "stereo"),
        ("a.opus", "libopus", 48_000, "mono"),
        ("a.flac", "flac", 96_000, "stereo"),
        ("a.m4a", "aac", 32_000, "mono"),
    ],
)
def test_every_kind_of_file(tmp_path: Path, name: str, codec: str, rate_hz: int, layout: str) -> None:
    path = write_sound(tmp_path / name, tone(1.5, rate_hz), codec=codec, rate_hz=rate_hz, layout=layout)
    pcm = decode(path)
    assert len(pcm) % 2 == 0
    assert len(pcm) / 2 / RATE_HZ == pytest.approx(1.5, abs=0.1)  # lossy codecs add their padding
    assert loudest_hz(pcm) == pytest.approx(440, abs=2)
    info = probe(path)
    assert (info.rate_hz, info.channels) == (rate_hz, len(av.AudioLayout(layout).channels))
    assert info.duration_s == pytest.approx(1.5, abs=0.1)
    assert open_files(tmp_path) == []


def test_samples_at_the_mixers_rate_come_through_untouched(tmp_path: Path) -> None:
    samples = tone(0.7)
    path = write_sound(tmp_path / "a.wav", samples, rate_hz=RATE_HZ)
    assert decode(path) == samples.tobytes()


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
def test_any_mixer_rate(tmp_path: Path, rate_hz: int) -> None:
    path = write_sound(tmp_path / "a.wav", tone(1.0, 11_025), rate_hz=11_025)
    pcm = decode(path, rate_hz)
    assert len(pcm) / 2 == pytest.approx(rate_hz, abs=rate_hz * 0.01)
    assert loudest_hz(pcm, rate_hz) == pytest.approx(440, abs=2)


def test_stereo_becomes_the_mean_of_both_sides(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as writer:
        writer.setparams((2, 2, RATE_HZ, 0, "NONE", ""))
        left = tone(1.0, level=0.8)
        writer.writeframes(np.column_stack([left, np.zeros_like(left)]).astype("<i2").tobytes())
    peak = int(np.abs(np.frombuffer(decode(path), np.int16)).max())
    assert peak == pytest.approx(0.4 * 32767, rel=0.02)


def test_an_hour_is_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "hour.wav"
    with wave.open(str(path), "wb") as writer:
        writer.setparams((1, 2, 8_000, 0, "NONE", ""))
        writer.writeframes(b"")
    minute = tone(60, 8_000).astype("<i2").tobytes()
    with wave.open(str(path), "wb") as writer:
        writer.setparams((1, 2, 8_000, 0, "NONE", ""))
        for _ in range(60):
            writer.writeframes(minute)
    assert probe(path).duration_s == pytest.approx(3600)
    tracemalloc.start()
    total = largest = 0
    for chunk in AudioFile(path).chunks(8_000):
        total += len(chunk)
        largest = max(largest, len(chunk))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 3600 * 8_000 * 2
    assert largest <= 8_000 * 2 * 2  # two seconds
    assert peak < 2_000_000


def test_leaving_in_the_middle_closes_the_file(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.mp3", tone(5, 44_100), codec="libmp3lame")
    with closing(AudioFile(path).chunks(RATE_HZ)) as chunks:
        next(chunks)
        assert open_files(tmp_path) == [str(path)]
    assert open_files(tmp_path) == []


def test_a_cut_file_plays_as_far_as_it_goes(tmp_path: Path) -> None:
    for name, codec in [("a.wav", "pcm_s16le"), ("a.mp3", "libmp3lame"), ("a.ogg", "vorbis"), ("a.flac", "flac")]:
        path = write_sound(tmp_path / name, tone(4, 44_100), codec=codec, layout="stereo")
        whole = len(decode(path))
        os.truncate(path, path.stat().st_size // 2)
        assert 0.2 * whole < len(decode(path)) < 0.7 * whole, name  # an Ogg page is a second


def test_damage_in_the_middle_costs_only_itself(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.mp3", tone(4, 44_100), codec="libmp3lame")
    whole = decode(path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = random.Random(1).randbytes(600)
    path.write_bytes(data)
    assert len(decode(path)) > 0.9 * len(whole)


def test_a_change_of_format_in_mid_file(tmp_path: Path) -> None:
    first = write_sound(tmp_path / "1.mp3", tone(1, 44_100), codec="libmp3lame", rate_hz=44_100)
    second = write_sound(tmp_path / "2.mp3", tone(1, 22_050), codec="libmp3lame", rate_hz=22_050, layout="stereo")
    joined = tmp_path / "joined.mp3"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    pcm = decode(joined)
    assert len(pcm) / 2 / RATE_HZ == pytest.approx(2.0, abs=0.25)
    assert loudest_hz(pcm[: RATE_HZ * 2]) == pytest.approx(440, abs=3)
    assert loudest_hz(pcm[-RATE_HZ:]) == pytest.approx(440, abs=3)


def refusals(tmp_path: Path) -> dict[str, str]:
    """File name -> what the error has to say."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.txt").write_text("hello, this is text\n" * 500)
    (tmp_path / "text.mp3").write_text("hello, this is text\n" * 500)
    (tmp_path / "text.wav").write_text("hello, this is text\n" * 500)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "noise.ogg").write_bytes(random.Random(2).randbytes(20_000))
    whole = write_sound(tmp_path / "whole.m4a", tone(1, 44_100), codec="aac").read_bytes()
    (tmp_path / "cut.m4a").write_bytes(whole[: len(whole) // 3])
    riff = write_sound(tmp_path / "whole.wav", tone(1, 44_100)).read_bytes()
    (tmp_path / "header.wav").write_bytes(riff[:20])
    (tmp_path / "silent.wav").write_bytes(riff[: riff.index(b"data") + 4] + bytes(4))
    (tmp_path / "raw.ul").write_bytes(bytes(8_000))
    (tmp_path / "list.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{tmp_path}/whole.wav\n#EXT-X-ENDLIST\n"
    )
    with av.open(str(tmp_path / "video.mkv"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "slow.wav").write_bytes(riff[:24] + (100).to_bytes(4, "little") + riff[28:])
    (tmp_path / "fast.wav").write_bytes(riff[:24] + (2**30).to_bytes(4, "little") + riff[28:])
    return {
        "missing.wav": "no such file",
        "folder": "folder",
        "text.txt": "no sound",
        "text.mp3": "not a sound file",
        "text.wav": "not a sound file",
        "empty.wav": "empty",
        "noise.ogg": "not a sound file",
        "cut.m4a": "not a sound file",
        "header.wav": "not a sound file",
        "silent.wav": "no sound",
        "raw.ul": "raw samples",
        "list.m3u8": "must not refer to",
        "video.mkv": "no sound",
        "pipe.wav": "device or pipe",
        "slow.wav": "sample rate of 100 Hz",
        "fast.wav": "sample rate of 1073741824 Hz",
        "a\0b.wav": "cannot be opened",
        "text.txt/x.wav": "cannot be opened",
        "x" * 300: "cannot be opened",
    }


def test_what_cannot_be_played_is_refused_in_words(tmp_path: Path) -> None:
    for name, said in refusals(tmp_path).items():
        for attempt in (decode, probe):
            with pytest.raises(MediaError, match=said) as caught:
                attempt(tmp_path / name)
            assert str(caught.value).startswith(str(tmp_path)), name
    assert open_files(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.wav", "pcm_s16le"), ("a.mp3", "libmp3lame"), ("a.opus", "libopus"), ("a.flac", "flac"), ("a.m4a", "aac")],
)
def test_damaged_files_are_played_or_refused_and_nothing_else(tmp_path: Path, name: str, codec: str) -> None:
    path = write_sound(tmp_path / name, tone(0.3, 48_000), codec=codec, rate_hz=48_000)
    whole = path.read_bytes()
    chance = random.Random(name)
    for _ in range(40):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 5, 40))):
            data[chance.randrange(min(len(data), chance.choice((64, 400, len(data)))))] = chance.randrange(256)
        path.write_bytes(data[: chance.choice((len(data), chance.randrange(1, len(data))))])
        for attempt in (decode, probe):
            with suppress(MediaError):
                attempt(path)
    assert open_files(tmp_path) == []


def test_addresses_are_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MediaError, match="no such file"):
        probe(Path("http://127.0.0.1:9/x.wav"))
    with pytest.raises(MediaError, match="no such file"):
        probe(Path("sine=frequency=1000"))


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_sound(tmp_path / "a.wav", tone(0.1))

    def refused(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refused)  # root may read anything, so the refusal is played
    with pytest.raises(MediaError, match="no permission"):
        decode(path)


def test_a_failing_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_sound(tmp_path / "a.wav", tone(30, 44_100))

    real = open

    def opened(*args: object, **kwargs: object) -> object:
        raw = real(*args, **kwargs)  # type: ignore[call-overload]
        read = raw.read
        count = 0

        class Wrapped:
            name = str(path)
            fileno, seek, tell, close = raw.fileno, raw.seek, raw.tell, raw.close

            def read(self, size: int = -1) -> bytes:
                nonlocal count
                count += 1
                if count > 8:
                    raise OSError(5, "Input/output error")
                return bytes(read(size))

            def __enter__(self) -> Wrapped:
                return self

            def __exit__(self, *_: object) -> None:
                raw.close()

        return Wrapped()

    monkeypatch.setattr("builtins.open", opened)
    with pytest.raises(MediaError, match="Input/output error"):
        decode(path)
