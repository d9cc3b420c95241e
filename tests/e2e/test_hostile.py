"""Whatever strangers send to any port: the process lives, a call that is recorded goes on, accounts stay registered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support import hostile
from tests.support.besieged import Target, besieged
from tests.support.daemon import Daemon
from tests.support.hostile import Peer, Stranger
from tests.support.procfs import figures
from tests.support.until import until

SEED = 20_260
HALF_OPEN = 300


Attack = Callable[[Target, Stranger, AsyncExitStack], Awaitable[None]]


async def noise_by_udp(target: Target, stranger: Stranger, _: AsyncExitStack) -> None:
    for number, message in enumerate(hostile.noise(SEED, 1500, stranger.address, "UDP")):
        stranger.send(message)
        if number % 20 == 0:
            await asyncio.sleep(0.005)  # so that the socket's buffer drops none of it
    stranger.send(bytes(65_507))
    stranger.send(b"\r\n" * 30_000)
    stranger.send(b"INVITE sip:901@x SIP/2.0\r\n" + b"X: y\r\n" * 9_000)


async def noise_by_tcp(target: Target, stranger: Stranger, _: AsyncExitStack) -> None:
    messages = list(hostile.noise(SEED, 80, stranger.address, "TCP"))
    messages += [
        request_of_length(stranger, text) for text in ("-5", "99999999999", "4294967296", "3", "5000", "x", "")
    ]
    messages += [bytes(200_000), b"\r\n" * 50_000, b"A" * 100_000, b"\x16\x03\x01\xff\xff", b""]
    for port in target.tcp:
        for message in messages:
            await pour(port, message)
            await asyncio.sleep(0.01)  # a full backlog costs a second


def request_of_length(stranger: Stranger, length: str) -> bytes:
    return hostile.request("INVITE", stranger.address, 1, body=hostile.SDP, length=length, transport="TCP")


async def pour(port: int, message: bytes) -> None:
    """Sends all of it on a connection of its own, which the other side may cut."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(message)
    try:
        async with asyncio.timeout(0.2):
            await writer.drain()
    except (OSError, TimeoutError):
        pass
    writer.transport.abort()


async def half_open_connections(target: Target, _: Stranger, held: AsyncExitStack) -> None:
    """They stay open while the daemon is judged: no request on one port, no handshake on the other."""
    loop = asyncio.get_running_loop()
    for number in range(HALF_OPEN):
        connecting = loop.create_connection(asyncio.Protocol, "127.0.0.1", target.tcp[number % 2])
        transport, _ = await asyncio.wait_for(connecting, 5)
        held.callback(transport.abort)
        if number % 4 == 0:
            transport.write(b"INVITE sip:901@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127"[:number])
        await asyncio.sleep(0.005)  # a full backlog costs a second
    await until(lambda: figures(target.daemon.pid).descriptors > HALF_OPEN / 2)


async def requests_out_of_dialog_and_stray_responses(target: Target, stranger: Stranger, _: AsyncExitStack) -> None:
    for method in [*hostile.METHODS, "X" * 500]:
        for to in ("", ";tag=never"):
            number = stranger.ask(method, extra="Event: presence\r\nRefer-To: <sip:x@y>\r\nRAck: 1 1 INVITE\r\n")
            message = hostile.request(method, stranger.address, 1000 + number, body=hostile.SDP)
            stranger.send(hostile.with_header(message, "To", [f"<sip:901@127.0.0.1>{to}"]))
            for status in ("100 Trying", "200 OK", "401 Unauthorized", "699 Whatever", "999 No"):
                stranger.send(hostile.as_response(message, status))
            await asyncio.sleep(0.005)
    await stranger.answered(stranger.ask("OPTIONS"))


async def headers_with_strange_values(target: Target, stranger: Stranger, _: AsyncExitStack) -> None:
    number = 5000
    for method in ("INVITE", "OPTIONS", "NOTIFY", "BYE"):
        for name in hostile.HEADERS:
            for value in hostile.VALUES:
                number += 1
                body = hostile.SDP if method == "INVITE" else ""
                message = hostile.request(method, stranger.address, number, body=body)
                stranger.send(hostile.with_header(message, name, [value] * (1 + number % 2)))
            await asyncio.sleep(0.005)
    await stranger.answered(stranger.ask("OPTIONS"))


async def broken_session_descriptions(target: Target, stranger: Stranger, _: AsyncExitStack) -> None:
    """Each gets an answer; what cannot be meant is refused."""
    for fault, rest in hostile.BROKEN_SDP.items():
        status = await stranger.answered(stranger.ask(body=hostile.SDP_HEAD + rest))
        assert status == 200 or 400 <= status < 600, fault
    for body, kind in hostile.MULTIPARTS.values():
        await stranger.answered(stranger.ask(body=body, kind=kind))
    for fault in ("port 0", "payload 300", "no media", "fax", "dynamic payload without rtpmap"):
        assert await stranger.answered(stranger.ask(body=hostile.SDP_HEAD + hostile.BROKEN_SDP[fault])) >= 400, fault


ATTACKS = [
    noise_by_udp,
    noise_by_tcp,
    half_open_connections,
    requests_out_of_dialog_and_stray_responses,
    headers_with_strange_values,
    broken_session_descriptions,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__.replace("_", " "))
def test_a_call_goes_on_under(tmp_path: Path, attack: Attack) -> None:
    async def play() -> None:
        async with AsyncExitStack() as held, besieged(tmp_path) as target:
            stranger = await Stranger.at("127.0.0.1", target.sip)
            held.callback(stranger.close)
            await attack(target, stranger, held)

    asyncio.run(play())


# ---- strangers who speak properly


def test_calls_for_nobody_here_are_refused(tmp_path: Path) -> None:
    """A scanner dials numbers at our address. The PBX itself may name us as it likes."""

    async def play() -> None:
        async with AsyncExitStack() as held, besieged(tmp_path) as target:
            scanner = await Stranger.at("127.0.0.2", target.sip)
            held.callback(scanner.close)
            for user in ("100", "0033170000000", "%00", "admin"):
                assert await scanner.answered(scanner.ask(body=hostile.SDP, user=user)) == 404, user
            assert target.daemon.all("call.incoming") == []
            assert await scanner.answered(scanner.ask(body=hostile.SDP, user="901")) == 200
            pbx = await Stranger.at("127.0.0.1", target.sip)
            held.callback(pbx.close)
            assert await pbx.answered(pbx.ask(body=hostile.SDP, user="0033170000000")) == 200
            await target.daemon.told("call.ended", count=2)

    asyncio.run(play())


def test_names_that_are_not_utf_8_are_told_to_everybody(tmp_path: Path) -> None:
    async def play() -> None:
        async with AsyncExitStack() as held, besieged(tmp_path) as target:
            stranger = await Stranger.at("127.0.0.1", target.sip)
            held.callback(stranger.close)
            number = stranger.ask(body=hostile.SDP, caller='"J\xf6rg \x1b[31m" <sip:stranger@evil.example>')
            assert await stranger.answered(number) == 200
            incoming = await target.daemon.told("call.incoming")
            assert incoming["caller_name"] == "Jörg \ufffd[31m"
            ended = await target.daemon.told("call.ended", call=incoming["call"])
            assert ended["reason"] == "remote_hangup"
            assert (await target.daemon.get(f"/v1/calls/{incoming['call']}"))["remote_name"] == "Jörg \ufffd[31m"

    asyncio.run(play())


# ---- a far end that we called


def account(folder: Path, peer: Peer, **keys: Any) -> dict[str, Any]:
    """An account at `peer` that does not register."""
    (folder / "secret").write_text("s3cret")
    (folder / "secret").chmod(0o600)
    entry = {"username": "901", "domain": "peer.test", "password": {"file": "secret"}, "transport": "udp"}
    return entry | {"registrar": f"127.0.0.1:{peer.port}", "register": False, "max_calls": 50} | keys


@pytest.mark.parametrize("srtp", ["off", "mandatory"])
def test_a_far_end_that_answers_with_rubbish(tmp_path: Path, srtp: str) -> None:
    bodies = [hostile.SDP_HEAD + rest for rest in hostile.BROKEN_SDP.values()] + ["", "\x00", "v=0", hostile.SDP]
    if srtp == "mandatory":
        bodies = [body.replace("RTP/AVP", "RTP/SAVP") for body in bodies]

    async def play() -> None:
        peer = await Peer.start("INVITE", lambda _: None)
        contact = f"Contact: <sip:peer@127.0.0.1:{peer.port}>\r\n"
        config = {"accounts": [account(tmp_path, peer, srtp=srtp)], "calls": {"drain_s": 0}}
        async with Daemon(tmp_path, config) as daemon:
            calls = []
            for number, body in enumerate(bodies):
                status = ("200 OK", "183 Session Progress", "200 OK")[number % 3]
                peer.respond = lambda text, b=body, s=status: hostile.response(text, s, body=b, contact=contact)
                asked = peer.asked
                placed = await daemon.ask("POST", "/v1/calls", {"target": "sip:peer@peer.test"})
                assert placed.status_code == 201, placed.text
                calls.append(placed.json()["id"])
                await until(lambda a=asked: peer.asked > a, every_s=0.002)
            for call in calls:
                await daemon.ask("DELETE", f"/v1/calls/{call}")
                assert (await daemon.told("call.ended", call=call))["cause"]
            assert (await daemon.get("/v1/status"))["calls"]["active"] == 0
            assert "Traceback" not in daemon.log
            assert await daemon.stop() == 0
        peer.close()

    asyncio.run(play())


# ---- a PBX that talks rubbish on the connection that we opened


class Switchboard:
    """A registrar on TCP that takes everybody, and then says what it is told to on the same connection."""

    def __init__(self) -> None:
        self.rubbish = b""
        self.registered = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                text = request.decode("latin-1").lstrip("\r\n")
                if text:
                    writer.write(hostile.response(text, "200 OK", extra="Expires: 60\r\n").encode("latin-1"))
                if text.startswith("REGISTER"):
                    self.registered += 1
                    writer.write(self.rubbish)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()


RUBBISH = {
    "nothing": b"",
    "line ends": b"\r\n" * 40_000,
    "zeros": bytes(100_000),
    "no end of headers": b"INVITE sip:901@peer.test SIP/2.0\r\n" + b"X: y\r\n" * 20_000,
    "a body without end": b"INVITE sip:901@peer.test SIP/2.0\r\nContent-Length: 4294967295\r\n\r\n" + b"x" * 50_000,
    "a negative body": b"OPTIONS sip:901@peer.test SIP/2.0\r\nContent-Length: -1\r\n\r\n" * 50,
    "half a message": b"INVITE sip:901@peer.test SIP/2.0\r\nVia: SIP/2.0/TC",
    "stray answers": hostile.as_response(hostile.request("INVITE", ("127.0.0.1", 9), 1, transport="TCP"), "200 OK")
    * 99,
    "noise": b"".join(hostile.noise(SEED, 40, ("127.0.0.1", 9), "TCP")),
}


def test_rubbish_from_the_registrar_itself(tmp_path: Path) -> None:
    """The connection is given up where nobody can tell any more where a message begins, and made anew."""

    async def play() -> None:
        board = Switchboard()
        server = await asyncio.start_server(board.serve, "127.0.0.1", 0)
        board.port = server.sockets[0].getsockname()[1]
        peer = account(tmp_path, Peer("", lambda _: None), register=True, transport="tcp")
        peer["registrar"] = f"127.0.0.1:{board.port}"
        sip = {"retry_min_s": 0.1, "retry_max_s": 0.2, "probe_s": 0.2, "probe_timeout_s": 0.5}
        async with server, Daemon(tmp_path, {"accounts": [peer], "sip": sip}) as daemon:
            for name, rubbish in RUBBISH.items():
                board.rubbish = rubbish
                count = board.registered
                await daemon.ask("POST", "/v1/accounts/901/register")
                await until(lambda n=count: board.registered > n)
                board.rubbish = b""
                await asyncio.sleep(0.1)
                assert daemon.alive, name
                await daemon.ask("POST", "/v1/accounts/901/register")
                await until(lambda n=count: board.registered > n + 1, within_s=15)
            async with asyncio.timeout(10):
                while (await daemon.get("/v1/accounts/901"))["state"] != "registered":  # noqa: ASYNC110 - it may be so already
                    await asyncio.sleep(0.02)
            assert "Traceback" not in daemon.log
            assert await daemon.stop() == 0

    asyncio.run(play())
