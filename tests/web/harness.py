"""A real listener on loopback with a phone without telephony behind it, and ways to talk to it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from softphone.config.secrets import Secret
from softphone.config.web import Web
from softphone.engine.views import HandsetMode, HandsetView, ListenerView
from softphone.errors import NotFound, UsageError
from softphone.web import WebServer
from softphone.web.limits import Limits
from softphone.web.messages import SUBPROTOCOL
from tests.control.fakes import FakeAgent

TOKEN = "a token that only the test knows"
DEADLINE_S = 20.0
OFFER = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
ANSWER = "v=0\r\no=- 2 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"


class FakePhone(FakeAgent):
    """With handsets; an offer that does not begin as SDP does is refused."""

    def __init__(self) -> None:
        super().__init__()
        self.listeners: list[ListenerView] = []
        self._handsets: dict[str, HandsetView] = {}
        self.slow = asyncio.Event()
        self.slow.set()

    async def open_handset(self, offer_sdp: str, *, name: str = "") -> tuple[HandsetView, str]:
        self._note("open_handset", name)
        await self.slow.wait()
        if not offer_sdp.startswith("v=0"):
            raise UsageError("the offer is no SDP: its first line is not v=0")
        view = HandsetView(id=f"h{len(self._handsets) + 1}", name=name, state="connecting", codec="opus/48000")
        self._handsets[view.id] = view
        return view, ANSWER

    async def attach_handset(
        self, handset_id: str, call_id: str, mode: HandsetMode = "talk", *, take_over: bool = False
    ) -> HandsetView:
        self._note("attach_handset", self.handset(handset_id).id, self.call(call_id).id, mode, take_over)
        return self.handset(handset_id)

    def detach_handset(self, handset_id: str, call_id: str | None = None) -> HandsetView:
        self._note("detach_handset", handset_id, call_id)
        return self.handset(handset_id)

    async def close_handset(self, handset_id: str) -> None:
        self._note("close_handset", self.handset(handset_id).id)
        del self._handsets[handset_id]

    def handsets(self) -> list[HandsetView]:
        return list(self._handsets.values())

    def handset(self, handset_id: str) -> HandsetView:
        if handset_id not in self._handsets:
            raise NotFound(f"there is no handset {handset_id}")
        return self._handsets[handset_id]


@dataclass
class Page:
    """One open WebSocket."""

    socket: ClientConnection

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE_S):
            found: dict[str, Any] = json.loads(await self.socket.recv())
            return found

    async def until(self, type: str, **fields: Any) -> dict[str, Any]:
        """The next message of this type with these fields; others are passed over."""
        while True:
            message = await self.next()
            if message["type"] == type and all(message.get(k) == v for k, v in fields.items()):
                return message

    async def send(self, what: str, id: int = 1, **values: Any) -> dict[str, Any]:
        """The answer's result, or the error."""
        await self.socket.send(json.dumps({"id": id, "do": what, **values}))
        while True:
            message = await self.next()
            if message.get("re") == id:
                found: dict[str, Any] = message
                return found

    async def raw(self, text: str | bytes) -> dict[str, Any]:
        """Whatever comes back as an error."""
        await self.socket.send(text)
        return await self.until("error")


@dataclass
class Listening:
    """What a test holds of a running listener."""

    phone: FakePhone
    server: WebServer
    http: httpx.AsyncClient

    @property
    def url(self) -> str:
        return self.server.view().url

    @property
    def origin(self) -> str:
        return self.url.rstrip("/")

    @property
    def port(self) -> int:
        return int(self.url.rstrip("/").rpartition(":")[2])

    async def log_in(self, token: str = TOKEN) -> httpx.Response:
        return await self.http.post("/v1/login", json={"token": token})

    @asynccontextmanager
    async def page(
        self, *, bearer: str | None = TOKEN, origin: str | None = None, cookie: str | None = None, **options: Any
    ) -> AsyncIterator[Page]:
        """A WebSocket that is open."""
        headers = {"Authorization": f"Bearer {bearer}"} if bearer is not None else {}
        if cookie is not None:
            headers["Cookie"] = cookie
        address = self.url.replace("http", "ws", 1) + "v1/ws"
        options = {"subprotocols": [SUBPROTOCOL]} | options
        async with connect(address, additional_headers=headers, origin=origin, proxy=None, **options) as socket:
            yield Page(socket)

    async def exchange(self, data: bytes) -> bytes:
        """Sends bytes, and reads to the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await reader.read()
        finally:
            writer.close()


@asynccontextmanager
async def listening(
    folder: Path, *, limits: Limits | None = None, phone: FakePhone | None = None, **web: Any
) -> AsyncIterator[Listening]:
    """A listener on plain HTTP, unless `tls=True`, from here to the end of the block."""
    settings = Web.model_validate({"port": 0, "tls": False, "token": Secret(TOKEN)} | web)
    phone = phone or FakePhone()
    server = WebServer(phone, settings, folder / "web", limits=limits)
    await server.start()
    try:
        verify: ssl.SSLContext | bool = False
        if settings.tls:
            file = settings.certificate or folder / "web" / "certificate.pem"
            verify = ssl.create_default_context(cafile=str(file))
        async with httpx.AsyncClient(base_url=server.view().url, verify=verify, timeout=DEADLINE_S) as http:
            yield Listening(phone, server, http)
    finally:
        await server.stop()


def headers_of(answer: bytes) -> Mapping[str, str]:
    """The head of a raw answer; the status line is under ''."""
    lines = answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    return {"": lines[0]} | {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
