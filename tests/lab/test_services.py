"""What the PBX answers by itself: each number of the plan, heard and counted."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from softphone.lab import Lab, LabOptions
from softphone.lab.media.srtp import SdesKey, SrtpContext, SrtpError
from softphone.lab.media.tone import MELODY_HZ, TONE_HZ
from tests.lab.phone import phone, sdp
from tests.lab.sound import Rtp, fields, media_port, packet

OTHER_CODECS = """v=0
o=phone 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=video 5000 RTP/AVP 97
a=rtpmap:97 H264/90000
m=audio {port} RTP/AVP 96 9 120
a=rtpmap:96 opus/48000/2
a=fmtp:96 useinbandfec=1
a=rtpmap:120 telephone-event/48000
"""

SECURE = """v=0
o=phone 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio {port} RTP/SAVP 0 101
a=crypto:1 AEAD_AES_256_GCM inline:AAAA
a=crypto:2 {suite} inline:{key}
a=rtpmap:101 telephone-event/8000
"""


def in_lab(test: Callable[[Lab], Awaitable[None]], options: LabOptions | None = None) -> None:
    async def run() -> None:
        async with Lab(options) as lab:
            await test(lab)

    asyncio.run(run())


def ulaw(data: bytes) -> np.ndarray:
    """mu-law bytes to samples, straight from the standard's formula."""
    inverted = ~np.frombuffer(data, np.uint8)
    magnitude = (((inverted & 15).astype(int) << 3) + 132 << (inverted >> 4 & 7)) - 132
    return np.where(inverted & 128, -magnitude, magnitude)


def loudest_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * 8000 / len(samples))


def test_echo_returns_every_packet_of_any_codec_in_its_place() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua, Rtp() as rtp:
            await ua.invite("9196", sdp(rtp.port, OTHER_CODECS))
            ok = await ua.expect(200)
            ua.ack(ok)
            text = ok.body.decode()
            assert "m=video 0 RTP/AVP 97" in text
            assert "a=rtpmap:96 OPUS/48000/2\r\na=fmtp:96 useinbandfec=1" in text
            assert "a=rtpmap:120 telephone-event/48000" in text
            port = int(text.split("m=audio ")[1].split()[0])
            for number in (1, 2, 4, 5):  # 3 is lost on the way
                rtp.sequence = number
                rtp.send(port, b"frame %d" % number, pt=96, marker=number == 1)
            back = [fields(await rtp.receive()) for _ in range(4)]
            assert [each[5] for each in back] == [b"frame 1", b"frame 2", b"frame 4", b"frame 5"]
            assert [each[1] for each in back] == [True, False, False, False]
            assert {each[0] for each in back} == {96}
            assert [each[2] - back[0][2] for each in back] == [0, 1, 3, 4]
            assert [each[3] - back[0][3] for each in back] == [0, 160, 480, 640]
            assert {each[4] for each in back} != {0x1234}
            ua.within(ok, "BYE")
            await ua.expect(200)
            event = await lab.wait_for("call_ended", callee="9196", by="caller")
            assert event["rtp_received"] == 4

    in_lab(test)


def test_echo_follows_hold_and_resume() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua, Rtp() as rtp:
            await ua.invite("9196", sdp(rtp.port))
            ok = await ua.expect(200)
            ua.ack(ok)
            port = media_port(ok.body)
            ua.within(ok, "INVITE", body=sdp(rtp.port) + b"a=sendonly\r\n")
            held = await ua.expect(200)
            ua.ack(held)
            assert b"a=recvonly" in held.body
            rtp.send(port, b"nobody answers")
            with pytest.raises(TimeoutError):
                await rtp.receive(0.1)
            ua.within(ok, "UPDATE", body=sdp(rtp.port))
            assert b"a=sendrecv" in (await ua.expect(200)).body
            rtp.send(port, b"again")
            assert (await rtp.receive())[12:] == b"again"
            ua.within(ok, "BYE")
            await ua.expect(200)

    in_lab(test)


@pytest.mark.parametrize("suite", ["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"])
def test_echo_over_srtp(suite: str) -> None:
    async def test(lab: Lab) -> None:
        master = bytes(range(30))
        offer = SECURE.replace("{suite}", suite).replace("{key}", base64.b64encode(master).decode())
        async with phone(lab, "901", "tls") as ua, Rtp() as rtp:
            await ua.invite("9196", sdp(rtp.port, offer))
            ok = await ua.expect(200)
            ua.ack(ok)
            line = next(each for each in ok.body.decode().splitlines() if each.startswith("a=crypto:"))
            theirs = SdesKey.parse(line.removeprefix("a=crypto:"))
            assert theirs is not None
            assert (theirs.tag, theirs.suite) == (2, suite)
            mine, inbound = SrtpContext(SdesKey(2, suite, master)), SrtpContext(theirs)
            port = media_port(ok.body)
            rtp.transport.sendto(packet(1, b"in the clear"), ("127.0.0.1", port))
            rtp.transport.sendto(mine.protect(packet(2, b"a secret")), ("127.0.0.1", port))
            data = await rtp.receive()
            assert b"secret" not in data
            assert inbound.unprotect(data)[12:] == b"a secret"
            with pytest.raises(SrtpError):
                inbound.unprotect(data)
            event = await lab.wait_for("call_answered", callee="9196")
            assert event["srtp"]
            ua.within(ok, "BYE")
            await ua.expect(200)

    in_lab(test)


def test_tone_is_1004_hz_at_20_ms() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua, Rtp() as rtp:
            await ua.invite("9197", sdp(rtp.port))
            ok = await ua.expect(200)
            ua.ack(ok)
            began = asyncio.get_running_loop().time()
            packets = [fields(await rtp.receive()) for _ in range(50)]
            assert 0.9 < asyncio.get_running_loop().time() - began < 1.3
            assert [each[1] for each in packets] == [True] + [False] * 49
            assert {(b[2] - a[2], b[3] - a[3]) for a, b in zip(packets, packets[1:], strict=False)} == {(1, 160)}
            samples = ulaw(b"".join(each[5] for each in packets))
            assert loudest_hz(samples) == pytest.approx(TONE_HZ, abs=1)
            ua.within(ok, "BYE")
            await ua.expect(200)

    in_lab(test)


def test_announcement_hangs_up_by_itself() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua, Rtp() as rtp:
            await ua.invite("9195", sdp(rtp.port))
            ua.ack(await ua.expect(200))
            ua.reply(await ua.expect("BYE"), 200)
            notes = [ulaw((await rtp.receive())[12:]) for _ in range(40)]
            heard = [loudest_hz(np.concatenate(notes[start : start + 10])) for start in (0, 10, 20, 30)]
            assert heard == pytest.approx(MELODY_HZ, abs=10)
            await lab.wait_for("call_ended", by="pbx", cause="announcement over")

    in_lab(test)


def test_early_media_then_answer() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua, Rtp() as rtp:
            await ua.invite("9183", sdp(rtp.port))
            progress = await ua.expect(183)
            assert len(await rtp.receive()) == 172
            ok = await ua.expect(200)
            assert ok.body == progress.body
            ua.ack(ok)
            while not rtp.packets.empty():
                rtp.packets.get_nowait()
            rtp.send(media_port(ok.body), b"echo now")
            assert (await rtp.receive())[12:] == b"echo now"
            ua.within(ok, "BYE")
            await ua.expect(200)

    in_lab(test)


@pytest.mark.parametrize(("number", "code"), [("9486", 486), ("9404", 404), ("9480", 480)])
def test_refusals(number: str, code: int) -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua:
            await ua.invite(number, sdp(4000))
            if code == 480:
                await ua.expect(180)
            ua.ack(await ua.expect(code), branch=ua.branch)
            await lab.wait_for("call_ended", callee=number, code=code, by="pbx")

    in_lab(test, LabOptions(no_answer_s=0.2))


def press(rtp: Rtp, port: int, digit: int, *, timestamp: int, ends: int = 3) -> None:
    """One key press as RFC 4733 has it."""
    for n in range(1, 6):
        rtp.send(port, struct.pack("!BBH", digit, 10, n * 160), pt=101, timestamp=timestamp, marker=n == 1)
    for _ in range(ends):
        rtp.send(port, struct.pack("!BBH", digit, 0x80 | 10, 960), pt=101, timestamp=timestamp)


async def read_digits(rtp: Rtp, count: int) -> list[list[tuple[int, bool, int, int, int, bytes]]]:
    """The packets of `count` key presses, one list each."""
    events: dict[int, list[tuple[int, bool, int, int, int, bytes]]] = {}
    while len(events) < count or sum(bool(each[5][1] & 0x80) for each in list(events.values())[-1]) < 3:
        found = fields(await rtp.receive())
        assert found[0] == 101
        events.setdefault(found[3], []).append(found)
    return list(events.values())


def test_digits_are_read_back() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua, Rtp() as rtp:
            await ua.invite("9199", sdp(rtp.port))
            ok = await ua.expect(200)
            ua.ack(ok)
            port = media_port(ok.body)
            press(rtp, port, 4, timestamp=1000)
            press(rtp, port, 2, timestamp=3000, ends=0)  # every end of it got lost
            press(rtp, port, 11, timestamp=6000)  # 11 is the #
            await lab.wait_for("digits", digits="42")
            assert [each["digit"] for each in lab.events.find("digit", how="rfc4733")] == ["4", "2", "#"]
            assert lab.events.find("digit", digit="4")[0]["duration_ms"] == 120
            first, second = await read_digits(rtp, 2)
            for presses, digit in ((first, 4), (second, 2)):
                assert [each[1] for each in presses] == [True] + [False] * (len(presses) - 1)
                payloads = [struct.unpack("!BBH", each[5]) for each in presses]
                assert {each[0] for each in payloads} == {digit}
                assert [each[2] for each in payloads] == [160, 320, 480, 640, 800, 800, 800]
                assert [bool(each[1] & 0x80) for each in payloads] == [False] * 4 + [True] * 3
            ua.within(ok, "BYE")
            await ua.expect(200)

    in_lab(test)


def test_digits_by_info_are_read_back_by_info_where_there_are_no_events() -> None:
    async def test(lab: Lab) -> None:
        plain = sdp(4000).replace(b" 8 101", b"").replace(b"a=rtpmap:101 telephone-event/8000\r\n", b"")
        async with phone(lab, "901", "tcp") as ua:
            await ua.invite("9199", plain)
            ok = await ua.expect(200)
            ua.ack(ok)
            for kind, body in (
                ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n"),
                ("application/dtmf", b"#"),
            ):
                ua.within(ok, "INFO", body=body, headers={"Content-Type": kind})
                await ua.expect(200)
            event = await lab.wait_for("digit", digit="5", how="info")
            assert event["duration_ms"] == 160
            info = await ua.expect("INFO")
            assert info.body.startswith(b"Signal=5\r\n")
            ua.reply(info, 200)
            ua.within(ok, "BYE")
            await ua.expect(200)

    in_lab(test)


def test_silence_ends_the_digits_too() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua, Rtp() as rtp:
            await ua.invite("9199", sdp(rtp.port))
            ok = await ua.expect(200)
            ua.ack(ok)
            press(rtp, media_port(ok.body), 7, timestamp=1000)
            await lab.wait_for("digits", digits="7", timeout_s=5)
            ua.within(ok, "BYE")
            await ua.expect(200)

    in_lab(test)


def test_late_offer_to_a_service() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua, Rtp() as rtp:
            await ua.invite("9196", b"")
            ok = await ua.expect(200)
            assert b"a=rtpmap:0 PCMU/8000" in ok.body
            ua.ack(ok, body=sdp(rtp.port))
            await lab.wait_for("call_answered", callee="9196")
            rtp.send(media_port(ok.body), b"hello")
            assert (await rtp.receive())[12:] == b"hello"
            ua.within(ok, "BYE")
            await ua.expect(200)

    in_lab(test)


def test_rtcp_tells_loss_and_round_trip() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua, Rtp() as rtp, Rtp() as rtcp:
            offer = sdp(rtp.port) + f"a=rtcp:{rtcp.port}\r\n".encode()
            await ua.invite("9196", offer)
            ok = await ua.expect(200)
            ua.ack(ok)
            port = media_port(ok.body)
            for number in (1, 2, 4, 5):
                rtp.sequence = number
                rtp.send(port, bytes(160))
            sender_report = struct.pack("!BBHIIIIII", 0x80, 200, 6, 0x1234, 0xAAAA1111, 0x22223333, 0, 4, 640)
            rtcp.transport.sendto(sender_report, ("127.0.0.1", port + 1))
            report = await rtcp.receive(3)
            first, kind, _, _, _, _, _, packets, octets = struct.unpack_from("!BBHIIIIII", report)
            assert (first & 31, kind, packets, octets) == (1, 200, 4, 640)
            ssrc, loss, highest, _, last, delay = struct.unpack_from("!IIIIII", report, 28)
            assert (ssrc, loss & 0xFFFFFF, highest, last) == (0x1234, 1, 5, 0x11112222)
            assert loss >> 24 == 256 // 5
            assert 0.5 < delay / 65536 < 2
            ua.within(ok, "BYE")
            await ua.expect(200)
            assert (await rtcp.receive(3))[-8:-6] == b"\x81\xcb"  # goodbye

    in_lab(test)


def test_the_pbx_calls_with_srtp() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901", "tls") as ua, Rtp() as rtp:
            await ua.register()
            lab.call("901", "9197", srtp=True)
            invite = await ua.expect("INVITE")
            text = invite.body.decode()
            assert "RTP/SAVP 0 8 101" in text
            line = next(each for each in text.splitlines() if each.startswith("a=crypto:"))
            theirs = SdesKey.parse(line.removeprefix("a=crypto:"))
            assert theirs is not None
            key = base64.b64encode(bytes(range(30))).decode()
            answer = SECURE.replace("{suite}", theirs.suite).replace("{key}", key)
            ua.reply(invite, 200, body=sdp(rtp.port, answer))
            await ua.expect("ACK")
            assert len(SrtpContext(theirs).unprotect(await rtp.receive())) == 172
            await lab.wait_for("call_answered", callee="901", srtp=True)
            ua.within_theirs(invite, "BYE")
            await ua.expect(200)

    in_lab(test)
