"""The control API's server: uvicorn inside the daemon's loop, on a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvicorn

from softphone.aio import Tasks
from softphone.control.api import AgentApi
from softphone.control.app import create_app
from softphone.control.connections import ControlConfig, ControlProtocol
from softphone.control.limits import Limits
from softphone.control.sockets import OwnedSocket, listen


class ControlServer:
    """Serves `agent` on `socket_path` from `start` to `stop`.

    group: name or number of the group that may use the socket; None leaves it to the process.
    mode: the socket's permissions.
    """

    def __init__(
        self,
        agent: AgentApi,
        socket_path: Path | str,
        group: str | None = None,
        mode: int = 0o660,
        *,
        limits: Limits | None = None,
    ) -> None:
        self._agent, self._path, self._group, self._mode = agent, Path(socket_path), group, mode
        self._limits = limits or Limits()
        self._tasks = Tasks("control")
        self._socket: OwnedSocket | None = None
        self._server: _Server | None = None

    async def start(self) -> None:
        """Returns once clients are answered. Raises ConfigError (path, group), Conflict (another daemon answers)."""
        owned = await asyncio.to_thread(listen, self._path, group=self._group, mode=self._mode)
        self._socket = owned
        try:
            self._server = await self._serve(owned.sock)
        except BaseException:
            await self.stop()
            raise

    async def _serve(self, sock: socket.socket) -> _Server:
        server = _Server(ControlConfig(create_app(self._agent, self._limits), self._limits))
        serving = self._tasks.spawn(server.serve([sock]), "serve")
        serving.add_done_callback(lambda _: server.up.set())
        await server.up.wait()
        if serving.done():
            await serving
        return server

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return len(self._server.server_state.connections) if self._server else 0

    async def stop(self) -> None:
        """Event streams end at once, running requests within `Limits.shutdown_s`. Safe to call twice."""
        server, owned = self._server, self._socket
        self._server = self._socket = None
        if owned is not None:
            owned.unlink()  # before anything else: from here on nobody new comes in
        if server is not None:
            await server.end()
        await self._tasks.close()
        if owned is not None:
            owned.sock.close()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, which belong to the daemon, and without its polling."""

    def __init__(self, config: ControlConfig) -> None:
        super().__init__(config)
        self._config = config
        self.up = asyncio.Event()
        self._leave = asyncio.Event()
        self._down = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The daemon's signals are its own."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    async def main_loop(self) -> None:
        """uvicorn looks ten times a second whether to stop; here it is told, and an idle phone stays idle."""
        await self.on_tick(0)
        await self._leave.wait()

    async def end(self) -> None:
        """Stops serving; returns when no request runs and no client is connected."""
        self._leave.set()
        await self._down.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._config.closed = True
        for server in self.servers:
            server.close()
        connections = [c for c in self.server_state.connections if isinstance(c, ControlProtocol)]
        for connection in connections:
            connection.shutdown()
        await self._end_tasks()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._config.limits.shutdown_s):
                await _all_gone(connections)
        for connection in connections:
            connection.abort()
        await _all_gone(connections)
        self._down.set()

    async def _end_tasks(self) -> None:
        """Lets running requests end, then cancels them."""
        if running := set(self.server_state.tasks):
            _, late = await asyncio.wait(running, timeout=self._config.limits.shutdown_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=self._config.limits.shutdown_s)


async def _all_gone(connections: Sequence[ControlProtocol]) -> None:
    for connection in connections:
        await connection.gone.wait()
