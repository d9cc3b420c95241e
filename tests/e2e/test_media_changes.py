"""What the far end may do to the media of a call that is up, and offers that come late or from strangers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from softphone.lab.media.srtp import SdesKey, SrtpContext
from softphone.stacks.pjsip import securing
from softphone.testing.audio import Sound, read_wav, strongest_tone, tone, write_wav
from tests.interop.peers.ports import free_port
from tests.support.far_end import Dialog, FarEnd, body_of, key_of, media_of, ready
from tests.support.phone import Phone, running

pytestmark = pytest.mark.e2e

OUR_TONE_HZ = 440
PACKETS = 25  # half a second
SUITE = "AES_CM_128_HMAC_SHA1_80"


class Scene:
    """A phone that says a tone, and the far end."""

    def __init__(self, phone: Phone, peer: FarEnd, port: int) -> None:
        self.phone, self.peer, self.port = phone, peer, port

    async def media(self, call: str, count: int) -> dict[str, Any]:
        """The `count`th word on the call's media."""
        return await self.phone.told("call.media", call=call, count=count)

    async def spoken(self, codec: str) -> bool:
        """Whether the far end hears our tone in this codec."""
        return is_tone(await self.peer.rtp.hear(codec, PACKETS), OUR_TONE_HZ)


def is_tone(sound: Sound, frequency_hz: float) -> bool:
    found = strongest_tone(sound.cut(sound.seconds / 3))
    return abs(found.frequency_hz - frequency_hz) < 5 and found.share > 0.8


@pytest.fixture
def with_peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """with_peer(play, **account settings): runs a scene with a far end."""
    monkeypatch.setenv("SECRET", "s3cret")
    write_wav(tmp_path / "tone.wav", tone(OUR_TONE_HZ, 5))

    def run(play: Callable[[Scene], Awaitable[None]], media: dict[str, Any] | None = None, **account: Any) -> None:
        async def scene() -> None:
            port = free_port()
            async with FarEnd() as peer:
                settings = {
                    "username": "901",
                    "domain": "127.0.0.1",
                    "password": {"env": "SECRET"},
                    "transport": "udp",
                    "registrar": f"127.0.0.1:{peer.port}",
                    "register": False,
                    "incoming": [{"action": "answer"}],
                    "codecs": ["opus", "g722", "pcma", "pcmu"],
                    "audio": {"file": str(tmp_path / "tone.wav"), "loop": True},
                }
                config = {"accounts": [settings | account], "sip": {"udp_port": port}, "media": media or {}}
                async with running(config, tmp_path) as phone:
                    await ready(phone)
                    await play(Scene(phone, peer, port))

        asyncio.run(scene())

    return run


# ---- codecs


def test_the_codec_changes_in_mid_call(with_peer: Any, tmp_path: Path) -> None:
    steps = [("pcmu", 600), ("pcma", 700), ("g722", 800), ("opus", 900), ("pcmu", 1000)]

    async def play(scene: Scene) -> None:
        peer, phone = scene.peer, scene.phone
        dialog, call = await peer.called(phone, peer.audio("pcmu"))
        await phone.told("call.media", call=call, active=True)
        await phone.agent.record(call, str(tmp_path / "all.wav"), mode="stereo")
        for number, (codec, frequency_hz) in enumerate(steps):
            answer = dialog.sdp if number == 0 else await dialog.reinvite(peer.audio(codec))
            assert (await scene.media(call, number + 1))["codec"].lower() == codec
            peer.rtp.speak(codec, frequency_hz, media_of(answer))
            assert await scene.spoken(codec), codec
            await asyncio.sleep(0.4)  # of the peer's tone, after all buffers
        await phone.hung_up(call)

    with_peer(play)
    recording = read_wav(tmp_path / "all.wav", channel=0)
    ends = [i * 0.2 for i in range(int(recording.seconds / 0.2))]
    heard = [strongest_tone(recording.cut(start, start + 0.2)) for start in ends]
    sure = [t.frequency_hz for t in heard if t.share > 0.8]
    order = [round(hz, -2) for hz in sure if abs(hz - round(hz, -2)) < 5]
    assert [hz for i, hz in enumerate(order) if i == 0 or hz != order[i - 1]] == [hz for _, hz in steps]


def test_strangers_among_the_codecs(with_peer: Any) -> None:
    """What nobody knows is passed over; of the rest the account's own are taken."""

    async def play(scene: Scene) -> None:
        peer = scene.peer
        known = peer.audio("pcmu", "pcma", "g722")
        strange = (
            "a=rtpmap:97 EVS/16000\r\na=fmtp:97 br=5.9-24.4\r\na=rtpmap:98 AMR-WB/16000\r\na=rtpmap:99 x-own/8000\r\n"
        )
        offer = known.replace("AVP 0 8 9", "AVP 97 98 0 8 99 9 13").replace("a=sendrecv", strange + "a=sendrecv")
        dialog = await peer.calls(scene.port, "901", offer)
        call = (await scene.phone.told("call.incoming"))["call"]
        codec = (await scene.media(call, 1))["codec"].lower()
        assert codec in ("g722", "pcma")
        assert re.search(r"m=audio \d+ RTP/AVP (.*)", dialog.sdp)[1].split()[0] in ("8", "9")  # type: ignore[index]
        assert await scene.spoken(codec)
        await dialog.bye()

    with_peer(play, codecs=["g722", "pcma"])


@pytest.mark.parametrize("codecs", [["pcma", "opus", "g722"], ["g722", "pcmu"]])
def test_an_account_offers_its_codecs_in_its_order(with_peer: Any, codecs: list[str]) -> None:
    async def play(scene: Scene) -> None:
        dialog, call = await scene.peer.called(scene.phone, scene.peer.audio(codecs[-1]))
        types = {"pcmu": "0", "pcma": "8", "g722": "9", "opus": "96"}
        offered = re.search(r"m=audio \d+ RTP/AVP (.*)\r", dialog.sdp)
        assert offered is not None
        assert offered[1].split()[: len(codecs)] == [types[codec] for codec in codecs]
        assert await scene.spoken(codecs[-1])
        await scene.phone.hung_up(call)

    with_peer(play, codecs=codecs)


@pytest.mark.parametrize(
    ("codec", "wish", "ptime_ms"),
    [
        ("pcmu", "a=ptime:30\r\n", 30),
        ("pcmu", "a=ptime:40\r\n", 40),
        ("g722", "a=ptime:40\r\n", 40),
        ("opus", "a=ptime:40\r\n", 40),
        ("pcmu", "a=maxptime:20\r\n", 20),
    ],
)
def test_packets_are_as_long_as_the_far_end_wants_them(with_peer: Any, codec: str, wish: str, ptime_ms: int) -> None:
    async def play(scene: Scene) -> None:
        peer = scene.peer
        dialog = await peer.calls(scene.port, "901", peer.audio(codec, more=wish))
        assert await scene.spoken(codec)
        stamps = sorted({packet.timestamp for packet in peer.rtp.packets})
        steps = [later - earlier for earlier, later in zip(stamps, stamps[1:], strict=False)]
        clock_hz = 48_000 if codec == "opus" else 8000
        assert sorted(steps)[len(steps) // 2] == clock_hz * ptime_ms // 1000
        await dialog.bye()

    with_peer(play)


# ---- late offers


def test_an_invite_without_an_offer(with_peer: Any) -> None:
    async def play(scene: Scene) -> None:
        peer = scene.peer
        dialog = await peer.calls(scene.port, "901", "", ack=lambda offer: peer.audio("g722"))
        assert re.search(r"m=audio \d+ RTP/AVP 96 9 8 0", dialog.sdp), dialog.sdp
        call = (await scene.phone.told("call.incoming"))["call"]
        assert (await scene.phone.told("call.media", call=call, active=True))["codec"] == "G722"
        assert await scene.spoken("g722")
        await dialog.bye()

    with_peer(play)


def test_an_invite_without_an_offer_where_encryption_is_mandatory(with_peer: Any) -> None:
    ours = SdesKey.new(SUITE)

    async def play(scene: Scene) -> None:
        peer = scene.peer

        def answer(offer: str) -> str:
            peer.rtp.hears_with = SrtpContext(key_of(offer))
            return peer.audio("pcmu", key=SdesKey(key_of(offer).tag, SUITE, ours.master))

        dialog = await peer.calls(scene.port, "901", "", ack=answer)
        assert "RTP/SAVP" in dialog.sdp
        assert await scene.spoken("pcmu")
        await dialog.bye()

    with_peer(play, srtp="mandatory", srtp_suites=[SUITE])


@pytest.mark.parametrize("holding", [False, True])
def test_a_reinvite_without_an_offer(with_peer: Any, holding: bool) -> None:
    async def play(scene: Scene) -> None:
        peer, phone = scene.peer, scene.phone
        dialog, call = await peer.called(phone, peer.audio("pcmu"))
        if holding:
            await phone.told("call.media", call=call, active=True)
            phone.agent.hold(call)
            await dialog.accept(lambda offer: peer.audio("pcmu", direction="recvonly"))
            await phone.told("call.hold", call=call, held=True)
        offer = await dialog.reinvite(
            "", ack=lambda offer: peer.audio("pcma", direction="recvonly" if holding else "sendrecv")
        )
        assert ("a=sendonly" if holding else "a=sendrecv") in offer
        assert (await phone.told("call.media", call=call, codec="PCMA"))["active"]
        assert phone.agent.call(call).held_by == (["local"] if holding else [])
        if not holding:
            assert await scene.spoken("pcma")
        await phone.hung_up(call)

    with_peer(play)


# ---- where media goes


def test_the_far_end_moves_its_media(with_peer: Any) -> None:
    async def play(scene: Scene) -> None:
        peer = scene.peer
        dialog, call = await peer.called(scene.phone, peer.audio("pcmu"))
        assert await scene.spoken("pcmu")
        elsewhere = await peer.rtp_port()
        await dialog.reinvite(peer.audio("pcmu", port=elsewhere.port))
        assert is_tone(await elsewhere.hear("pcmu", PACKETS), OUR_TONE_HZ)
        peer.rtp.packets.clear()
        await elsewhere.hear("pcmu", 10)
        assert not peer.rtp.packets
        assert scene.phone.all("call.media", call=call)[-1]["remote"] == f"127.0.0.1:{elsewhere.port}"
        await scene.phone.hung_up(call)

    with_peer(play)


# ---- encryption


def secure(scene: Scene, offer: str = "") -> tuple[str, SdesKey]:
    """The far end's SDP with a fresh key, an answer to `offer` if there is one; and that key."""
    key = SdesKey.new(SUITE, key_of(offer).tag if offer else 1)
    return scene.peer.audio("pcmu", key=key), key


async def secure_call(scene: Scene) -> tuple[Dialog, str, SdesKey]:
    """A call of the phone that is encrypted."""
    keys = []

    def answer(offer: str) -> str:
        text, key = secure(scene, offer)
        scene.peer.rtp.hears_with = SrtpContext(key_of(offer))
        keys.append(key)
        return text

    dialog, call = await scene.peer.called(scene.phone, answer)
    assert (await scene.media(call, 1))["srtp"] == SUITE
    assert await scene.spoken("pcmu")
    return dialog, call, keys[0]


async def hears(scene: Scene, call: str, tmp_path: Path, dialog: Dialog, key: SdesKey | None) -> bool:
    """Whether we hear the far end."""
    scene.peer.rtp.speak("pcmu", 800, media_of(dialog.sdp), key)
    file = tmp_path / f"heard-{len(list(tmp_path.glob('heard-*')))}.wav"
    await scene.phone.agent.record(call, str(file), mode="stereo", max_duration_s=0.9)
    await scene.phone.told("record.ended", file=str(file))
    return is_tone(read_wav(file, channel=0), 800)


def test_new_keys_by_reinvite(with_peer: Any, tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        dialog, call, key = await secure_call(scene)
        assert await hears(scene, call, tmp_path, dialog, key)
        text, fresh = secure(scene)
        answer = await dialog.reinvite(text)
        scene.peer.rtp.hears_with = SrtpContext(key_of(answer))
        assert await hears(scene, call, tmp_path, dialog, fresh)
        assert await scene.spoken("pcmu")
        assert scene.phone.agent.call(call).srtp == SUITE
        await scene.phone.hung_up(call)

    with_peer(play, srtp="mandatory", srtp_suites=[SUITE])


def test_from_encrypted_to_plain_and_back_where_encryption_is_preferred(with_peer: Any, tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        peer, phone = scene.peer, scene.phone
        dialog, call, _ = await secure_call(scene)
        await dialog.reinvite(peer.audio("pcmu"))
        peer.rtp.hears_with = None
        await phone.told("call.unencrypted", call=call)
        assert await scene.spoken("pcmu")
        assert phone.agent.call(call).srtp == ""
        assert await hears(scene, call, tmp_path, dialog, None)
        text, key = secure(scene)
        peer.rtp.hears_with = SrtpContext(key_of(await dialog.reinvite(text)))
        assert await scene.spoken("pcmu")
        assert await hears(scene, call, tmp_path, dialog, key)
        assert phone.agent.call(call).srtp == SUITE
        assert len(phone.all("call.unencrypted", call=call)) == 1
        await phone.hung_up(call)

    with_peer(play, srtp="prefer", srtp_suites=[SUITE])


def test_no_reinvite_makes_a_mandatory_call_plain(with_peer: Any, tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        peer, phone = scene.peer, scene.phone
        dialog, call, key = await secure_call(scene)
        assert await dialog.reinvite(peer.audio("pcmu")) == ""
        assert dialog.answers[-1].startswith("SIP/2.0 488")
        assert await scene.spoken("pcmu")
        assert await hears(scene, call, tmp_path, dialog, key)
        phone.agent.hold(call)
        offer = await dialog.accept(lambda offer: secure(scene, offer)[0].replace("sendrecv", "recvonly"))
        assert "RTP/SAVP" in offer
        assert key_of(offer)
        await phone.told("call.hold", call=call, held=True)
        peer.rtp.packets.clear()
        await phone.hung_up(call)
        assert all(packet.payload is not None for packet in peer.rtp.packets)

    with_peer(play, srtp="mandatory", srtp_suites=[SUITE])


ANSWERS = {
    "plain": lambda peer, offer: peer.audio("pcmu"),
    "no key": lambda peer, offer: peer.audio("pcmu", profile="RTP/SAVP"),
    "another suite": lambda peer, offer: peer.audio("pcmu", key=SdesKey.new("AES_CM_128_HMAC_SHA1_32")),
    "dtls": lambda peer, offer: peer.audio("pcmu", profile="UDP/TLS/RTP/SAVP"),
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("keying", ["sdes", "dtls"])
def test_an_answer_that_is_not_encrypted_as_offered(with_peer: Any, answer: str, keying: str) -> None:
    """The call ends, says why, and not one packet of it went out in the clear."""

    async def play(scene: Scene) -> None:
        _, call = await scene.peer.called(scene.phone, lambda offer: ANSWERS[answer](scene.peer, offer))
        ended = await scene.phone.told("call.ended", call=call)
        assert (ended["reason"], ended["by"]) == ("encryption_failed", "local"), ended
        assert "encryption" in ended["cause"]
        assert not [packet for packet in scene.peer.rtp.packets if packet.payload_type == 0]

    with_peer(play, srtp="mandatory", srtp_keying=keying, srtp_suites=[SUITE])


def forged(sdp: str) -> str:
    """The SDP of somebody in the middle, whose certificate is another."""
    return re.sub(r"(a=fingerprint:\S+ )(..)", lambda found: found[1] + ("00" if found[2] != "00" else "11"), sdp)


def test_a_certificate_that_is_not_the_one_in_the_sdp(with_peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The phone calls itself, and the SDP is changed on the way."""
    monkeypatch.setattr(securing, "HANDSHAKE_S", 0.5)

    async def play(scene: Scene) -> None:
        peer, phone = scene.peer, scene.phone
        phone.agent.dial("sip:peer@127.0.0.1")
        request = await peer.expect("INVITE ")
        back = await peer.calls(scene.port, "901", forged(body_of(request)))
        peer.answer(request, "200 OK", back.sdp, tag=";tag=middle")
        called = (await phone.told("call.incoming"))["call"]
        ended = await phone.told("call.ended", call=called)
        assert (ended["reason"], ended["by"]) == ("encryption_failed", "local"), ended
        assert "certificate" in ended["cause"] or "not encrypted as our offer" in ended["cause"]
        assert not phone.all("call.media", call=called, active=True)

    with_peer(play, srtp="mandatory", srtp_keying="dtls")


def test_a_handshake_that_does_not_come(with_peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(securing, "HANDSHAKE_S", 0.5)
    attributes = "a=setup:active\r\na=fingerprint:SHA-256 " + ":".join(["AB"] * 32) + "\r\n"

    async def play(scene: Scene) -> None:
        peer = scene.peer
        answer = peer.audio("pcmu", profile="UDP/TLS/RTP/SAVP", more=attributes)
        _, call = await peer.called(scene.phone, answer)
        ended = await scene.phone.told("call.ended", call=call)
        assert (ended["reason"], ended["by"]) == ("encryption_failed", "local"), ended
        assert "handshake" in ended["cause"]
        assert not peer.rtp.packets

    with_peer(play, srtp="mandatory", srtp_keying="dtls")
