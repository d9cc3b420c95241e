"""Keep-alive as `sip.keepalive_s` says, seen from the registrar's end of the connection."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.phone import running

pytestmark = pytest.mark.e2e

PING = b"\r\n\r\n"  # RFC 5626 section 3.5.1
DEADLINE_S = 15


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIP_SECRET", "secret")


async def after_register(folder: Path, keepalive_s: float, listen: Any) -> Any:
    """Lets a phone connect to a registrar that says nothing; returns what `listen(reader)` makes of the rest."""
    heard: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def registrar(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(PING)  # the end of REGISTER's header
        if not heard.done():
            heard.set_result(await listen(reader))
        writer.close()

    server = await asyncio.start_server(registrar, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    account = {
        "username": "901",
        "password": {"env": "SIP_SECRET"},
        "domain": "127.0.0.1",
        "port": port,
        "transport": "tcp",
    }
    async with server, running({"accounts": [account], "sip": {"keepalive_s": keepalive_s}}, folder):
        return await asyncio.wait_for(heard, DEADLINE_S)


@pytest.mark.parametrize("keepalive_s", [1, 0.3])
def test_an_idle_connection_is_kept_alive(tmp_path: Path, keepalive_s: float) -> None:
    """PJSIP counts whole seconds: a fraction is rounded up."""

    async def pings(reader: asyncio.StreamReader) -> list[float]:
        times = [time.monotonic()]
        for _ in range(2):
            assert await reader.readuntil(PING) == PING
            times.append(time.monotonic())
        return [end - begin for begin, end in zip(times, times[1:], strict=False)]

    for pause_s in asyncio.run(after_register(tmp_path, keepalive_s, pings)):
        assert 0.5 < pause_s < 3
