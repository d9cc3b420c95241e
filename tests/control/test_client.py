"""ControlClient against a real server, and against everything that is none."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from softphone.control import client as client_module
from softphone.control import unreachable
from softphone.control.client import ControlClient, ControlError, ControlUnreachable
from softphone.control.server import ControlServer
from softphone.engine.views import AudioRoute
from softphone.errors import SipError
from tests.control.harness import Served, serving, until
from tests.control.test_stream import digit


def run(scenario: Callable[[Served], Any]) -> None:
    async def main() -> None:
        async with asyncio.timeout(30), serving() as served:
            served.agent.add_call()
            await scenario(served)

    asyncio.run(main())


def use(work: Callable[[ControlClient], Any]) -> tuple[Any, list[tuple[Any, ...]]]:
    """What `work` returns, done by a client in a thread of its own; and the commands that reached the agent."""
    outcome: list[Any] = []

    def blocking(path: Path) -> None:
        with ControlClient(path) as phone:
            outcome.append(work(phone))

    async def scenario(served: Served) -> None:
        await asyncio.to_thread(blocking, served.path)
        outcome.append(served.agent.commands)

    run(scenario)
    return outcome[0], outcome[1]


def test_what_it_reads() -> None:
    def read(phone: ControlClient) -> list[Any]:
        return [
            phone.status()["version"],
            phone.ready()["ready"],
            [a["username"] for a in phone.accounts()],
            phone.account("901@pbx.example")["username"],
            [c["id"] for c in phone.calls()],
            phone.call("c1")["state"],
            phone.quality("c1"),
            phone.devices()[0]["name"],
            phone.wait("c1", "ended", timeout_s=0.01)["state"],
            phone.openapi()["info"]["title"],
            "call.ended" in {t["type"] for t in phone.event_types()},
        ]

    names = ["901", "902"]
    got, _ = use(read)
    wanted = ["1.2.3", True, names, "901", ["c1"], "dialing", None, "USB Headset", "dialing"]
    assert got == [*wanted, "softphone control API", True]


def test_what_it_commands() -> None:
    def command(phone: ControlClient) -> None:
        assert phone.refresh_provider()["state"] == "ok"
        phone.register("901")
        phone.unregister("901")
        phone.dial(
            "9196",
            account="901",
            headers={"X-A": "1"},
            ring_timeout_s=5,
            max_duration_s=90,
            audio={"route": "null"},
        )
        phone.answer("c1")
        phone.send_digits("c1", "12", method="info")
        assert phone.play("c1", "a.wav", loop=True)["id"] == "p1"
        phone.stop_play("c1")
        phone.stop_play("c1", "p1")
        assert phone.record("c1", "b.wav", mode="stereo", max_duration_s=60)["id"] == "r1"
        assert phone.stop_record("c1", "r1")[0]["reason"] == "stopped"
        phone.stop_record("c1")
        phone.set_audio("c1", {"route": "device", "output": "Hall"})
        phone.hang_up("c1")
        phone.reject("c2", 603, "No")

    assert use(command)[1] == [
        ("refresh_provider",),
        ("register", "901@pbx.example"),
        ("unregister", "901@pbx.example"),
        ("dial", "9196", "901", {"X-A": "1"}, 5.0, 90.0, AudioRoute()),
        ("answer", "c1"),
        ("send_digits", "c1", "12", "info", 160, 80),
        ("play", "c1", "a.wav", True),
        ("stop_play", "c1", None),
        ("stop_play", "c1", "p1"),
        ("record", "c1", "b.wav", "stereo", False, 60.0),
        ("stop_record", "c1", "r1"),
        ("stop_record", "c1", None),
        ("set_audio", "c1", AudioRoute(route="device", output="Hall")),
        ("hang_up", "c1"),
        ("reject", "c2", 603, "No"),
    ]


@pytest.mark.parametrize("name", ["c9", "../status", "a/b", "c 1", "ü", "%2e", "?x=1", "#"])
def test_an_id_stays_one_part_of_the_path(name: str) -> None:
    def ask(phone: ControlClient) -> None:
        with pytest.raises(ControlError) as caught:
            phone.call(name)
        assert caught.value.status == 404

    use(ask)


def test_a_refusal_carries_the_problem() -> None:
    def dial(phone: ControlClient) -> ControlError:
        with pytest.raises(ControlError, match="the PBX said no") as caught:
            phone.dial("9196")
        return caught.value

    async def scenario(served: Served) -> None:
        served.agent.failure = SipError("the PBX said no", code=403, reason="Forbidden")
        with ControlClient(served.path) as phone:
            error = await asyncio.to_thread(dial, phone)
        assert (error.status, error.kind, error.sip_code) == (502, "sip", 403)
        assert error.problem["sip_reason"] == "Forbidden"

    run(scenario)


# ---- events


class Following(threading.Thread):
    """Collects a client's events in the background."""

    def __init__(self, path: Path, **select: Any) -> None:
        super().__init__(daemon=True)
        self.got: list[dict[str, Any]] = []
        self.error: BaseException | None = None
        self._path, self._select = path, select

    def run(self) -> None:
        try:
            with ControlClient(self._path) as phone:
                for event in phone.events(**self._select):
                    self.got.append(event)
                    if event.get("digit") == "#":
                        return
        except ControlError as error:
            self.error = error


def test_events_follow_each_other_and_filters_apply() -> None:
    async def scenario(served: Served) -> None:
        served.agent.bus.publish(digit("0"))
        start = served.agent.bus.last_id
        for text, call in (("1", "c1"), ("2", "c2"), ("#", "c1")):
            served.agent.bus.publish(digit(text, call))
        following = Following(served.path, after=start, types=["call.digit", "account"], call="c1")
        following.start()
        await until(lambda: not following.is_alive())
        assert [e["digit"] for e in following.got] == ["1", "#"]

    run(scenario)


def test_a_cut_connection_is_opened_again_and_nothing_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "RECONNECT_S", 0.01)

    async def scenario(served: Served) -> None:
        agent = served.agent
        following = Following(served.path)
        following.start()
        await served.connections_fall_to(1)
        for n in range(3):
            agent.bus.publish(digit(str(n)))
            await until(lambda wanted=n + 1: len(following.got) == wanted)  # type: ignore[misc]
            await served.server.stop()
            agent.bus.publish(digit(f"{n} while away"))
            served.server = ControlServer(agent, served.path)
            await served.server.start()
            await until(lambda wanted=n + 1: len(following.got) > wanted)  # type: ignore[misc]
            following.got.pop()
        agent.bus.publish(digit("#"))
        await until(lambda: not following.is_alive())
        assert [e["digit"] for e in following.got] == ["0", "1", "2", "#"]

    run(scenario)


def test_without_reconnect_the_end_of_the_daemon_is_the_end() -> None:
    async def scenario(served: Served) -> None:
        following = Following(served.path, reconnect=False)
        following.start()
        await served.connections_fall_to(1)
        await served.server.stop()
        await until(lambda: not following.is_alive())
        assert (following.got, following.error) == ([], None)

    run(scenario)


def test_a_wrong_filter_is_told_at_once() -> None:
    async def scenario(served: Served) -> None:
        following = Following(served.path, types=["bogus"])
        following.start()
        await until(lambda: not following.is_alive())
        assert isinstance(following.error, ControlError)
        assert "no event type 'bogus'" in str(following.error)

    run(scenario)


# ---- nobody there


def complaint(path: Path) -> str:
    with ControlClient(path) as phone, pytest.raises(ControlUnreachable) as caught:
        phone.status()
    with ControlClient(path) as phone, pytest.raises(ControlUnreachable):
        next(phone.events())
    return str(caught.value)


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s")


def test_no_socket(folder: Path) -> None:
    text = complaint(folder / "control.sock")
    assert text.startswith(f"no softphone runs here: there is no socket {folder}/control.sock")
    assert "softphone run" in text
    assert "no softphone runs here" in complaint(folder / "missing" / "control.sock")


def test_a_socket_that_was_left_behind(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(folder / "c"))
    assert "left behind by one that is gone" in complaint(folder / "c")


def test_a_file_that_is_no_socket(folder: Path) -> None:
    (folder / "c").touch()
    assert "is no socket" in complaint(folder / "c")


def test_no_permission_names_the_group(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may be root, to whom nothing is closed: what the system answers is put in its place."""
    path = folder / "c"
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(str(path))
        real = os.access
        for closed in (path, folder):
            monkeypatch.setattr(os, "access", lambda p, mode, closed=closed: p != closed and real(p, mode))
            monkeypatch.setattr(unreachable, "_group", lambda _: "phones")
            text = unreachable.explain(path, PermissionError(13, "Permission denied"))
            assert text.startswith(f"no permission to use {path}: {closed} is for group phones")
            assert "usermod -aG phones $USER" in text


def test_groups_have_names_or_at_least_numbers(folder: Path) -> None:
    assert unreachable._group(Path("/")) == "root"
    if os.getuid() == 0:
        os.chown(folder, -1, 54321)
        assert unreachable._group(folder) == "54321"


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    """Something that answers every connection with these bytes."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.recv(65536)
                    peer.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"hello\r\n", "did not answer"),
        (b"", "did not answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "no JSON"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "an object was expected"),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 5\r\n\r\nhello", "HTTP status 500"),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n[]", "HTTP status 500"),
    ],
)
def test_something_else_answers(folder: Path, answer: bytes, words: str) -> None:
    with answering(folder / "c", answer), ControlClient(folder / "c") as phone:
        with pytest.raises(ControlError, match=words):
            phone.status()
        if b"200" not in answer:
            with pytest.raises(ControlError):
                next(phone.events())


# ---- what it costs to import


def test_importing_the_client_loads_neither_httpx_nor_the_server() -> None:
    code = "import softphone.control.client, sys; print(sorted({m.partition('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name in ("httpx", "fastapi", "pydantic", "uvicorn", "pjsua2", "numpy"):
        assert f"'{name}'" not in loaded
