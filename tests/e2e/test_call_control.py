"""Hold, mute, conferences, transfer, redirect and do-not-disturb against the lab, proven by what is heard."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from softphone.errors import Conflict, NotFound, UsageError
from softphone.lab import Lab, LabOptions
from softphone.lab.sip.sdp import Session
from softphone.testing.audio import Sound, level_dbfs, read_wav, strongest_tone, tone, write_wav
from tests.e2e.conftest import OVER
from tests.support.phone import Phone

THEM, US = 0, 1
# Tones: what jitter buffers do to speech on a busy machine spares them
SAID_HZ, MUSIC_HZ, OURS_HZ = 600.0, 440.0, 850.0
QUIET_DBFS = -60.0
ANSWER = [{"from": "*", "action": "answer"}]
TRIO = ("901", "902", "903")


@pytest.fixture
def prompt(tmp_path: Path) -> Path:
    path = tmp_path / "prompt.wav"
    write_wav(path, tone(SAID_HZ, 1.5))
    return path


async def pair(phone: Phone, caller: str = "901", callee: str = "902") -> tuple[str, str]:
    """Two of our extensions talk to each other through the lab: (the caller's call, the callee's)."""
    before = {e["call"] for e in phone.all("call.incoming")}
    out = await phone.connected(callee, account=caller)
    came = next(e["call"] for e in phone.all("call.incoming") if e["call"] not in before)
    await phone.told("call.answered", call=came)
    await phone.told("call.media", call=came, active=True)
    return out, came


class Ear:
    """What calls hear while one of them says the prompt."""

    def __init__(self, phone: Phone, folder: Path, prompt: Path) -> None:
        self._phone, self._folder, self._prompt = phone, folder, prompt
        self._count = 0

    async def hear(self, said_by: str, *listeners: str) -> list[bool]:
        """`said_by` plays the prompt to its far end; whether each of `listeners` hears it. Half of it fails."""
        self._count += 1
        agent = self._phone.agent
        files = {call: self._folder / f"{self._count}-{call}.wav" for call in listeners}
        records = {call: await agent.record(call, str(file), mode="stereo") for call, file in files.items()}
        play = await agent.play(said_by, str(self._prompt))
        await self._phone.told("play.ended", play=play)
        await self._still()
        for call, record in records.items():
            await agent.stop_record(call, record)
        return [sounds(read_wav(file, THEM), SAID_HZ) for file in files.values()]

    async def _still(self) -> None:
        """Until what is on its way has arrived: as long as one more short play takes in a recording of its own."""
        agent = self._phone.agent
        call = next(c.id for c in agent.calls() if c.state == "active")
        record = await agent.record(call, str(self._folder / f"{self._count}-rest.wav"), max_duration_s=0.5)
        await self._phone.told("record.ended", record=record)

    async def level(self, call: str, channel: int, seconds: float = 0.8) -> float:
        """How loud one side of a call is, in dBFS."""
        self._count += 1
        file = self._folder / f"{self._count}-level.wav"
        record = await self._phone.agent.record(call, str(file), mode="stereo", max_duration_s=seconds)
        await self._phone.told("record.ended", record=record)
        return level_dbfs(read_wav(file, channel))


def sounds(recording: Sound, frequency_hz: float) -> bool:
    """Whether this tone, and nothing else, is in the recording; False for silence. Anything between fails.

    A single frame does not count: seldom a recording has 20 ms of what another port of the mixer just said. It lies on
    the recording's own frame border and begins with the tone's first sample, so it did not come by way of a codec.
    PJSIP's bridge reads all ports into one buffer; that a port leaves there what it found is likely, not proven.
    """
    frames = [recording.cut(i * 0.02, (i + 1) * 0.02) for i in range(int(recording.seconds / 0.02))]
    if sum(level_dbfs(frame) > QUIET_DBFS for frame in frames) <= 1:
        return False
    found = strongest_tone(recording)
    assert found.frequency_hz == pytest.approx(frequency_hz, abs=10), found
    assert found.share > 0.5, found
    return True


async def held(phone: Phone, call: str, on: bool, by: str = "local") -> None:
    """Holds or resumes and waits until it is told."""
    count = len(phone.all("call.hold", call=call, by=by, held=on)) + 1
    if by == "local":
        (phone.agent.hold if on else phone.agent.resume)(call)
    await phone.told("call.hold", call=call, by=by, held=on, count=count)


# ---- hold


@pytest.mark.parametrize(("codecs", "srtp"), [(["opus"], "off"), (["pcmu"], "off"), (["g722"], "mandatory")])
def test_hold_and_resume(act: Any, prompt: Path, tmp_path: Path, codecs: list[str], srtp: str) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        ear = Ear(phone, tmp_path, prompt)
        mine, theirs = await pair(phone)
        await held(phone, mine, True)
        await phone.told("call.hold", call=theirs, by="remote", held=True)
        assert (phone.agent.call(mine).held_by, phone.agent.call(theirs).held_by) == (["local"], ["remote"])
        assert phone.agent.call(mine).direction_media == "sendonly"
        assert await ear.hear(mine, theirs) == [False]
        assert await ear.hear(theirs, mine) == [False]
        await held(phone, mine, False)
        await phone.told("call.hold", call=theirs, by="remote", held=False)
        assert phone.agent.call(mine).held_by == phone.agent.call(theirs).held_by == []
        assert all(await ear.hear(mine, theirs))
        assert all(await ear.hear(theirs, mine))

    act(scene, incoming=ANSWER, codecs=codecs, srtp=srtp)


def test_both_sides_hold(act: Any, prompt: Path, tmp_path: Path) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        ear = Ear(phone, tmp_path, prompt)
        mine, theirs = await pair(phone)
        await held(phone, mine, True)
        await phone.told("call.hold", call=theirs, by="remote", held=True)
        await held(phone, theirs, True)
        assert phone.agent.call(theirs).held_by == ["local", "remote"]
        await held(phone, mine, False)
        await phone.told("call.hold", call=mine, by="remote", held=True)
        await held(phone, theirs, False)
        await phone.told("call.hold", call=mine, by="remote", held=False)
        assert phone.agent.call(mine).held_by == phone.agent.call(theirs).held_by == []
        assert all(await ear.hear(mine, theirs))
        assert all(await ear.hear(theirs, mine))

    act(scene, incoming=ANSWER)


@OVER
def test_the_far_end_hears_music_while_it_is_held(act: Any, prompt: Path, tmp_path: Path) -> None:
    music = tmp_path / "music.wav"
    write_wav(music, tone(MUSIC_HZ, 1.0))

    async def scene(lab: Lab, phone: Phone) -> None:
        ear = Ear(phone, tmp_path, prompt)
        mine, theirs = await pair(phone)
        for _ in range(2):
            await held(phone, mine, True)
            file = tmp_path / "held.wav"
            record = await phone.agent.record(theirs, str(file), mode="stereo", overwrite=True, max_duration_s=2.5)
            await phone.told("record.ended", record=record)
            assert sounds(read_wav(file, THEM).cut(1.0), MUSIC_HZ)
            await held(phone, mine, False)
            await phone.told("call.media", call=theirs, direction="sendrecv")
            await ear.level(theirs, THEM, 0.5)  # the jitter buffer
            assert await ear.level(theirs, THEM) < QUIET_DBFS
        assert all(await ear.hear(mine, theirs))

    act(scene, incoming=ANSWER, calls={"hold_music": str(music)})


def test_what_plays_during_a_hold_is_not_heard_and_goes_on_after_it(act: Any, tmp_path: Path) -> None:
    long = tmp_path / "long.wav"
    write_wav(long, tone(OURS_HZ, 30))

    async def scene(lab: Lab, phone: Phone) -> None:
        mine, theirs = await pair(phone)
        ear = Ear(phone, tmp_path, long)
        await phone.agent.play(mine, str(long))
        assert await ear.level(theirs, THEM) > QUIET_DBFS
        await held(phone, mine, True)
        await phone.told("call.hold", call=theirs, by="remote", held=True)
        await ear.level(theirs, THEM, 0.5)
        assert await ear.level(theirs, THEM) < QUIET_DBFS
        await held(phone, mine, False)
        await ear.level(theirs, THEM, 0.5)
        assert await ear.level(theirs, THEM) > QUIET_DBFS

    act(scene, incoming=ANSWER)


@OVER
def test_holding_what_cannot_be_held(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        ringing = phone.agent.dial("9480", account="901")
        with pytest.raises(Conflict, match="must be active to hold"):
            phone.agent.hold(ringing.id)
        call = await phone.connected("9196", account="901")
        phone.agent.resume(call)  # it is not held: nothing happens
        phone.agent.hold(call)
        with pytest.raises(Conflict, match="just being held"):
            phone.agent.resume(call)
        await phone.told("call.hold", call=call, held=True)
        assert len(phone.all("call.hold", call=call)) == 1
        assert (await phone.hung_up(call))["reason"] == "local_hangup"

    act(scene)


@OVER
def test_holding_and_resuming_many_times(act: Any, prompt: Path, tmp_path: Path) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        mine, theirs = await pair(phone)
        for _ in range(10):
            await held(phone, mine, True)
            await held(phone, mine, False)
        assert all(await Ear(phone, tmp_path, prompt).hear(mine, theirs))

    act(scene, incoming=ANSWER)


SDP = """v=0\r
o=lab 1 {version} IN IP4 127.0.0.1\r
s=-\r
c=IN IP4 127.0.0.1\r
t=0 0\r
m=audio {port} RTP/AVP 0\r
a={direction}\r
"""


def test_a_reinvite_without_sdp_is_answered_as_the_hold_stands(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9196", account="901")
        [leg] = lab.switch.endpoint._legs.values()

        async def asked(version: int, direction: str) -> str:
            """A late offer: the 200 has the phone's, the ACK our answer."""
            await asyncio.gather(*(each.acked for each in leg._invites.values()))  # else it is a 491
            response, invite = await leg.reinvite()
            assert invite is not None, response.code
            offer = Session.parse(response.body)
            body = SDP.format(version=version, port=offer.audio().port + 1000, direction=direction)
            leg.ack(invite, body.encode())
            return offer.direction(offer.audio())

        assert await asked(2, "sendrecv") == "sendrecv"
        await held(phone, call, True)
        assert await asked(3, "recvonly") == "sendonly"
        await phone.told("call.media", call=call, direction="sendonly", count=2)
        assert phone.agent.call(call).held_by == ["local"]
        await held(phone, call, False)
        assert await asked(4, "sendonly") == "sendrecv"
        await phone.told("call.hold", call=call, by="remote", held=True)
        assert phone.agent.call(call).direction_media == "recvonly"
        assert await asked(5, "sendrecv") == "sendrecv"
        await phone.told("call.hold", call=call, by="remote", held=False)

    act(scene, extensions=("901",), codecs=["pcmu"])


# ---- mute


@OVER
def test_mute_silences_everything_and_survives_a_hold(act: Any, prompt: Path, tmp_path: Path) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        ear = Ear(phone, tmp_path, prompt)
        mine, theirs = await pair(phone)
        phone.agent.mute(mine)
        phone.agent.mute(mine)
        assert len(phone.all("call.muted", call=mine, muted=True)) == 1
        assert phone.agent.call(mine).muted
        assert await ear.hear(mine, theirs) == [False]
        assert all(await ear.hear(theirs, mine))
        await held(phone, mine, True)
        await held(phone, mine, False)
        assert await ear.hear(mine, theirs) == [False]
        phone.agent.unmute(mine)
        assert phone.all("call.muted", call=mine, muted=False)
        assert all(await ear.hear(mine, theirs))

    act(scene, incoming=ANSWER)


# ---- conferences


@OVER
def test_three_calls_in_a_conference_hear_each_other(act: Any, prompt: Path, tmp_path: Path) -> None:
    """901 has a call to each of 902, 903 and 904 and merges them: what one of these says the others hear."""

    async def scene(lab: Lab, phone: Phone) -> None:
        ear = Ear(phone, tmp_path, prompt)
        legs = [await pair(phone, "901", callee) for callee in ("902", "903", "904")]
        hubs, ends = [a for a, _ in legs], [b for _, b in legs]
        made = phone.agent.start_conference(hubs[:2])
        assert (made.calls, made.local) == (hubs[:2], True)
        assert phone.agent.add_to_conference(made.id, hubs[2]).calls == hubs
        assert {phone.agent.call(call).conference for call in hubs} == {made.id}
        first, second, third = ends
        assert all(await ear.hear(first, second, third))
        assert all(await ear.hear(third, first, second))
        await held(phone, hubs[1], True)
        assert await ear.hear(first, second, third) == [False, True]
        await held(phone, hubs[1], False)
        assert all(await ear.hear(first, second, third))
        phone.agent.remove_from_conference(made.id, hubs[1])
        assert await ear.hear(first, second, third) == [False, True]
        phone.agent.end_conference(made.id)
        assert await ear.hear(first, second, third) == [False, False]
        assert phone.agent.conferences() == []
        assert all(phone.agent.call(call).state == "active" for call in hubs)

    act(scene, extensions=("901", "902", "903", "904"), incoming=ANSWER)


@OVER
def test_a_member_that_hangs_up_leaves_and_the_last_one_ends_the_conference(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        calls = [await phone.connected("9196", account="901") for _ in range(3)]
        made = phone.agent.start_conference(calls)
        await phone.hung_up(calls[0])
        assert phone.agent.conference(made.id).calls == calls[1:]
        assert phone.all("conference.changed", conference=made.id, calls=calls[1:])
        await phone.hung_up(calls[1])
        assert phone.all("conference.ended", conference=made.id, calls=calls[2:])
        assert phone.agent.call(calls[2]).conference is None
        with pytest.raises(NotFound, match=made.id):
            phone.agent.conference(made.id)

    act(scene, extensions=("901",))


@OVER
def test_a_bridge_leaves_our_own_sound_out(act: Any, tmp_path: Path) -> None:
    """Both calls have a file as our side; while we are out, each hears the other's far end and no file."""
    ours = tmp_path / "ours.wav"
    write_wav(ours, tone(OURS_HZ, 3))
    route = {"file": str(ours), "loop": True}

    async def scene(lab: Lab, phone: Phone) -> None:
        ear = Ear(phone, tmp_path, ours)
        calls = [await phone.connected("9199", account="901") for _ in "ab"]
        assert min([await ear.level(call, US) for call in calls]) > QUIET_DBFS
        made = phone.agent.start_conference(calls, local=False)
        await ear.level(calls[0], US, 0.5)
        assert max([await ear.level(call, US) for call in calls]) < QUIET_DBFS
        assert phone.agent.set_conference_local(made.id, True).local
        assert min([await ear.level(call, US) for call in calls]) > QUIET_DBFS

    act(scene, extensions=("901",), audio=route)


@OVER
def test_what_cannot_be_merged(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        one, two, three = [await phone.connected("9196", account="901") for _ in range(3)]
        ringing = phone.agent.dial("9480", account="901").id
        with pytest.raises(UsageError, match="two calls"):
            phone.agent.start_conference([one, one])
        with pytest.raises(Conflict, match="must be active"):
            phone.agent.start_conference([one, ringing])
        made = phone.agent.start_conference([one, two])
        with pytest.raises(Conflict, match="already"):
            phone.agent.start_conference([two, three])
        with pytest.raises(NotFound, match="not in conference"):
            phone.agent.remove_from_conference(made.id, three)
        assert phone.agent.conferences() == [made]

    act(scene, extensions=("901",))


# ---- elsewhere


@OVER
def test_a_transfer_that_is_refused_leaves_the_call_as_it_was(act: Any, prompt: Path, tmp_path: Path) -> None:
    """This PBX knows no REFER: 501."""

    async def scene(lab: Lab, phone: Phone) -> None:
        mine, theirs = await pair(phone)
        other, _ = await pair(phone, "901", "903")
        phone.agent.transfer(mine, "904", headers={"X-Queue": "7"})
        with pytest.raises(Conflict, match=r"transferred to sip:904@.* already"):
            phone.agent.transfer(mine, "905")
        failed = await phone.told("call.transfer", call=mine, state="failed")
        assert (failed["code"], failed["target"]) == (501, f"sip:904@{lab.domain}")
        phone.agent.transfer_to(mine, other)
        failed = await phone.told("call.transfer", call=mine, state="failed", count=2)
        assert (failed["code"], failed["consulted"]) == (501, other)
        assert {phone.agent.call(call).state for call in (mine, other)} == {"active"}
        assert all(await Ear(phone, tmp_path, prompt).hear(mine, theirs))
        assert (await phone.hung_up(mine))["reason"] == "local_hangup"
        with pytest.raises(UsageError, match="Refer-To"):
            phone.agent.transfer(other, "904", headers={"Refer-To": "sip:evil@evil.test"})
        with pytest.raises(Conflict, match="itself"):
            phone.agent.transfer_to(other, other)

    act(scene, extensions=TRIO, incoming=ANSWER, lab=LabOptions(refer=False))


@OVER
def test_a_blind_transfer(act: Any, prompt: Path, tmp_path: Path) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        mine, theirs = await pair(phone)
        phone.agent.transfer(mine, "903")
        await phone.told("call.transfer", call=mine, state="done")
        assert (await phone.told("call.ended", call=mine))["reason"] == "transferred"
        third = (await phone.told("call.incoming", account=f"903@{lab.domain}"))["call"]
        await phone.told("call.media", call=third, active=True)
        ear = Ear(phone, tmp_path, prompt)
        assert all(await ear.hear(theirs, third))
        assert all(await ear.hear(third, theirs))

    act(scene, extensions=TRIO, incoming=ANSWER)


def test_an_attended_transfer(act: Any, prompt: Path, tmp_path: Path) -> None:
    """902 calls 901, who asks 903 while 902 is held, and then connects the two."""

    async def scene(lab: Lab, phone: Phone) -> None:
        theirs, mine = await pair(phone, "902", "901")
        phone.agent.hold(mine)
        await phone.told("call.hold", call=mine, by="local", held=True)
        consulting, third = await pair(phone, "901", "903")
        phone.agent.transfer_to(mine, consulting)
        done = await phone.told("call.transfer", call=mine, state="done")
        assert done["consulted"] == consulting
        ended = [await phone.told("call.ended", call=call) for call in (mine, consulting)]
        assert {each["reason"] for each in ended} == {"transferred"}
        await phone.told("call.hold", call=theirs, by="remote", held=False)
        for call in (theirs, third):  # the PBX offers each of them its own end
            await phone.told("call.media", call=call, active=True, count=2)
        ear = Ear(phone, tmp_path, prompt)
        assert all(await ear.hear(theirs, third))
        assert all(await ear.hear(third, theirs))

    act(scene, extensions=TRIO, incoming=ANSWER)


@OVER
def test_do_not_disturb(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        phone.agent.set_dnd("902", True)
        assert phone.all("account.dnd", account=f"902@{lab.domain}", on=True, code=480)
        assert phone.agent.account("902").dnd
        refused = phone.agent.dial("902", account="901")
        assert (await phone.told("call.ended", call=refused.id))["code"] == 480
        phone.agent.set_dnd("902", False)
        await phone.connected("902", account="901")

    act(scene, incoming=ANSWER, dnd_code=480)


@pytest.mark.parametrize("follow", [True, False])
def test_an_incoming_call_is_redirected(act: Any, follow: bool) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        out = phone.agent.dial("902", account="901")
        came = await phone.told("call.incoming", account=f"902@{lab.domain}")
        with pytest.raises(Conflict, match="outgoing"):
            phone.agent.redirect(out.id, "903")
        phone.agent.redirect(came["call"], "903")
        ended = await phone.told("call.ended", call=came["call"])
        assert (ended["reason"], ended["by"], ended["code"]) == ("redirected", "local", 302)
        if not follow:
            ended = await phone.told("call.ended", call=out.id)
            assert (ended["reason"], ended["by"], ended["code"]) == ("redirected", "remote", 302)
            return
        assert (await phone.told("call.redirected", call=out.id))["target"] == f"sip:903@{lab.domain}"
        second = await phone.told("call.incoming", account=f"903@{lab.domain}")
        phone.agent.answer(second["call"])
        await phone.told("call.answered", call=out.id)
        assert (await phone.hung_up(out.id))["reason"] == "local_hangup"

    act(scene, extensions=TRIO, calls={"follow_redirects": follow})


def test_a_circle_of_redirects_ends(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        out = phone.agent.dial("902", account="901")
        first = await phone.told("call.incoming", account=f"902@{lab.domain}")
        phone.agent.redirect(first["call"], "903")
        second = await phone.told("call.incoming", account=f"903@{lab.domain}")
        phone.agent.redirect(second["call"], "902")
        ended = await phone.told("call.ended", call=out.id)
        assert (ended["reason"], ended["code"]) == ("redirected", 302)
        assert len(phone.all("call.redirected")) == 1

    act(scene, extensions=TRIO, calls={"follow_redirects": True})
