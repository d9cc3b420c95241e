"""`softphone run` as a process of its own, with a supervisor's socket, and everything that it tells.

async with Daemon(folder, config) as daemon:
    await daemon.told("account.registered")
    call = await daemon.dial("9196")
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from tests.support.phone import local

DEADLINE_S = 30.0
COMMAND = (sys.executable, "-m", "softphone.cli.main")


class Daemon:
    """One process. `config` is completed so that it stays on loopback and in `folder`."""

    def __init__(self, folder: Path, config: Mapping[str, Any], *, environ: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.config_file = folder / "softphone.yaml"
        self.log_file = folder / "daemon.log"
        self.events: list[dict[str, Any]] = []
        self.notices: list[str] = []
        self._waiting: set[asyncio.Event] = set()
        self._environ = os.environ | {"STATE_DIRECTORY": str(folder / "state")} | dict(environ or {})
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._http: httpx.AsyncClient | None = None
        self._supervisor: socket.socket | None = None
        self.configure(config)

    def configure(self, config: Mapping[str, Any]) -> None:
        """Writes the configuration file."""
        whole = local(config, self.folder)
        self.socket = Path(whole["control"]["socket"])
        self.config_file.write_text(yaml.safe_dump(whole))

    # ---- life

    async def start(self) -> None:
        """Returns when the process runs; it may not answer yet."""
        environ = self._environ | {"NOTIFY_SOCKET": str(self._supervise())}
        with self.log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *COMMAND, "run", "--config", str(self.config_file), stdout=log, stderr=log, env=environ
            )
        self._watching = asyncio.get_running_loop().create_task(self._watch(self._process))

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        await process.wait()
        self._tell()

    async def ready(self) -> None:
        """Waits until it has said that it is, and listens to its events, from the first one on."""
        await self.notified("READY=1")
        self._reading = asyncio.get_running_loop().create_task(self._read_events())

    def _supervise(self) -> Path:
        path = self.folder / "notify.sock"
        if self._supervisor is None:
            self._supervisor = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            path.unlink(missing_ok=True)
            self._supervisor.bind(str(path))
            asyncio.get_running_loop().add_reader(self._supervisor, self._notice)
        return path

    def _notice(self) -> None:
        assert self._supervisor is not None
        self.notices.append(self._supervisor.recv(65536).decode())
        self._tell()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self, within_s: float = DEADLINE_S) -> int:
        """Waits for its end; returns the exit code, the negative signal number where it was killed."""
        assert self._process is not None
        async with asyncio.timeout(within_s):
            code = await self._process.wait()
        if self._reading is not None:
            await self._reading
        await self._forget()
        return code

    async def _forget(self) -> None:
        """Nothing of the last run stays."""
        for task in (self._reading, self._watching):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})
        if self._http is not None:
            await self._http.aclose()
        self._reading = self._watching = self._http = None

    async def stop(self, within_s: float = DEADLINE_S) -> int:
        self.signal(signal.SIGTERM)
        return await self.ended(within_s)

    async def __aenter__(self) -> Self:
        try:
            await self.start()
            await self.ready()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.alive:
            self.signal(signal.SIGKILL)
        if self._process is not None:
            await self._process.wait()
        await self._forget()
        if self._supervisor is not None:
            asyncio.get_running_loop().remove_reader(self._supervisor)
            self._supervisor.close()

    # ---- what it tells

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    async def _until(self, found: Callable[[], object], what: str, within_s: float) -> None:
        """Waits for `found()`, looking again whenever there is news."""
        news = asyncio.Event()
        self._waiting.add(news)
        try:
            async with asyncio.timeout(within_s):
                while not found():
                    assert self.alive, f"{what} never came: the daemon has ended;\n{self.log[-3000:]}"
                    news.clear()
                    await news.wait()
        except TimeoutError:
            lately = "\n".join(str(e) for e in self.events[-15:])
            raise AssertionError(
                f"{what} did not come in {within_s} s; log:\n{self.log[-2000:]}\nevents:\n{lately}"
            ) from None
        finally:
            self._waiting.discard(news)

    def _tell(self) -> None:
        for news in self._waiting:
            news.set()

    async def notified(self, wanted: str, *, count: int = 1, within_s: float = DEADLINE_S) -> str:
        """Waits until the supervisor has been told a line that starts with `wanted`; returns the line."""

        def lines() -> list[str]:
            return [line for notice in self.notices for line in notice.split("\n") if line.startswith(wanted)]

        await self._until(lambda: len(lines()) >= count, wanted, within_s)
        return lines()[count - 1]

    def all(self, type: str, **fields: Any) -> list[dict[str, Any]]:
        wanted = {"type": type} | fields
        return [e for e in self.events if all(e.get(k) == v for k, v in wanted.items())]

    async def told(self, type: str, *, count: int = 1, within_s: float = DEADLINE_S, **fields: Any) -> dict[str, Any]:
        """Waits until this event came `count` times; returns the last of these."""
        await self._until(lambda: len(self.all(type, **fields)) >= count, f"{type} {fields}", within_s)
        return self.all(type, **fields)[count - 1]

    async def _read_events(self) -> None:
        """All that happened since the start of this process, and what happens."""
        try:
            async with self._client.stream("GET", "/v1/events", params={"after": "never-0"}) as stream:
                async for line in stream.aiter_lines():
                    if line.startswith("data:"):
                        self.events.append(json.loads(line[5:]))
                        self._tell()
        except httpx.TransportError:
            return  # it has ended

    # ---- what it is asked

    @property
    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            transport = httpx.AsyncHTTPTransport(uds=str(self.socket), verify=False)  # no TLS on a Unix socket
            self._http = httpx.AsyncClient(transport=transport, base_url="http://phone", timeout=DEADLINE_S)
        return self._http

    async def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self._client.request(method, path, json=body)

    async def get(self, path: str) -> Any:
        response = await self.ask("GET", path)
        assert response.status_code == 200, response.text
        return response.json()

    async def dial(self, target: str, **options: Any) -> str:
        """Places a call and waits until it is connected; returns its id."""
        response = await self.ask("POST", "/v1/calls", {"target": target} | options)
        assert response.status_code == 201, response.text
        call = str(response.json()["id"])
        await self.told("call.answered", call=call)
        await self.told("call.media", call=call, active=True)
        return call

    async def hang_up(self, call: str) -> dict[str, Any]:
        await self.ask("DELETE", f"/v1/calls/{call}")
        return await self.told("call.ended", call=call)
