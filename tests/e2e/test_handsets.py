"""Handsets by WebRTC: aiortc, with its own RTP, codecs and jitter buffer, is the browser; the lab is the far end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from softphone.engine.views import AudioRoute
from softphone.errors import Conflict, NotFound, UsageError
from softphone.lab import Lab
from softphone.testing.audio import Sound, heard_share, read_wav, speech_like, write_wav
from tests.support.browser import RATE_HZ, Browser, Samples, samples_of, sound_of
from tests.support.phone import Phone
from tests.support.until import until

MOST = 0.5
PART_S = 0.25  # on a busy machine the jitter buffers stretch some parts, and aiortc's stalls for 0.3 s
SPEECH_S = 1.5
SILENT = "9198"


@cache
def speech(seed: int) -> Sound:
    return speech_like(SPEECH_S, seed=seed)


@pytest.fixture(autouse=True, scope="module")
def _made_before() -> None:
    """Making it takes time, in which nothing else runs in this loop: it would sound like jitter."""
    for seed in range(8):
        said(seed)


@cache
def said(seed: int) -> Samples:
    return samples_of(speech(seed))


@asynccontextmanager
async def handset(phone: Phone, name: str = "", codec: str | None = None) -> AsyncIterator[tuple[Browser, str]]:
    """A browser that is connected, and its handset's id."""
    async with Browser(codec=codec) as browser:
        view, answer = await phone.agent.open_handset(await browser.offer(), name=name)
        await browser.take(answer)
        await phone.told("handset.connected", handset=view.id)
        yield browser, view.id


async def hears(browser: Browser, wanted: Sound, within_s: float = 20.0) -> None:
    """Waits until most of it was heard in the browser. To judge takes time: in a thread, and only now and then."""
    found = 0.0
    rate_hz = 8000 if browser.codec == "pcmu" else RATE_HZ
    try:
        async with asyncio.timeout(within_s):
            while found < MOST:
                await asyncio.sleep(wanted.seconds + 1)
                lately = sound_of(browser.heard()[-5 * rate_hz :], rate_hz)
                found = await asyncio.to_thread(heard_share, wanted, lately, PART_S)
    except TimeoutError:
        raise AssertionError(f"heard {found:.2f} of it") from None


async def settled(phone: Phone, *handsets: str) -> None:
    """Waits until their jitter buffers have found their delay; after that nothing is stretched."""
    for handset_id in handsets:
        before = phone.agent.handset(handset_id).figures["voice"]["rx_packets"]

        def calm(handset_id: str = handset_id, before: int = before) -> bool:
            voice = phone.agent.handset(handset_id).figures["voice"]
            return bool(voice["rx_packets"] > before + 50 and abs(voice["correction_ppm"]) < 1000)

        await until(calm)


@pytest.mark.parametrize("codec", ["opus", "pcmu"])
def test_what_is_said_in_the_browser_comes_back_from_the_echo(act: Any, codec: str, tmp_path: Path) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        async with handset(phone, "Ann's browser", codec) as (browser, handset_id):
            call = await phone.connected("9196", account="901")
            await phone.agent.attach_handset(handset_id, call)
            file = tmp_path / "far.wav"
            await phone.agent.record(call, str(file), mode="stereo")
            await settled(phone, handset_id)
            browser.microphone.say(said(0))
            await hears(browser, speech(0))
            await phone.agent.stop_record(call)
            assert heard_share(speech(0), read_wav(file, 1), PART_S) >= MOST
            view = phone.agent.handset(handset_id)
            assert (view.name, view.state, view.calls) == ("Ann's browser", "connected", {call: "talk"})
            assert view.codec == {"opus": "opus/48000", "pcmu": "pcmu/8000"}[codec]
            assert view.figures["srtp"].startswith("SRTP_")
            assert view.figures["voice"]["rx_packets"] > 50
            await until(lambda: phone.agent.handset(handset_id).figures["rtt_ms"] is not None)
            await phone.hung_up(call)
            await phone.told("handset.detached", handset=handset_id, call=call, reason="call_ended")
            await phone.agent.close_handset(handset_id)
            closed = await phone.told("handset.closed", handset=handset_id, reason="closed")
            assert closed["figures"]["voice"]["tx_packets"] > 50
        with pytest.raises(NotFound):
            phone.agent.handset(handset_id)

    act(scene, codecs=["opus", "pcmu"])


def test_listen_talk_and_whisper(act: Any, tmp_path: Path) -> None:
    """Ann talks, a trainee listens, a supervisor whispers: the far end hears Ann alone, Ann hears the supervisor."""

    async def scene(lab: Lab, phone: Phone) -> None:
        async with (
            handset(phone) as (ann, ann_id),
            handset(phone) as (trainee, trainee_id),
            handset(phone) as (boss, boss_id),
        ):
            call = await phone.connected(SILENT, account="901")
            for handset_id, mode in ((ann_id, "talk"), (trainee_id, "listen"), (boss_id, "whisper")):
                await phone.agent.attach_handset(handset_id, call, mode)
            file = tmp_path / "sent.wav"
            await phone.agent.record(call, str(file), mode="stereo")
            await settled(phone, ann_id, trainee_id, boss_id)
            ann.microphone.say(said(1))
            await asyncio.gather(hears(trainee, speech(1)), hears(boss, speech(1)))
            ann.microphone.say(None)
            boss.microphone.say(said(2))
            await asyncio.gather(hears(ann, speech(2)), hears(trainee, speech(2)))
            boss.microphone.say(None)
            trainee.microphone.say(said(3))
            await asyncio.sleep(SPEECH_S)
            await phone.agent.stop_record(call)
            assert heard_share(speech(1), read_wav(file, 1), PART_S) >= MOST
            assert heard_share(speech(2), read_wav(file, 1), PART_S) < MOST / 2
            assert heard_share(speech(3), read_wav(file, 1), PART_S) < MOST / 2
            assert heard_share(speech(3), sound_of(ann.heard(), RATE_HZ), PART_S) < MOST / 2

    act(scene)


def test_a_call_moves_between_file_and_browser_while_it_goes_on(act: Any, tmp_path: Path) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        prompt = tmp_path / "prompt.wav"
        write_wav(prompt, speech(4))
        async with handset(phone) as (browser, handset_id):
            route = AudioRoute(route="file", file=str(prompt), loop=True)
            call = await phone.connected("9196", account="901", audio=route)
            await phone.agent.attach_handset(handset_id, call, take_over=True)
            assert phone.agent.call(call).audio.route == "null"
            await settled(phone, handset_id)
            browser.microphone.say(said(5))
            await hears(browser, speech(5))
            phone.agent.detach_handset(handset_id)
            await phone.told("handset.detached", handset=handset_id, reason="asked")
            await phone.agent.set_audio(call, route)
            file = tmp_path / "sent.wav"
            await phone.agent.record(call, str(file), mode="stereo", max_duration_s=SPEECH_S * 2)
            await phone.told("record.ended", call=call)
            assert heard_share(speech(4), read_wav(file, 1), PART_S) >= MOST

    act(scene)


def test_a_conference_is_heard_in_the_handset_of_one_of_its_calls(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        async with handset(phone) as (one, one_id), handset(phone) as (other, other_id):
            calls = [await phone.connected(SILENT, account="901"), await phone.connected(SILENT, account="902")]
            await phone.agent.attach_handset(one_id, calls[0])
            await phone.agent.attach_handset(other_id, calls[1])
            conference = phone.agent.start_conference(calls)
            await settled(phone, one_id, other_id)
            one.microphone.say(said(6))
            await hears(other, speech(6))
            phone.agent.set_conference_local(conference.id, False)  # our side steps out, handsets too
            one.microphone.say(None)
            other.microphone.say(said(7))
            await asyncio.sleep(SPEECH_S + 1)
            assert heard_share(speech(7), sound_of(one.heard(), RATE_HZ), PART_S) < MOST / 2
            phone.agent.end_conference(conference.id)
            assert phone.agent.handset(one_id).calls == {calls[0]: "talk"}

    act(scene)


def test_a_key_pressed_in_the_browser_reaches_the_far_end(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        async with Browser() as browser:
            view, answer = await phone.agent.open_handset(browser.with_keys(await browser.offer()))
            assert "telephone-event" in answer
            await browser.take(answer)
            await phone.told("handset.connected", handset=view.id)
            call = await phone.connected("9199", account="901")
            await phone.agent.attach_handset(view.id, call)
            await browser.press("7")
            pressed = await phone.told("handset.digit", handset=view.id, digit="7")
            assert (pressed["calls"], pressed["duration_ms"]) == ([call], 100)
            await phone.told("call.digits_sent", call=call, digits="7")
            await phone.told("call.digit", call=call, digit="7")  # the service reads back what it heard
            phone.agent.send_handset_digits(view.id, "5#")
            await until(lambda: browser.keys == ["5", "#"])

    act(scene)


def test_a_browser_that_closes_and_one_that_dies(act: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", 0.3)

    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9196", account="901")
        async with handset(phone) as (_, closing):
            await phone.agent.attach_handset(closing, call)
        await phone.told("handset.closed", handset=closing, reason="remote")
        await phone.told("handset.detached", handset=closing, call=call, reason="closed")
        async with handset(phone) as (browser, dying):
            await phone.agent.attach_handset(dying, call)
            browser.die()
            gone = await phone.told("handset.closed", handset=dying, reason="lost", within_s=30)
            assert "does not answer" in gone["cause"]
        assert phone.agent.handsets() == []
        assert phone.agent.call(call).state == "active"

    act(scene)


def test_offers_that_are_none_and_wrong_requests(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        for offer, said in (("", "v=0"), ("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n", "no audio")):
            with pytest.raises(UsageError, match=said):
                await phone.agent.open_handset(offer)
        async with handset(phone) as (_, handset_id):
            call = await phone.connected("9196", account="901")
            with pytest.raises(NotFound):
                await phone.agent.attach_handset("h99", call)
            with pytest.raises(NotFound):
                await phone.agent.attach_handset(handset_id, "c99")
            with pytest.raises(UsageError, match="whisper"):
                await phone.agent.attach_handset(handset_id, call, "shout")  # type: ignore[arg-type]
            with pytest.raises(NotFound):
                phone.agent.detach_handset(handset_id, call)
            await phone.hung_up(call)
            with pytest.raises(Conflict):
                await phone.agent.attach_handset(handset_id, call)

    act(scene)
