"""The voice menu and voicemail: what is heard, what digits do, what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from softphone.lab import Lab, LabOptions
from softphone.lab.media import g711
from softphone.lab.media.prompts import BEEP_HZ, PHRASES
from softphone.lab.media.tone import TONE_HZ, tone
from tests.lab.phone import Phone, phone, sdp
from tests.lab.sound import Rtp, fields, media_port
from tests.lab.test_services import loudest_hz, ulaw

NOTE_PACKETS = 8
SPOKEN = g711.encode("PCMU", tone(770, 1000))


def in_lab(test: Callable[[Lab], Awaitable[None]], options: LabOptions | None = None) -> None:
    async def run() -> None:
        async with Lab(options) as lab:
            await test(lab)

    asyncio.run(run())


async def call(ua: Phone, number: str, rtp: Rtp) -> Any:
    await ua.invite(number, sdp(rtp.port))
    ok = await ua.expect(200)
    ua.ack(ok)
    return ok


def press(ua: Phone, ok: Any, digits: str) -> None:
    for digit in digits:
        body = f"Signal={digit}\r\nDuration=100\r\n".encode()
        ua.within(ok, "INFO", body=body, headers={"Content-Type": "application/dtmf-relay"})


async def hear(rtp: Rtp, wanted_hz: float) -> None:
    """Until a note of that frequency comes."""
    heard: list[np.ndarray] = []
    async with asyncio.timeout(12):
        while len(heard) < 4 or abs(loudest_hz(np.concatenate(heard[-4:])) - wanted_hz) > 25:
            heard.append(ulaw(fields(await rtp.receive(10))[5]).astype(float))


def note(name: str) -> int:
    return PHRASES[name][0]


def test_two_levels_and_back_and_a_service() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua, Rtp() as rtp:
            ok = await call(ua, "9300", rtp)
            await hear(rtp, note("main menu"))
            press(ua, ok, "2")
            await hear(rtp, note("departments"))
            press(ua, ok, "7")
            await hear(rtp, note("invalid"))
            press(ua, ok, "*")
            await hear(rtp, note("main menu"))
            press(ua, ok, "22")
            await lab.wait_for("menu", menu="departments", digits="9197", result="transfer")
            await hear(rtp, TONE_HZ)
            told = [(each["menu"], each["digits"], each["result"]) for each in lab.events.find("menu")]
            assert told == [
                ("main", "2", "menu"),
                ("departments", "7", "invalid"),
                ("departments", "*", "back"),
                ("main", "2", "menu"),
                ("departments", "2", "dial"),
                ("departments", "9197", "transfer"),
            ]
            ua.within(ok, "BYE")
            await lab.wait_for("call_ended", by="caller")

    in_lab(test)


def test_a_number_is_asked_for_and_connected() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua, phone(lab, "902") as other, Rtp() as rtp, Rtp() as theirs:
            await other.register()
            ok = await call(ua, "9300", rtp)
            press(ua, ok, "1903#")
            await lab.wait_for("menu", digits="903", result="transfer")
            await hear(rtp, note("unavailable"))
            press(ua, ok, "0")
            invite = await other.expect("INVITE")
            assert invite.from_address.uri.user == "901"
            other.reply(invite, 200, body=sdp(theirs.port))
            await other.expect("ACK")
            async with asyncio.timeout(5):
                while theirs.packets.empty():
                    rtp.send(media_port(ok.body), b"hello")
                    await asyncio.sleep(0.02)
            assert (await theirs.receive())[12:] == b"hello"
            other.within_theirs(invite, "BYE")
            await other.expect(200)
            ua.reply(await ua.expect("BYE"), 200)
            await lab.wait_for("call_ended", callee="9300")

    in_lab(test)


def test_three_failures_end_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softphone.lab.ivr.INPUT_S", 0.05)

    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua, Rtp() as rtp:
            ok = await call(ua, "9300", rtp)
            await hear(rtp, note("goodbye"))
            ua.reply(await ua.expect("BYE", timeout_s=5), 200)
            assert [each["result"] for each in lab.events.find("menu")] == ["no input"] * 3
            await lab.wait_for("call_ended", by="pbx", cause="menu over")
            assert ok.code == 200

    in_lab(test)


async def speak(rtp: Rtp, port: int) -> None:
    for start in range(0, 8000, 160):
        rtp.send(port, SPOKEN[start : start + 160])
    await asyncio.sleep(0.05)


async def own_message(lab: Lab, ua: Phone, rtp: Rtp) -> Any:
    ok = await call(ua, "9310", rtp)
    await hear(rtp, note("greeting"))
    await hear(rtp, BEEP_HZ)
    await lab.wait_for("voicemail_recording", extension="901")
    await speak(rtp, media_port(ok.body))
    return ok


def test_a_message_is_left_and_heard_and_deleted() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901", "tls") as ua, Rtp() as rtp:
            await ua.register()
            ok = await own_message(lab, ua, rtp)
            press(ua, ok, "#")
            left = await lab.wait_for("voicemail_left", extension="901", ended_by="#")
            assert left["duration_s"] == pytest.approx(1.0, abs=0.1)
            notify = await ua.expect("NOTIFY")
            ua.reply(notify, 200)
            assert notify.headers["Event"] == "message-summary"
            assert b"Messages-Waiting: yes" in notify.body
            ua.reply(await ua.expect("BYE", timeout_s=5), 200)

            ok = await call(ua, "9311", rtp)
            await hear(rtp, note("message"))
            await hear(rtp, 770)
            press(ua, ok, "7")
            await hear(rtp, note("no messages"))
            notify = await ua.expect("NOTIFY")
            ua.reply(notify, 200)
            assert b"Messages-Waiting: no" in notify.body
            ua.reply(await ua.expect("BYE", timeout_s=5), 200)
            assert lab.switch.mailboxes.of(lab.domain, "901") == []

    in_lab(test, LabOptions(mwi=True))


@pytest.mark.parametrize("end", ["silence", "hang up"])
def test_silence_or_hanging_up_ends_a_message(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setattr("softphone.lab.voicemail.SILENCE_S", 0.5 if end == "silence" else 10.0)

    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua, Rtp() as rtp:
            ok = await own_message(lab, ua, rtp)
            if end == "hang up":
                ua.within(ok, "BYE")
            await lab.wait_for("voicemail_left", extension="901", ended_by=end)
            if end == "silence":
                ua.reply(await ua.expect("BYE", timeout_s=5), 200)
            await lab.wait_for("call_ended")

    in_lab(test)


def test_who_does_not_answer_has_a_mailbox() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua, phone(lab, "902") as other, Rtp() as rtp:
            await other.register()
            await ua.invite("902", sdp(rtp.port))
            other.reply(await other.expect("INVITE"), 486)
            await other.expect("ACK")
            ok = await ua.expect(200)
            ua.ack(ok)
            await hear(rtp, BEEP_HZ)
            await lab.wait_for("voicemail_recording", extension="902")
            await speak(rtp, media_port(ok.body))
            ua.within(ok, "BYE")
            left = await lab.wait_for("voicemail_left", extension="902", caller="901")
            assert left["duration_s"] > 0.5
            await lab.wait_for("call_ended", callee="902")

    in_lab(test, LabOptions(voicemail=True))
