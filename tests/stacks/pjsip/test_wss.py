"""The tunnel between PJSIP's TCP and a WebSocket, against a server of the websockets library."""

from __future__ import annotations

import asyncio
import http
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from softphone.stacks.pjsip.wss import Pace, Tunnel
from softphone.stacks.websocket import Endpoint, WebSocketFault
from tests.interop.peers import certificates
from tests.interop.peers.ports import free_ports

HOST = "a1b2c3d4e5f6.invalid"
ROUTE = "<sip:pbx.test:7;transport=tcp;lr;hide>"
PACE = Pace(open_s=3, ping_s=0, pong_s=8, user_agent="softphone/test")
OPTIONS = (
    b"OPTIONS sip:pbx.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:40123;rport;branch=z9hG4bK7\r\n"
    b"CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)
ANSWER = f"SIP/2.0 200 OK\r\nVia: SIP/2.0/WSS {HOST};branch=z9hG4bK7\r\nCSeq: 1 OPTIONS\r\n\r\n"
Handler = Callable[[ServerConnection], Awaitable[None]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("certificates")
    certificates.write_certificates(made, "pbx.test")
    return made


@asynccontextmanager
async def server(
    folder: Path,
    handler: Handler,
    *,
    kind: str = certificates.GOOD,
    answer: Callable[[ServerConnection, Request], Response | None] | None = None,
    protocols: list[str] | None = None,
) -> AsyncIterator[Endpoint]:
    """A WebSocket server, and where it is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{kind}.crt", folder / f"{kind}.key")
    names = ["sip"] if protocols is None else protocols
    running: Server = await serve(
        handler,
        "127.0.0.1",
        0,
        ssl=context,
        subprotocols=names or None,
        process_request=answer,
        max_size=2**20,  # type: ignore[arg-type]
    )
    async with running:
        port = next(iter(running.sockets)).getsockname()[1]
        yield Endpoint("pbx.test", "pbx.test", "127.0.0.1", port, "/", folder / "ca.crt")


class Lost:
    """What the tunnel told."""

    def __init__(self) -> None:
        self.causes: list[str] = []
        self._news = asyncio.Event()

    def __call__(self, cause: str) -> None:
        self.causes.append(cause)
        self._news.set()

    async def cause(self) -> str:
        async with asyncio.timeout(10):
            await self._news.wait()
        (cause,) = self.causes
        return cause


def run(scene: Callable[[Tunnel, Lost], Awaitable[None]], pace: Pace = PACE) -> None:
    async def act() -> None:
        lost = Lost()
        tunnel = Tunnel("901@pbx.test", HOST, ROUTE, pace, lost)
        try:
            async with asyncio.timeout(20):
                await scene(tunnel, lost)
        finally:
            await tunnel.close()

    asyncio.run(act())


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """To the end, however it comes."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


async def until_closed(ws: ServerConnection) -> None:
    await ws.wait_closed()


# ---- messages


@pytest.mark.parametrize("binary", [False, True])
def test_a_request_and_its_answer(folder: Path, binary: bool) -> None:
    heard: list[str | bytes] = []

    async def pbx(ws: ServerConnection) -> None:
        assert ws.subprotocol == "sip"
        heard.append(await ws.recv())
        await ws.send(ANSWER.encode() if binary else ANSWER)
        heard.append(await ws.recv())

    async def scene(tunnel: Tunnel, lost: Lost) -> None:
        async with server(folder, pbx) as place:
            reader, writer = await asyncio.open_connection("127.0.0.1", await tunnel.open(place))
            writer.write(OPTIONS)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert b"Via: SIP/2.0/TCP 127.0.0.1:40123;branch=z9hG4bK7\r\n" in answer
            assert b"Content-Length: 0\r\n" in answer, "a stream needs it, a frame may go without"
            writer.write(b"\r\n\r\n")
            assert await read_all(reader) == b""
            writer.close()

    run(scene)
    request, keepalive = heard
    assert isinstance(request, str), "text, as a browser's"
    assert f"Via: SIP/2.0/WSS {HOST};branch=z9hG4bK7\r\n" in request
    assert keepalive == "\r\n\r\n"


def test_bad_frames_are_dropped_one_by_one(folder: Path) -> None:
    async def pbx(ws: ServerConnection) -> None:
        await ws.recv()
        for frame in ("hello", b"\xff\x00", "\r\n\r\n", "X" * 200_000, "INVITE sip:a SIP/2.0\r\nl: 9\r\n\r\nshort"):
            await ws.send(frame)
        await ws.send(f"MESSAGE sip:901@{HOST} SIP/2.0\r\n\r\n" + "long" * 5000)
        await ws.send(ANSWER)
        await ws.wait_closed()

    async def scene(tunnel: Tunnel, lost: Lost) -> None:
        async with server(folder, pbx) as place:
            reader, writer = await asyncio.open_connection("127.0.0.1", await tunnel.open(place))
            writer.write(OPTIONS)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"SIP/2.0 200 OK")
            assert tunnel.up
            assert not lost.causes
            await tunnel.close()
            assert await read_all(reader) == b""
            writer.close()

    run(scene)


def test_a_stranger_is_refused(folder: Path) -> None:
    asks = (
        "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
        "s.sendall(b'OPTIONS sip:x SIP/2.0\\r\\n\\r\\n')\n"
        "try: print(s.recv(100))\nexcept OSError: print('reset')"
    )
    heard: list[str | bytes] = []

    async def pbx(ws: ServerConnection) -> None:
        async for frame in ws:
            heard.append(frame)

    async def scene(tunnel: Tunnel, lost: Lost) -> None:
        async with server(folder, pbx) as place:
            port = await tunnel.open(place)
            words = [sys.executable, "-c", asks, str(port)]
            other = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE)
            told, _ = await other.communicate()
            assert told.strip() in (b"b''", b"reset")
            assert tunnel.up
            await tunnel.close()

    run(scene)
    assert not heard


def test_two_who_open_it_at_once_share_it(folder: Path) -> None:
    came: list[ServerConnection] = []

    async def pbx(ws: ServerConnection) -> None:
        came.append(ws)
        await ws.wait_closed()

    async def scene(tunnel: Tunnel, lost: Lost) -> None:
        async with server(folder, pbx) as place:
            first, second = await asyncio.gather(tunnel.open(place), tunnel.open(place))
            assert first == second
            await tunnel.close()

    run(scene)
    assert len(came) == 1


# ---- the end of a WebSocket


def test_each_websocket_has_a_port_of_its_own_and_pjsip_sees_the_end_at_once(folder: Path) -> None:
    goes = asyncio.Event()

    async def pbx(ws: ServerConnection) -> None:
        if goes.is_set():
            await ws.wait_closed()
        await goes.wait()
        await ws.close(1001, "restart")

    async def scene(tunnel: Tunnel, lost: Lost) -> None:
        async with server(folder, pbx) as place:
            first = await tunnel.open(place)
            assert await tunnel.open(place) == first, "it is up already"
            reader, writer = await asyncio.open_connection("127.0.0.1", first)
            goes.set()
            assert await read_all(reader) == b""
            writer.close()
            assert await lost.cause() == "the server closed the WebSocket (code 1001: restart)"
            assert not tunnel.up
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", first)
            assert await tunnel.open(place) != first
            await tunnel.close()

    run(scene)


def test_a_cut_connection(folder: Path) -> None:
    async def pbx(ws: ServerConnection) -> None:
        ws.transport.abort()
        await ws.wait_closed()

    async def scene(tunnel: Tunnel, lost: Lost) -> None:
        async with server(folder, pbx) as place:
            await tunnel.open(place)
            assert await lost.cause() == "the connection was cut"

    run(scene)


def test_a_server_that_hangs_is_noticed_by_its_silence(folder: Path) -> None:
    mends = asyncio.Event()

    async def pbx(ws: ServerConnection) -> None:
        ws.transport.pause_reading()
        await mends.wait()
        ws.transport.abort()

    async def scene(tunnel: Tunnel, lost: Lost) -> None:
        async with server(folder, pbx) as place:
            await tunnel.open(place)
            assert "has not answered a WebSocket ping" in await lost.cause()
            mends.set()

    run(scene, replace(PACE, ping_s=0.2, pong_s=0.3))


def test_a_frame_without_measure_ends_it(folder: Path) -> None:
    async def pbx(ws: ServerConnection) -> None:
        await ws.send("X" * 400_000)
        await ws.wait_closed()

    async def scene(tunnel: Tunnel, lost: Lost) -> None:
        async with server(folder, pbx) as place:
            await tunnel.open(place)
            assert await lost.cause() == "the server sent a message longer than any SIP message"

    run(scene)


def test_what_we_close_ourselves_is_no_loss(folder: Path) -> None:
    async def scene(tunnel: Tunnel, lost: Lost) -> None:
        async with server(folder, until_closed) as place:
            reader, writer = await asyncio.open_connection("127.0.0.1", await tunnel.open(place))
            tunnel.reset()
            assert await read_all(reader) == b""
            writer.close()
            await tunnel.open(place)
            await tunnel.close()
        assert not lost.causes

    run(scene)


# ---- no WebSocket at all


def fault(
    folder: Path, place: Callable[[Endpoint], Endpoint] = lambda place: place, **options: object
) -> WebSocketFault:
    """How opening fails."""
    found: list[WebSocketFault] = []

    async def scene(tunnel: Tunnel, lost: Lost) -> None:
        async with server(folder, until_closed, **options) as made:  # type: ignore[arg-type]
            with pytest.raises(WebSocketFault) as error:
                await tunnel.open(place(made))
            found.append(error.value)

    run(scene, replace(PACE, open_s=1))
    return found[0]


@pytest.mark.parametrize(
    ("status", "cause", "advice"),
    [
        (401, "refuses the WebSocket: 401 Unauthorized", "password"),
        (403, "refuses the WebSocket: 403 Forbidden", "access lists"),
        (404, "refuses the WebSocket: 404 Not Found", "websocket_path"),
        (302, "sends us to https://elsewhere.test/, which is not followed", "configure"),
        (503, "is out of order: 503 Service Unavailable", "try again"),
        (200, "is a web page, not a WebSocket", "websocket_path"),
    ],
)
def test_http_says_why(folder: Path, status: int, cause: str, advice: str) -> None:
    def answer(ws: ServerConnection, request: Request) -> Response:
        assert request.headers["Host"].startswith("pbx.test:")
        response = ws.respond(http.HTTPStatus(status), "no\n")
        response.headers["Location"] = "https://elsewhere.test/"
        return response

    told = fault(folder, lambda place: replace(place, path="/ws"), answer=answer)
    assert cause in told.cause
    assert advice in told.advice
    assert (told.status, "/ws" in told.cause) == (status, True)


def test_a_websocket_of_another_service(folder: Path) -> None:
    assert "no subprotocol sip" in fault(folder, protocols=[]).cause


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (certificates.WRONG_HOST, "it is for another host name than pbx.test"),
        (certificates.EXPIRED, "it has expired"),
        (certificates.SELF_SIGNED, "self-signed certificate"),
    ],
)
def test_certificates_that_are_refused(folder: Path, kind: str, cause: str) -> None:
    told = fault(folder, kind=kind)
    assert told.cause.startswith("the PBX's TLS certificate was refused")
    assert cause in told.cause


def test_a_certificate_of_another_name_is_taken_where_it_is_told(folder: Path) -> None:
    async def scene(tunnel: Tunnel, lost: Lost) -> None:
        async with server(folder, until_closed, kind=certificates.WRONG_HOST) as place:
            await tunnel.open(replace(place, tls_name="other.test"))
            await tunnel.open(replace(place, verify=False))

    run(scene)


def test_nobody_listens(folder: Path) -> None:
    (port,) = free_ports(1)
    assert "nothing listens there" in fault(folder, lambda place: replace(place, port=port)).cause


def test_a_server_that_says_nothing(folder: Path) -> None:
    async def scene(tunnel: Tunnel, lost: Lost) -> None:
        silent = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        async with silent:
            port = silent.sockets[0].getsockname()[1]
            with pytest.raises(WebSocketFault, match="no WebSocket to 127.0.0.1:.* within 0.5 s"):
                await tunnel.open(Endpoint("pbx.test", "pbx.test", "127.0.0.1", port, "/", folder / "ca.crt"))

    run(scene, replace(PACE, open_s=0.5))


def test_what_speaks_no_tls(folder: Path) -> None:
    async def scene(tunnel: Tunnel, lost: Lost) -> None:
        def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.test\r\n")
            writer.close()

        mail = await asyncio.start_server(greet, "127.0.0.1", 0)
        async with mail:
            port = mail.sockets[0].getsockname()[1]
            with pytest.raises(WebSocketFault, match="the TLS handshake .* failed"):
                await tunnel.open(Endpoint("pbx.test", "pbx.test", "127.0.0.1", port, "/", folder / "ca.crt"))

    run(scene)


def test_the_proxy_of_the_environment_is_not_for_this_machine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
    monkeypatch.delenv("no_proxy", raising=False)

    async def scene(tunnel: Tunnel, lost: Lost) -> None:
        async with server(folder, until_closed) as place:
            await tunnel.open(place)
            with pytest.raises(WebSocketFault, match="nothing listens there|proxy"):
                await tunnel.open(replace(place, address="192.0.2.1"))

    run(scene)
