"""The server and its socket: who may use it, one daemon at a time, nothing left behind."""

from __future__ import annotations

import asyncio
import fcntl
import grp
import os
import signal
import socket
import stat
from pathlib import Path

import pytest

from softphone.control import sockets
from softphone.control.server import ControlServer
from softphone.control.sockets import listen
from softphone.errors import ConfigError, Conflict
from tests.control.fakes import FakeAgent
from tests.control.harness import http_client, serving, stream


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short path: a socket's may have 107 bytes only."""
    return tmp_path_factory.mktemp("s")


def start_and_stop(server: ControlServer) -> None:
    async def run() -> None:
        await server.start()
        await server.stop()

    asyncio.run(run())


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def stale_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))


# ---- the file


def test_the_folder_is_made_and_the_socket_is_for_user_and_group(folder: Path) -> None:
    async def run() -> None:
        path = folder / "run" / "softphone" / "control.sock"
        server = ControlServer(FakeAgent(), path)
        await server.start()
        assert (mode_of(path), mode_of(path.parent)) == (0o660, 0o755)
        await server.stop()
        assert not path.exists()

    previous = os.umask(0o077)
    try:
        asyncio.run(run())
    finally:
        os.umask(previous)


def test_the_socket_and_a_new_folder_go_to_the_group(folder: Path) -> None:
    gid = os.getgid()
    for group in (str(gid), grp.getgrgid(gid).gr_name):
        path = folder / group / "control.sock"
        owned = listen(path, group=group, mode=0o600)
        assert (path.stat().st_gid, mode_of(path)) == (gid, 0o600)
        assert (path.parent.stat().st_gid, mode_of(path.parent)) == (gid, 0o750)
        owned.unlink()
        owned.sock.close()


def test_an_existing_folder_stays_as_it_is(folder: Path) -> None:
    folder.chmod(0o711)
    owned = listen(folder / "c", group=str(os.getgid()))
    assert mode_of(folder) == 0o711
    owned.sock.close()


def test_nobody_gets_in_before_the_group_is_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(sockets, "_give", lambda path, gid: seen.append(mode_of(path)))
    listen(folder / "c", group=str(os.getgid())).sock.close()
    assert seen == [0o600]


def test_an_unknown_group_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match="no group 'nobody-has-this'") as caught:
        start_and_stop(ControlServer(FakeAgent(), folder / "c", group="nobody-has-this"))
    assert caught.value.key == "control.group"
    assert not (folder / "c").exists()


def test_a_path_that_is_too_long(folder: Path) -> None:
    with pytest.raises(ConfigError, match="too long for a socket"):
        listen(folder / ("x" * 108))


def test_a_folder_that_cannot_be_made(folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(ConfigError, match="Let the process own the folder") as caught:
        listen(folder / "file" / "c")
    assert caught.value.key == "control.socket"


# ---- one daemon at a time


def test_a_stale_socket_is_replaced(folder: Path) -> None:
    path = folder / "c"
    stale_socket(path)

    async def run() -> None:
        server = ControlServer(FakeAgent(), path)
        await server.start()
        async with http_client(path) as http:
            assert (await http.get("/healthz")).status_code == 200
        await server.stop()

    asyncio.run(run())


def test_a_live_daemon_is_left_alone() -> None:
    async def run() -> None:
        async with serving() as served:
            with pytest.raises(Conflict, match=f"another softphone already answers on {served.path}"):
                await ControlServer(FakeAgent(), served.path).start()
            assert (await served.http.get("/v1/status")).status_code == 200

    asyncio.run(run())


def test_a_daemon_too_busy_to_accept_is_alive(folder: Path) -> None:
    path = folder / "c"
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first:
        busy.bind(str(path))
        busy.listen(0)
        first.connect(str(path))
        with pytest.raises(Conflict):
            listen(path)


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_socket_stays(folder: Path, kind: str) -> None:
    path = folder / "c"
    match kind:
        case "file":
            path.write_text("precious")
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to(folder / "elsewhere")
    with pytest.raises(ConfigError, match="is no socket; it stays untouched"):
        listen(path)
    assert os.path.lexists(path)


def test_two_that_start_at_once_do_so_one_after_the_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "LOCK_TIMEOUT_S", 0.05)
    other = os.open(folder, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(Conflict, match="is another softphone starting"):
        listen(folder / "c")
    os.close(other)
    listen(folder / "c").sock.close()
    assert [f.name for f in folder.iterdir()] == ["c"]


def test_stop_leaves_a_successors_socket_alone(folder: Path) -> None:
    async def run() -> None:
        path = folder / "c"
        server = ControlServer(FakeAgent(), path)
        await server.start()
        path.unlink()
        stale_socket(path)
        await server.stop()
        assert path.exists()

    asyncio.run(run())


# ---- start and stop


def test_a_failed_start_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("no loop for you")

    monkeypatch.setattr("uvicorn.Server.startup", broken)
    with pytest.raises(RuntimeError, match="no loop for you"):
        start_and_stop(ControlServer(FakeAgent(), folder / "c"))
    assert not (folder / "c").exists()


def test_signals_stay_with_the_daemon() -> None:
    async def run() -> None:
        before = (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
        async with serving():
            assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before

    asyncio.run(run())


def test_stop_ends_streams_and_idle_connections_at_once() -> None:
    async def run() -> None:
        async with serving() as served:
            _, idle = await served.raw()
            async with stream(served.http) as events:
                begun = asyncio.get_running_loop().time()
                await served.server.stop()
                assert asyncio.get_running_loop().time() - begun < 1
                assert not [f for f in await events.rest() if "event" in f]
            idle.close()
            assert served.server.connections == 0

    asyncio.run(run())


def test_stop_twice_and_stop_before_start() -> None:
    async def run() -> None:
        async with serving() as served:
            await served.server.stop()
            await served.server.stop()
        await ControlServer(FakeAgent(), "/nowhere").stop()

    asyncio.run(run())


def test_a_request_that_takes_too_long_is_broken_off_by_stop() -> None:
    class Slow(FakeAgent):
        async def refresh_provider(self) -> None:  # type: ignore[override]
            self.waiting.set()
            await asyncio.sleep(3600)

    async def run() -> None:
        async with serving(Slow()) as served:
            request = asyncio.ensure_future(served.http.post("/v1/provider/refresh"))
            await served.agent.waiting.wait()
            await served.server.stop()
            response = await request
            assert (response.status_code, response.json()["type"]) == (503, "urn:softphone:problem:stopping")

    asyncio.run(run())


def test_fifty_starts_and_stops_leave_no_descriptor(folder: Path) -> None:
    async def run() -> int:
        path = folder / "c"
        for _ in range(50):
            server = ControlServer(FakeAgent(), path)
            await server.start()
            async with http_client(path) as http:
                assert (await http.get("/healthz")).status_code == 200
            await server.stop()
        return len(os.listdir("/proc/self/fd"))

    asyncio.run(run())  # warms up what is made once
    before = len(os.listdir("/proc/self/fd"))
    asyncio.run(run())
    assert len(os.listdir("/proc/self/fd")) == before
