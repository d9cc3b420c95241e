"""The voice port by itself: RTP in, RTP out, on a real mixer. Lost, late, doubled, drifting and forged packets."""

from __future__ import annotations

import select
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pjsua2 as pj
import pytest

from softphone.lab.media.g711 import encode_ulaw
from softphone.testing.audio import Sound, heard_share, speech_like

RATE_HZ = 16_000


def tone(seconds: float, frequency_hz: float = 440.0, rate_hz: int = 8000) -> Any:
    return (8000 * np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * rate_hz)) / rate_hz)).astype(np.int16)


def ulaw(samples: Any) -> bytes:
    return bytes(encode_ulaw(sample) for sample in samples.tolist())


def rtp(sequence: int, payload: bytes, *, kind: int = 0, timestamp: int | None = None, marker: bool = False) -> bytes:
    stamp = sequence * 160 if timestamp is None else timestamp
    return struct.pack("!BBHII", 0x80, kind | marker << 7, sequence & 0xFFFF, stamp & 0xFFFFFFFF, 77) + payload


@pytest.fixture
def hub(endpoint: Any) -> Any:
    return pj.VoiceHub()


@contextmanager
def port(hub: Any, codec: int = pj.VOICE_PCMU, **settings: Any) -> Iterator[Any]:
    config = pj.VoicePortConfig()
    config.codec, config.clockRate = codec, RATE_HZ if codec == pj.VOICE_OPUS else 8000
    config.payloadType, config.eventsType, config.ssrc = (111 if codec == pj.VOICE_OPUS else 0), 101, 4242
    for name, value in settings.items():
        setattr(config, name, value)
    made = pj.VoicePort()
    made.open("voice", config, hub)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def pcm(rate_hz: int = RATE_HZ) -> Iterator[Any]:
    config = pj.PcmPortConfig()
    config.clockRate, config.rxBufMs, config.txBufMs = rate_hz, 30_000, 30_000
    made = pj.PcmPort()
    made.open("pcm", config)
    try:
        yield made
    finally:
        made.close()


def feed(send: Callable[[int], None], count: int, ptime_s: float = 0.02) -> None:
    """`send(n)` for each packet at its time."""
    start = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, start + number * ptime_s - time.monotonic()))
        send(number)


def heard(sink: Any) -> Any:
    return np.frombuffer(sink.read(), np.int16).astype(float)


def share_of_tone(samples: Any, frequency_hz: float, rate_hz: int = RATE_HZ, width_hz: float = 25.0) -> float:
    """How much of the power is within `width_hz` of a tone: clicks and gaps are spread over all frequencies."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    bins = np.fft.rfftfreq(len(samples), 1 / rate_hz)
    return float(power[np.abs(bins - frequency_hz) < width_hz].sum() / power.sum())


def middle(samples: Any) -> Any:
    """What sounds, without beginning and end."""
    loud = np.nonzero(np.abs(samples) > 500)[0]
    return samples[loud[0] + 3200 : loud[-1] - 1600]


def test_a_far_clock_that_runs_fast_is_followed_without_a_click(hub: Any) -> None:
    """Half a per cent, fifty times what real clocks are off by: 12 ms in the time of this test."""
    sound = ulaw(tone(3.0))
    with port(hub) as voice, pcm() as sink:
        voice.startTransmit(sink)
        time.sleep(0.1)
        feed(lambda n: voice.receive(rtp(n, sound[n * 160 : n * 160 + 160])) and None, 140, ptime_s=0.02 / 1.005)
        found, figures = heard(sink), voice.stat()
    assert figures.underruns <= 1  # the end
    assert share_of_tone(middle(found), 440) > 0.98


def test_lost_packets_are_made_good(hub: Any) -> None:
    with port(hub, pj.VOICE_OPUS) as sender, port(hub, pj.VOICE_OPUS) as voice, pcm() as source, pcm() as sink:
        source.write((speech_like(4.0).samples * 20_000).astype(np.int16).tobytes())
        source.startTransmit(sender)
        voice.startTransmit(sink)
        sender.expectLoss(20)
        count, end = 0, time.monotonic() + 3.0
        while time.monotonic() < end:
            select.select([hub.fileno()], [], [], 0.05)
            for key, packet in hub.take():
                count += key == sender.getPortId()
                if key == sender.getPortId() and count % 10:
                    voice.receive(packet)
        figures, found = voice.stat(), heard(sink)
    assert figures.rxLost >= 10
    assert figures.fecFrames > 0
    assert figures.underruns == 0
    assert heard_share(speech_like(4.0).cut(0, 2.0), Sound(found / 32768, RATE_HZ)) >= 0.5


def test_order_doubles_and_rubbish(hub: Any) -> None:
    sound = ulaw(tone(2.0))

    def send(number: int) -> None:
        if number % 2:  # pairs in the wrong order, and each twice
            for each in (number, number - 1, number):
                voice.receive(rtp(each, sound[each * 160 : each * 160 + 160]))
        for rubbish in (b"", b"\x80", bytes(12), b"\xff" * 40, rtp(number, b""), rtp(number, b"x" * 1500, kind=5)):
            voice.receive(rubbish)
        voice.receive(b"\xb0" + rtp(number, b"\xff\xff\xff\xff")[1:])  # header extension and padding that lie

    with port(hub) as voice, pcm() as sink:
        voice.startTransmit(sink)
        time.sleep(0.1)
        feed(send, 80)
        figures, found = voice.stat(), heard(sink)
    assert (figures.rxPackets, figures.rxLost) == (80, 0)
    assert figures.rxDuplicates >= 40
    assert figures.rxReordered >= 39
    assert share_of_tone(middle(found), 440) > 0.9


def test_sequence_numbers_and_timestamps_wrap(hub: Any) -> None:
    sound = ulaw(tone(1.5))
    with port(hub) as voice, pcm() as sink:
        voice.startTransmit(sink)
        time.sleep(0.1)

        def send(n: int) -> None:
            stamp = 0xFFFFFFFF - 2000 + n * 160
            voice.receive(rtp(65_500 + n, sound[n * 160 : n * 160 + 160], timestamp=stamp))

        feed(send, 70)
        figures, found = voice.stat(), heard(sink)
    assert (figures.rxPackets, figures.rxLost, figures.rxHighest) == (70, 0, 65_569)
    assert share_of_tone(middle(found), 440) > 0.95


def test_a_key_is_told_once_even_if_its_end_is_lost(hub: Any) -> None:
    def event(sequence: int, code: int, length: int, end: bool, stamp: int) -> int:
        payload = struct.pack("!BBH", code, end << 7 | 10, length)
        return int(voice.receive(rtp(sequence, payload, kind=101, timestamp=stamp)))

    with port(hub) as voice:
        told = [event(n, 5, 160 * (n + 1), n >= 4, 1000) for n in range(7)]
        assert [key for key in told if key] == [ord("5") | 100 << 8]
        told = [event(10 + n, 11, 160 * (n + 1), False, 9000) for n in range(3)]
        assert not any(told)
        key = voice.receive(rtp(20, bytes(160), timestamp=9000 + 8000))
        assert (chr(key & 255), key >> 8) == ("#", 60)


def test_keys_are_sent_as_the_rfc_says(hub: Any) -> None:
    with port(hub) as voice, pcm() as source:
        source.write(bytes(64_000))
        source.startTransmit(voice)
        assert voice.sendDigit("7", 100)
        assert not voice.sendDigit("x", 100)
        packets: list[bytes] = []
        end = time.monotonic() + 5
        while time.monotonic() < end and sum(p[1] & 127 == 101 for p in packets) < 7:
            select.select([hub.fileno()], [], [], 0.1)
            packets += [packet for _, packet in hub.take()]
        events = [packet for packet in packets if packet[1] & 127 == 101]
    assert [len(packet) for packet in events] == [16] * 7
    assert {packet[4:8] for packet in events} == {events[0][4:8]}
    assert [packet[1] >> 7 for packet in events] == [1, 0, 0, 0, 0, 0, 0]
    assert [struct.unpack("!BBH", packet[12:]) for packet in events[-3:]] == [(7, 0x80 | 10, 800)] * 3


def test_without_a_sink_and_a_source_hardly_anything_happens(hub: Any) -> None:
    with port(hub) as voice:
        feed(lambda n: voice.receive(rtp(n, bytes(160))) and None, 60)
        figures = voice.stat()
        sent = len(hub.take())
    assert figures.rxPackets == 60
    assert figures.concealedFrames == 0
    assert sent <= 16  # ten frames, then a sign of life each 400 ms


def test_settings_that_make_no_sense(hub: Any) -> None:
    for wrong in ({"codec": 9}, {"clockRate": 11_025}, {"payloadType": 200}, {"complexity": 11}, {"bitrate": 1}):
        with pytest.raises(pj.Error), port(hub, **wrong):
            pass
