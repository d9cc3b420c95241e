"""SIP over WebSocket (RFC 7118): handshake, frames, registrations that live as long as the connection."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from softphone.lab import Lab, LabOptions
from tests.lab.phone import phone, sdp
from tests.lab.sound import Rtp, media_port


def in_lab(test: Callable[[Lab], Awaitable[None]], options: LabOptions | None = None) -> None:
    async def run() -> None:
        async with Lab(options) as lab:
            await test(lab)

    asyncio.run(run())


def test_register_call_and_be_called_over_the_same_socket() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901", "wss") as ua, phone(lab, "902", "tls") as other, Rtp() as a, Rtp() as b:
            await ua.register()
            await lab.wait_for("registered", extension="901", transport="wss")
            await ua.invite("9196", sdp(a.port))
            ok = await ua.expect(200)
            assert ok.contact[0].uri.parameters["transport"] == "ws"
            ua.ack(ok)
            a.send(media_port(ok.body), b"hello")
            assert (await a.receive())[12:] == b"hello"
            ua.within(ok, "BYE")
            await ua.expect(200)

            await other.invite("901", sdp(b.port))
            invite = await ua.expect("INVITE")
            assert invite.headers["Via"].startswith("SIP/2.0/WSS ")
            ua.reply(invite, 200, body=sdp(a.port))
            ack = await ua.expect("ACK")
            assert str(ack.uri) == "sip:901@f1a2.invalid;transport=ws"
            ok = await other.expect(200)
            other.ack(ok)
            b.send(media_port(ok.body), b"across")
            assert (await a.receive())[12:] == b"across"
            other.within(ok, "BYE")
            ua.reply(await ua.expect("BYE"), 200)
            await other.expect(200)
            assert set(ua.frames) == {str}
        await lab.wait_for("unregistered", extension="901", cause="connection")

    in_lab(test)


def test_binary_frames_are_a_knob_and_both_kinds_are_taken() -> None:
    async def test(lab: Lab) -> None:
        for transport, text in (("ws", True), ("wss", False)):
            async with phone(lab, "901", transport, text=text) as ua:
                await ua.register()
                assert set(ua.frames) == {bytes}

    in_lab(test, LabOptions(ws_frames="binary", sip_ws_port=0))


def test_a_message_in_two_frames_and_the_keep_alive() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901", "ws") as ua:
            assert ua._socket is not None
            whole = ua.request("OPTIONS", f"sip:{lab.domain}").decode()
            await ua._socket.send([whole[:50], whole[50:]])
            await ua.expect(200)
            await ua._socket.send("\r\n\r\n")
            assert await asyncio.wait_for(ua.raw.get(), 3) == b"\r\n"
            await ua._socket.send("no SIP at all")
            await lab.wait_for("garbage", transport="ws")
            assert await asyncio.wait_for(await ua._socket.ping(), 3) >= 0

    in_lab(test, LabOptions(sip_ws_port=0))


@pytest.mark.parametrize(
    ("path", "subprotocols", "status"), [("/", [], 400), ("/", ["chat"], 400), ("/x", ["sip"], 404)]
)
def test_other_subprotocols_and_paths_are_refused(path: str, subprotocols: list[str], status: int) -> None:
    async def test(lab: Lab) -> None:
        wanted = [Subprotocol(each) for each in subprotocols]
        context = ssl.create_default_context(cafile=str(lab.ca_file))
        with pytest.raises(InvalidStatus) as caught:
            await connect(lab.wss_url + path[1:], ssl=context, subprotocols=wanted or None, proxy=None)
        assert caught.value.response.status_code == status
        await lab.wait_for("garbage", transport="wss")

    in_lab(test)


def test_cut_connections_take_registrations_with_them() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901", "wss") as ua:
            await ua.register()
            assert lab.drop_connections() == 1
            await lab.wait_for("unregistered", extension="901", cause="connection")
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(ua._task, 3)

    in_lab(test)


def test_a_phone_that_answers_no_ping_is_cut_off() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901", "ws") as ua:
            await ua.register()
            assert ua._socket is not None
            ua._socket.transport.pause_reading()
            await lab.wait_for("connection_closed", transport="ws")
            await lab.wait_for("unregistered", extension="901", cause="connection")
            ua._socket.transport.resume_reading()

    in_lab(test, LabOptions(sip_ws_port=0, ws_ping_s=0.1))
