"""The player keeps the port full, knows its end to the sample, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest

from softphone.errors import Conflict, MediaError
from softphone.media import tones
from softphone.media.files import AudioFile
from softphone.media.player import PlayEnd, Player
from softphone.media.sources import Chunks, Pcm, Playlist, Silence, Source
from tests.media.fakes import (
    FRAME,
    RATE_HZ,
    FakeMixer,
    FakePcmPort,
    InlineExecutor,
    loudest_hz,
    open_files,
    play_out,
    run,
    tone,
    turns,
    until,
    write_sound,
)


class Stage:
    """A mixer, a port to play into, a port that hears it, and what came of it."""

    def __init__(self) -> None:
        self.mixer = FakeMixer()
        self.port = self.mixer.pcm("player")
        self.ear = self.mixer.pcm("ear")
        self.mixer.connect(self.port, self.ear)
        self.heard = bytearray()
        self.ear.on_pcm(self.heard.extend)
        self.ends: list[PlayEnd] = []

    def player(self, source: Source, executor: Executor | None = None) -> Player:
        return Player(self.port, source, on_end=self.ends.append, executor=executor or InlineExecutor())

    def over(self) -> bool:
        return bool(self.ends)


def pcm(duration_s: float) -> Pcm:
    return Pcm(tone(duration_s).tobytes(), RATE_HZ)


@pytest.mark.parametrize("samples", [1, 320, 321, 8000, 8001, 16_000, 16_320, 40_000, 100_003])
def test_every_sample_is_played_once_and_the_end_is_exact(samples: int) -> None:
    async def scenario() -> None:
        stage = Stage()
        sound = random.Random(samples).randbytes(samples * 2)
        player = stage.player(Pcm(sound, RATE_HZ))
        await player.start()
        frames = await play_out(stage.mixer, stage.over)
        assert frames == -(-len(sound) // FRAME)  # told in the very frame that took the last sample
        assert bytes(stage.heard).rstrip(b"\0") == sound.rstrip(b"\0")
        assert stage.ends == [PlayEnd("finished", samples / RATE_HZ)]
        assert await player.wait() == stage.ends[0]

    run(scenario())


def test_a_file_by_real_threads(tmp_path: Path) -> None:
    async def scenario() -> None:
        stage = Stage()
        path = write_sound(tmp_path / "a.mp3", tone(3.0, 44_100), codec="libmp3lame", layout="stereo")
        with ThreadPoolExecutor(2) as pool:
            player = stage.player(AudioFile(path), pool)
            await player.start()
            async with asyncio.timeout(20):
                while not stage.ends:
                    stage.mixer.tick()
                    await asyncio.sleep(0.001)
        assert stage.ends[0].reason == "finished"
        assert stage.ends[0].played_s == pytest.approx(3.0, abs=0.1)
        assert loudest_hz(bytes(stage.heard)) == pytest.approx(440, abs=2)
        assert stage.port.gaps <= 1  # the last frame may be a short one
        assert open_files(tmp_path) == []

    run(scenario())


def test_without_an_executor_the_loops_own_threads_serve(tmp_path: Path) -> None:
    async def scenario() -> None:
        stage = Stage()
        path = write_sound(tmp_path / "a.wav", tone(0.2, 44_100))
        player = Player(stage.port, AudioFile(path), on_end=stage.ends.append)
        await player.start()
        stage.mixer.tick(11)
        assert (await player.wait()).reason == "finished"

    run(scenario())


class Gate:
    """A source that waits, in its worker thread, until the test lets the next piece through."""

    def __init__(self, piece_s: float = 0.5, count: int = 40) -> None:
        self.permits = threading.Semaphore(0)
        self.asked = 0
        self.given = 0
        self.closed = threading.Event()
        self.piece = tone(piece_s).tobytes()
        self.count = count

    def chunks(self, rate_hz: int) -> Chunks:
        try:
            for _ in range(self.count):
                self.asked += 1
                assert self.permits.acquire(timeout=10)
                self.given += 1
                yield self.piece
        finally:
            self.closed.set()

    def allow(self, pieces: int) -> None:
        for _ in range(pieces):
            self.permits.release()


def test_a_slow_disk_makes_no_gap_while_the_store_lasts() -> None:
    async def scenario() -> None:
        stage = Stage()
        gate = Gate()
        with ThreadPoolExecutor(1) as pool:
            player = stage.player(gate, pool)
            gate.allow(5)  # the port's second, a second ahead, and the piece held back to know the end
            await player.start()
            await until(lambda: gate.given == 5)
            await until(lambda: not stage.port.writable())
            stage.mixer.tick(35)  # runs low: what is ahead goes into the port
            await turns()
            stage.mixer.tick(50)
            assert stage.port.gaps == 0  # 1.7 s without a byte from the disk
            gate.allow(35)
            await until(lambda: stage.port.writable() < stage.port.capacity // 2)
            stage.mixer.tick(10)
            assert stage.port.gaps == 0
            await player.stop()
        assert gate.closed.is_set()

    run(scenario())


def test_after_running_dry_it_goes_on_with_what_arrives() -> None:
    async def scenario() -> None:
        stage = Stage()
        gate = Gate(piece_s=0.1, count=30)
        with ThreadPoolExecutor(1) as pool:
            player = stage.player(gate, pool)
            gate.allow(6)  # a block of 0.5 s needs one piece more, to know that it is not the last
            await player.start()
            stage.mixer.tick(40)
            await turns()
            assert stage.port.gaps > 0
            assert not stage.over()  # dry is not the end
            gate.allow(24)
            await until(lambda: len(stage.port.queue) >= RATE_HZ)
            async with asyncio.timeout(10):
                while not stage.over():
                    stage.mixer.tick()
                    await asyncio.sleep(0.001)
            await player.wait()
        assert stage.ends == [PlayEnd("finished", pytest.approx(3.0))]

    run(scenario())


def test_stop_is_silence_at_once() -> None:
    async def scenario() -> None:
        stage = Stage()
        player = stage.player(pcm(10))
        await player.start()
        stage.mixer.tick(25)
        ended = player.stop()
        stage.mixer.tick(5)
        assert not any(stage.heard[25 * FRAME :])
        assert await ended == PlayEnd("stopped", 0.5)
        assert await player.stop() == await player.wait() == PlayEnd("stopped", 0.5)
        await turns()
        assert stage.ends == [PlayEnd("stopped", 0.5)]  # once
        assert (stage.port.low, stage.port.drained) == (None, None)

    run(scenario())


def test_stop_in_mid_read_closes_the_source_when_the_read_returns() -> None:
    async def scenario() -> None:
        stage = Stage()
        gate = Gate(piece_s=0.6)
        with ThreadPoolExecutor(1) as pool:
            player = stage.player(gate, pool)
            gate.allow(1)
            await player.start()
            await until(lambda: gate.asked == 2)
            ended = player.stop()
            await turns()
            assert stage.ends == [PlayEnd("stopped", 0)]  # told at once, the disk may hang
            assert not gate.closed.is_set()
            gate.allow(1)
            await ended
            assert gate.closed.is_set()
            assert gate.given == 2  # and nothing more was read

    run(scenario())


def test_another_can_play_in_the_same_port_afterwards() -> None:
    async def scenario() -> None:
        stage = Stage()
        first = stage.player(pcm(5))
        await first.start()
        stage.mixer.tick(10)
        await first.stop()
        second = stage.player(tones.sine(1000, 1.0))
        await second.start()
        stage.ends.clear()
        stage.heard.clear()
        await play_out(stage.mixer, stage.over)
        assert stage.ends == [PlayEnd("finished", 1.0)]
        assert loudest_hz(bytes(stage.heard)) == pytest.approx(1000, abs=2)

    run(scenario())


def test_a_next_player_may_start_from_the_end_of_the_one_before() -> None:
    async def scenario() -> None:
        stage = Stage()
        order: list[str] = []
        second = Player(stage.port, pcm(0.1), on_end=lambda end: order.append("second"), executor=InlineExecutor())

        def then(end: PlayEnd) -> None:
            order.append("first")
            starting.append(asyncio.ensure_future(second.start()))

        starting: list[asyncio.Future[None]] = []
        first = Player(stage.port, pcm(0.1), on_end=then, executor=InlineExecutor())
        await first.start()
        await play_out(stage.mixer, lambda: len(order) == 2, 30)
        assert order == ["first", "second"]
        await starting[0]

    run(scenario())


def test_loops_and_lists() -> None:
    async def scenario() -> None:
        stage = Stage()
        player = stage.player(Playlist([pcm(0.3), Silence(0.1), pcm(0.1)], times=3))
        await player.start()
        await play_out(stage.mixer, stage.over)
        assert stage.ends == [PlayEnd("finished", pytest.approx(1.5))]

    run(scenario())


def test_a_loop_without_end_plays_on_until_stopped(tmp_path: Path) -> None:
    async def scenario() -> None:
        stage = Stage()
        path = write_sound(tmp_path / "a.wav", tone(0.25))
        player = stage.player(Playlist([AudioFile(path)], times=None))
        await player.start()
        for _ in range(500):
            stage.mixer.tick()
            await turns(4)
        assert stage.port.gaps == 0
        assert await player.stop() == PlayEnd("stopped", 10.0)
        assert open_files(tmp_path) == []

    run(scenario())


@pytest.mark.parametrize("name", ["missing.wav", "text.wav"])
def test_what_cannot_be_opened_fails_at_the_start(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.wav").write_text("no sound at all")

    async def scenario() -> None:
        stage = Stage()
        player = stage.player(AudioFile(tmp_path / name))
        with pytest.raises(MediaError, match=name):
            await player.start()
        await turns()
        assert stage.ends == []
        assert (await player.wait()).reason == "failed"  # asking does not hang
        assert stage.port.low is None
        assert open_files(tmp_path) == []

    run(scenario())


class Breaking:
    """Gives a second, then breaks."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def chunks(self, rate_hz: int) -> Chunks:
        yield tone(1.0).tobytes()
        raise self.error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MediaError("a.wav: cannot be read (Input/output error)"), "a.wav: cannot be read (Input/output error)"),
        (ZeroDivisionError("unforeseen"), "ZeroDivisionError: unforeseen"),
    ],
)
def test_a_source_that_breaks_is_played_as_far_as_it_goes(error: Exception, text: str) -> None:
    async def scenario() -> None:
        stage = Stage()
        await stage.player(Breaking(error)).start()
        await play_out(stage.mixer, stage.over)
        end = stage.ends[0]
        assert (end.reason, end.error) == ("failed", text)
        if isinstance(error, MediaError):
            assert end.played_s == pytest.approx(1.0)

    run(scenario())


def test_a_list_with_a_missing_file_says_which_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        stage = Stage()
        player = stage.player(Playlist([pcm(0.5), AudioFile(tmp_path / "second.wav")]))
        await player.start()
        await play_out(stage.mixer, stage.over)
        assert stage.ends[0].played_s == pytest.approx(0.5)
        assert "second.wav: there is no such file" in stage.ends[0].error

    run(scenario())


def test_nothing_to_play_is_finished_at_once() -> None:
    async def scenario() -> None:
        stage = Stage()
        await stage.player(Silence(0)).start()
        await turns()
        assert stage.ends == [PlayEnd("finished", 0)]

    run(scenario())


def test_stop_before_and_while_starting() -> None:
    async def scenario() -> None:
        stage = Stage()
        never = stage.player(pcm(1))
        assert await never.stop() == PlayEnd("stopped", 0)
        with pytest.raises(Conflict):
            await never.start()
        gate = Gate()
        with ThreadPoolExecutor(1) as pool:
            player = stage.player(gate, pool)
            starting = asyncio.ensure_future(player.start())
            await turns()
            ended = player.stop()
            gate.allow(3)
            with pytest.raises(Conflict, match="stopped before it could begin"):
                await starting
            assert await ended == PlayEnd("stopped", 0)
            assert gate.closed.is_set()
        await turns()
        assert (stage.port.queue, stage.ends) == (b"", [])

    run(scenario())


def test_a_start_given_up_leaves_nothing_open() -> None:
    async def scenario() -> None:
        stage = Stage()
        gate = Gate()
        with ThreadPoolExecutor(1) as pool:
            player = stage.player(gate, pool)
            starting = asyncio.ensure_future(player.start())
            await turns()
            starting.cancel()
            await turns()
            gate.allow(3)
            await until(gate.closed.is_set)
            assert starting.cancelled()
            await player.wait()
        assert stage.ends == []

    run(scenario())


def test_giving_up_the_wait_does_not_stop_the_sound() -> None:
    async def scenario() -> None:
        stage = Stage()
        player = stage.player(pcm(0.5))
        await player.start()
        waiting = asyncio.ensure_future(player.wait())
        await turns()
        waiting.cancel()
        await turns()
        await play_out(stage.mixer, stage.over)
        assert stage.ends == [PlayEnd("finished", 0.5)]

    run(scenario())


def test_starting_twice_is_refused() -> None:
    async def scenario() -> None:
        stage = Stage()
        player = stage.player(pcm(0.1))
        await player.start()
        with pytest.raises(Conflict):
            await player.start()
        await player.stop()

    run(scenario())


def test_threads_that_are_gone_end_the_sound_with_a_reason() -> None:
    async def scenario() -> None:
        stage = Stage()
        pool = ThreadPoolExecutor(1)
        player = stage.player(pcm(5), pool)
        await player.start()
        await until(lambda: not stage.port.writable())
        pool.shutdown()
        await play_out(stage.mixer, stage.over)
        assert stage.ends[0].reason == "failed"
        assert "shutdown" in stage.ends[0].error

    run(scenario())


class TellingEarly(FakePcmPort):
    """A port that reports "drained" the moment it is asked, if it is empty: allowed, but no end."""

    def on_drained(self, callback: Callable[[], None] | None) -> None:
        super().on_drained(callback)
        if callback and not self.queue:
            self.drained = None
            callback()


@pytest.mark.parametrize("samples", [100, 16_320, 33_000])
def test_an_early_word_of_drained_is_not_the_end(samples: int) -> None:
    async def scenario() -> None:
        stage = Stage()
        stage.port.__class__ = TellingEarly
        sound = random.Random(7).randbytes(samples * 2)
        await stage.player(Pcm(sound, RATE_HZ)).start()
        await play_out(stage.mixer, stage.over)
        assert bytes(stage.heard).rstrip(b"\0") == sound.rstrip(b"\0")
        assert stage.ends == [PlayEnd("finished", samples / RATE_HZ)]

    run(scenario())
