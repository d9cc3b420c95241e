"""The daemon with the page for browsers: started and stopped with it, shown in its status; clear when it cannot be."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from pathlib import Path
from typing import Any

import httpx

from softphone.lab import Lab
from tests.support.daemon import Daemon

TOKEN = "a token that only the test knows"
EXIT_CONFIG = 5


def config(lab: Lab, **web: Any) -> dict[str, Any]:
    return lab.agent_config(["901"]) | {"web": {"port": 0, "token": {"env": "WEB_TOKEN"}} | web}


def test_the_page_comes_and_goes_with_the_daemon(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Lab() as lab, Daemon(tmp_path, config(lab), environ={"WEB_TOKEN": TOKEN}) as daemon:
            await daemon.told("account.registered")
            (listener,) = (await daemon.get("/v1/status"))["listeners"]
            assert listener["name"] == "web"
            assert len(listener["fingerprint"].split(":")) == 32
            context = ssl.create_default_context(cafile=str(tmp_path / "state" / "web" / "certificate.pem"))
            async with httpx.AsyncClient(base_url=listener["url"], verify=context) as browser:
                assert (await browser.post("/v1/login", json={"token": TOKEN})).status_code == 204
                assert "softphone" in (await browser.get("/")).text
            daemon.signal(signal.SIGTERM)
            assert await daemon.ended() == 0
            log = daemon.log_file.read_text()
            assert listener["fingerprint"] in log
            assert TOKEN not in log

    asyncio.run(scene())


def test_a_port_that_is_taken_ends_the_start_with_the_keys_name(tmp_path: Path) -> None:
    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            async with Lab() as lab:
                wanted = config(lab, port=other.getsockname()[1])
                daemon = Daemon(tmp_path, wanted, environ={"WEB_TOKEN": TOKEN})
                await daemon.start()
                assert await daemon.ended() == EXIT_CONFIG
                assert "web.port" in daemon.log_file.read_text()
                assert lab.registrations("901") == []

    asyncio.run(scene())
