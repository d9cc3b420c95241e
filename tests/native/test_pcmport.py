"""PcmPort and PcmHub against the real mixer."""

import gc
import math
import threading
from array import array
from collections.abc import Iterator

import numpy as np
import pjsua2 as pj
import pytest

from .bench import FRAME, Bench, numbered, until

pytestmark = pytest.mark.usefixtures("endpoint")


def without_silence(pcm: bytes) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    samples = np.frombuffer(pcm, "<i2")
    return samples[samples != 0]


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def test_what_is_written_is_heard_in_order_and_whole(bench: Bench) -> None:
    source, sink = bench.wire()
    data = numbered(20 * FRAME)
    assert source.write(data) == len(data)
    bench.until(lambda: len(bench.sound(sink)) >= len(data))
    assert bench.sound(sink) == data
    assert source.stat().txPlayedBytes == len(data)


def test_a_full_ring_takes_what_fits(bench: Bench) -> None:
    port = bench.port(txBufMs=100)  # nothing connected: nothing is taken out
    assert port.writable() == 5 * FRAME
    assert port.write(numbered(3 * FRAME)) == 3 * FRAME
    assert port.write(numbered(3 * FRAME)) == 2 * FRAME
    assert port.writable() == 0
    assert port.write(b"\1\1") == 0
    assert port.stat().txLevelBytes == 5 * FRAME


def test_rings_wrap_around_without_losing_a_byte(bench: Bench) -> None:
    source, sink = bench.wire(txBufMs=60, txLowMs=60)
    data = numbered(60 * FRAME)
    sent = source.write(data)
    while sent < len(data):
        bench.pump()
        sent += source.write(data[sent : sent + 500])  # never a whole frame: every offset comes up
    bench.until(lambda: without_silence(bench.sound(sink)).size >= len(data) // 2)
    assert without_silence(bench.sound(sink)).tobytes() == data


def test_running_dry_is_counted_once_and_padded(bench: Bench) -> None:
    source, sink = bench.wire()
    source.write(numbered(FRAME + FRAME // 2))
    bench.frames(sink, 5)
    assert source.stat().txUnderruns == 1
    assert bench.sound(sink) == numbered(FRAME + FRAME // 2)
    assert len(bench.heard[sink.getPortId()]) % FRAME == 0


def test_the_end_of_a_sound_is_no_underrun(bench: Bench) -> None:
    source, sink = bench.wire()
    source.write(numbered(FRAME + FRAME // 2))
    source.notifyDrained()
    bench.until(lambda: bench.events)
    bench.frames(sink, 3)
    assert source.stat().txUnderruns == 0
    assert bench.sound(sink) == numbered(FRAME + FRAME // 2)


def test_frames_that_nobody_reads_are_lost_but_their_time_is_not(bench: Bench) -> None:
    port = bench.port(rxBufMs=200)
    until(lambda: port.stat().rxOverruns >= 20)
    assert port.readable() == 10 * FRAME
    bench.until(lambda: abs(port.stat().framesPut - len(bench.heard[port.getPortId()]) // FRAME) <= 1)
    lost = port.stat().rxOverruns
    bench.frames(port, 10)
    assert port.stat().rxOverruns == lost, "a reader that has caught up loses nothing more"


def test_without_silence_lost_frames_are_left_out(bench: Bench) -> None:
    source, sink = bench.port(), bench.port(hub=False, rxBufMs=60, rxFillSilence=False)
    bench.frames(source, 3)
    assert sink.readable() == 0, "no sound was connected, and silence is not asked for"
    source.startTransmit(sink)
    source.write(numbered(20 * FRAME))
    bench.until(lambda: sink.stat().rxOverruns >= 5)
    assert sink.readable() == 3 * FRAME
    assert len(sink.read()) == 3 * FRAME


def test_flush_voids_what_is_queued_and_room_is_there_at_once(bench: Bench) -> None:
    source, sink = bench.wire()
    source.write(b"\1\1" * 8000)
    bench.until(lambda: bench.sound(sink))
    source.flushTx()
    assert source.stat().txLevelBytes == 0
    assert source.writable() == 16000 * 2
    assert source.write(b"\2\2" * 16000) == 32000
    source.flushTx()
    source.write(b"\3\3" * 320)
    source.notifyDrained()
    bench.until(lambda: bench.events)
    bench.frames(sink, 2)
    heard = bench.sound(sink)
    assert len(heard) < 16000, "most of the first sound was never played"
    assert heard.endswith(b"\3\3" * 320)
    assert b"\2\2" not in heard


def test_flush_works_while_nothing_is_connected(bench: Bench) -> None:
    port = bench.port(txBufMs=100)
    port.write(numbered(5 * FRAME))
    port.flushTx()
    assert port.write(b"\7\7" * (FRAME * 5 // 2)) == 5 * FRAME
    sink = bench.port()
    port.startTransmit(sink)
    bench.until(lambda: len(bench.sound(sink)) >= 5 * FRAME)
    assert bench.sound(sink) == b"\7\7" * (FRAME * 5 // 2)


def test_flushing_what_is_readable(bench: Bench) -> None:
    port = bench.port(hub=False)
    bench.frames(port, 4)
    port.flushRx()
    assert port.readable() <= FRAME


def test_prefill_holds_back_until_enough_is_queued(bench: Bench) -> None:
    source, sink = bench.wire(txPrefillMs=60)
    source.write(b"\1\1" * 640)  # 40 ms
    bench.frames(sink, 5)
    assert source.stat().txPlayedBytes == 0
    source.write(b"\1\1" * 320)
    bench.until(lambda: source.stat().txPlayedBytes == 3 * FRAME)


def test_a_sound_shorter_than_the_prefill_is_played_when_it_is_the_whole(bench: Bench) -> None:
    source, _ = bench.wire(txPrefillMs=200)
    source.write(b"\1\1" * 320)
    source.notifyDrained()
    bench.until(lambda: bench.events)
    assert source.stat().txPlayedBytes == FRAME


def test_the_delay_is_bounded_by_dropping_the_oldest(bench: Bench) -> None:
    source, sink = bench.port(txMaxMs=60), bench.port()
    data = numbered(20 * FRAME)
    source.write(data)
    source.startTransmit(sink)
    bench.until(lambda: source.stat().txPlayedBytes == 3 * FRAME)
    bench.frames(sink, 2)
    assert source.stat().txDroppedBytes == 17 * FRAME
    assert bench.sound(sink) == data[-3 * FRAME :]


def test_drained_comes_with_the_last_sample_and_once(bench: Bench) -> None:
    source, sink = bench.wire()
    source.write(numbered(5 * FRAME))
    source.notifyDrained()
    bench.until(lambda: bench.events)
    assert source.stat().txPlayedBytes == 5 * FRAME
    bench.frames(sink, 5)
    assert bench.events == [(source.getPortId(), pj.PCM_DRAINED)]
    assert bench.sound(sink) == numbered(5 * FRAME)


def test_drained_comes_at_once_when_nothing_is_queued(bench: Bench) -> None:
    port = bench.port()  # not connected: the mixer asks it for nothing
    port.notifyDrained()
    bench.until(lambda: bench.events)
    assert bench.events == [(port.getPortId(), pj.PCM_DRAINED)]


def test_drained_comes_after_a_flush(bench: Bench) -> None:
    source, _ = bench.wire()
    source.write(b"\1\1" * 16000)
    source.notifyDrained()
    source.flushTx()
    bench.until(lambda: bench.events, deadline_s=0.5)


def test_low_comes_once_for_each_write(bench: Bench) -> None:
    source, sink = bench.wire(txLowMs=200)
    bench.frames(sink, 3)
    assert bench.events == [], "a port that was never written to waits for nobody"
    for n in (1, 2, 3):
        source.write(numbered(15 * FRAME))
        bench.until(lambda n=n: len(bench.events) == n)
        assert 0 < source.stat().txLevelBytes < 10 * FRAME, "there is time left to write on"
    bench.frames(sink, 14)
    assert bench.events == [(source.getPortId(), pj.PCM_LOW)] * 3


def test_low_asks_for_the_rest_of_a_prefill(bench: Bench) -> None:
    source, _ = bench.wire(txLowMs=20, txPrefillMs=100)
    source.write(numbered(3 * FRAME))  # more than low, less than the prefill
    bench.until(lambda: bench.events)
    source.write(numbered(3 * FRAME))
    bench.until(lambda: source.stat().txPlayedBytes == 6 * FRAME)


def test_a_player_that_follows_the_notices_never_runs_dry(bench: Bench) -> None:
    source, sink = bench.wire(txBufMs=400, txLowMs=300)
    left = memoryview(numbered(100 * FRAME))
    while left:
        left = left[source.write(left) :]
        if left:
            bench.until(lambda: bench.events)
            bench.events.clear()
    source.notifyDrained()
    bench.until(lambda: (source.getPortId(), pj.PCM_DRAINED) in [(i, e & pj.PCM_DRAINED) for i, e in bench.events])
    bench.frames(sink, 2)
    assert source.stat().txUnderruns == 0
    assert len(bench.sound(sink)) == 100 * FRAME


def test_events_without_a_hub_are_polled(bench: Bench) -> None:
    source, sink = bench.port(hub=False, txLowMs=40), bench.port()
    source.startTransmit(sink)
    source.write(numbered(2 * FRAME))
    source.notifyDrained()
    bench.until(lambda: source.stat().txPlayedBytes == 2 * FRAME)
    bench.frames(sink, 2)
    assert source.takeEvents() == pj.PCM_DRAINED | pj.PCM_LOW
    assert source.takeEvents() == 0


def test_wakeups_follow_the_notification_size(bench: Bench) -> None:
    port = bench.port(rxNotifyMs=100)
    start = port.stat()
    bench.frames(port, 25)
    end = port.stat()
    assert end.wakeups - start.wakeups <= (end.framesPut - start.framesPut) // 5 + 1


def test_meters_tell_both_directions(bench: Bench) -> None:
    source, sink = bench.wire()
    tone = array("h", (round(16384 * math.sin(2 * math.pi * 1000 * i / 16000)) for i in range(16000)))
    source.write(tone)
    bench.frames(sink, 40)
    for stat, direction in ((source.stat(), "tx"), (sink.stat(), "rx")):
        assert getattr(stat, f"{direction}Rms") == pytest.approx(0.5 / math.sqrt(2), rel=0.05)
        assert getattr(stat, f"{direction}Peak") == pytest.approx(0.5, rel=0.05)
    assert source.stat().rxRms == 0
    source.flushTx()
    bench.until(lambda: sink.stat().rxRms < 0.01)


def test_counters_start_again(bench: Bench) -> None:
    port = bench.port()
    bench.frames(port, 5)
    port.resetStat()
    assert port.stat().framesPut <= 1
    bench.frames(port, 3)
    assert 3 <= port.stat().framesPut <= 6


def test_other_rates_are_resampled(bench: Bench) -> None:
    source, sink = bench.port(clockRate=8000), bench.port(clockRate=48000)
    assert (source.frameBytes(), sink.frameBytes()) == (320, 1920)
    source.startTransmit(sink)
    source.write(array("h", (round(8000 * math.sin(i / 4)) for i in range(8000))))
    bench.until(lambda: sink.stat().rxRms > 0.1)


@pytest.mark.parametrize(
    "settings",
    [{"clockRate": 0}, {"clockRate": 1_000_000}, {"channelCount": 0}, {"channelCount": 3}, {"ptimeUsec": 0},
     {"rxBufMs": 4_000_000_000}, {"txBufMs": 4_000_000_000}],
)  # fmt: skip
def test_a_bad_configuration_is_refused(bench: Bench, settings: dict[str, int]) -> None:
    with pytest.raises(pj.Error):
        bench.port(**settings)


def test_a_port_opens_once(bench: Bench) -> None:
    port = bench.port()
    with pytest.raises(pj.Error):
        port.open("again", pj.PcmPortConfig())
    assert port.isOpen()


def test_a_full_hub_refuses_and_a_closed_port_makes_room() -> None:
    hub = pj.PcmHub(64)
    ports = [pj.PcmPort() for _ in range(65)]
    for port in ports[:64]:
        port.open("p", pj.PcmPortConfig(), hub)
    with pytest.raises(pj.Error):
        ports[64].open("p", pj.PcmPortConfig(), hub)
    assert not ports[64].isOpen()
    ports[0].close()
    ports[64].open("p", pj.PcmPortConfig(), hub)
    for port in ports:
        port.close()


def test_a_closed_port_does_nothing(bench: Bench) -> None:
    port = bench.port()
    port.close()
    port.close()
    assert not port.isOpen()
    assert (port.write(b"xx"), port.read(), port.readinto(bytearray(4)), port.readable(), port.writable()) == (
        0, b"", 0, 0, 0,
    )  # fmt: skip
    port.flushTx()
    port.flushRx()
    port.notifyDrained()
    port.resetStat()
    assert port.takeEvents() == 0
    assert port.stat().framesPut == 0


def test_a_port_can_open_again_and_hears_nothing_old(bench: Bench) -> None:
    port = bench.port()
    bench.frames(port, 2)
    port.close()
    assert bench.hub.events() == []
    port.open("again", pj.PcmPortConfig(), bench.hub)
    bench.frames(port, 2)
    assert port.stat().framesPut < 10


def test_buffers_of_all_kinds(bench: Bench) -> None:
    port = bench.port(hub=False)
    for buffer in (b"\1\1", bytearray(2), memoryview(b"\1\1"), array("h", [1])):
        assert port.write(buffer) == 2
    for bad in ("text", 7, memoryview(b"abcd")[::2]):
        with pytest.raises((TypeError, BufferError)):
            port.write(bad)
    bench.frames(port, 3)
    into = bytearray(b"\xff" * FRAME)
    assert port.readinto(into) == FRAME
    assert into == bytes(FRAME)
    assert port.readinto(memoryview(into)[:10]) == 10
    with pytest.raises((TypeError, BufferError)):
        port.readinto(b"read only")
    assert len(port.read(100)) == 100


def ports_named(endpoint: pj.Endpoint, prefix: str) -> int:
    """How many ports of that name the mixer has; it removes a closed one at its next tick."""
    return sum(media.getPortInfo().name.startswith(prefix) for media in endpoint.mediaEnumPorts2())


def test_closing_while_the_mixer_runs(bench: Bench, endpoint: pj.Endpoint) -> None:
    listener = bench.port()
    for n in range(400):
        port = bench.port(name="brief")
        port.startTransmit(listener)
        listener.startTransmit(port)
        port.write(numbered(3 * FRAME))
        port.notifyDrained()
        if n % 7 == 0:
            bench.pump()
        port.close()
    bench.until(lambda: ports_named(endpoint, "brief") == 0)
    bench.frames(listener, 2)


def test_a_port_may_be_collected_in_any_thread(bench: Bench, endpoint: pj.Endpoint) -> None:
    held = [bench.port(name="dropped") for _ in range(100)]
    bench.ports.clear()
    assert ports_named(endpoint, "dropped") == 100

    def drop() -> None:
        held.clear()
        gc.collect()

    thread = threading.Thread(target=drop)
    thread.start()
    thread.join()
    bench.until(lambda: ports_named(endpoint, "dropped") == 0)


def test_a_hub_may_go_before_its_ports() -> None:
    hub = pj.PcmHub()
    port = pj.PcmPort()
    port.open("p", pj.PcmPortConfig(), hub)
    del hub
    gc.collect()
    watch = Bench()
    other = watch.port()
    watch.frames(other, 5)
    assert port.readable()
    port.close()
    watch.close()


def test_threads_may_share_a_port(bench: Bench) -> None:
    source, sink = bench.wire()
    stop = threading.Event()
    failures: list[BaseException] = []

    def guarded(step: object) -> None:
        try:
            while not stop.is_set():
                step()  # type: ignore[operator]
        except BaseException as error:
            failures.append(error)

    steps = (
        lambda: source.write(b"\1\1" * 100),
        lambda: sink.read(),
        source.flushTx,
        lambda: sink.stat(),
        bench.hub.drain,
    )
    threads = [threading.Thread(target=guarded, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for _ in range(30):
        extra = bench.port()
        bench.until(lambda extra=extra: extra.stat().framesPut > 0)
        extra.close()
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
