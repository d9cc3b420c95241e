"""Each resource against the agent's API: what goes in, what comes out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from softphone.engine.views import AudioRoute
from tests.control.fakes import FakeAgent
from tests.control.harness import Served, serving, until


def request(method: str, path: str, body: Any = None, *, calls: int = 1, agent: FakeAgent | None = None) -> Any:
    """One request to a phone with `calls` calls: (status, JSON, commands that the agent got, headers)."""

    async def run() -> Any:
        async with serving(agent) as served:
            for _ in range(calls):
                served.agent.add_call()
            response = await served.http.request(method, path, json=body)
            data = response.json() if response.content else None
            return response.status_code, data, served.agent.commands, response.headers

    return asyncio.run(run())


def test_status_says_how_the_phone_fares() -> None:
    status, body, _, headers = request("GET", "/v1/status")
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert body["version"] == "1.2.3"
    assert body["accounts"] == {"total": 2, "registered": 2, "failed": 0}
    assert body["provider"]["state"] == "ok"


def test_health_and_readiness() -> None:
    assert request("GET", "/healthz")[:2] == (200, {"status": "ok"})
    assert request("GET", "/readyz")[0] == 200


def test_a_phone_that_is_not_ready_says_why() -> None:
    status, body, _, headers = request("GET", "/readyz", agent=FakeAgent(ready=False))
    assert status == 503
    assert headers["content-type"] == "application/problem+json"
    assert body["problems"] == ["901@pbx.example is not registered"]
    assert request("GET", "/healthz", agent=FakeAgent(ready=False))[0] == 200


def test_accounts_and_one_account_by_id_or_username() -> None:
    assert [a["id"] for a in request("GET", "/v1/accounts")[1]] == ["901@pbx.example", "902@pbx.example"]
    for name in ("901@pbx.example", "901%40pbx.example", "901"):
        assert request("GET", f"/v1/accounts/{name}")[1]["id"] == "901@pbx.example"


def test_register_unregister_and_refresh() -> None:
    status, body, commands, _ = request("POST", "/v1/accounts/902/register")
    assert (status, body["username"], commands) == (202, "902", [("register", "902@pbx.example")])
    assert request("POST", "/v1/accounts/902/unregister")[2] == [("unregister", "902@pbx.example")]
    assert request("POST", "/v1/provider/refresh")[1]["extensions"] == 2


def test_dial_passes_everything_on() -> None:
    body = {
        "target": "9196",
        "account": "901",
        "headers": {"X-Order": "17", "Subject": "Grüße"},
        "ring_timeout_s": 12.5,
        "max_duration_s": 3600,
        "audio": {"route": "file", "file": "hello.wav", "loop": True},
    }
    status, call, commands, headers = request("POST", "/v1/calls", body, calls=0)
    route = AudioRoute(route="file", file="hello.wav", loop=True)
    assert commands == [("dial", "9196", "901", {"X-Order": "17", "Subject": "Grüße"}, 12.5, 3600.0, route)]
    assert (status, headers["location"]) == (201, "/v1/calls/c1")
    assert (call["id"], call["state"], call["audio"]["file"]) == ("c1", "dialing", "hello.wav")


def test_dial_needs_a_target_only() -> None:
    assert request("POST", "/v1/calls", {"target": "9196"})[2] == [("dial", "9196", None, None, None, None, None)]


def test_calls_and_one_call() -> None:
    assert [c["id"] for c in request("GET", "/v1/calls", calls=2)[1]] == ["c1", "c2"]
    assert request("GET", "/v1/calls/c2", calls=2)[1]["id"] == "c2"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "command"),
    [
        ("POST", "answer", None, 202, ("answer", "c1")),
        ("POST", "reject", None, 202, ("reject", "c1", 486, "")),
        ("POST", "reject", {"code": 603, "reason": "Not today"}, 202, ("reject", "c1", 603, "Not today")),
        ("POST", "hangup", None, 202, ("hang_up", "c1")),
        ("POST", "hangup", {"headers": {"X-A": "1"}}, 202, ("hang_up", "c1", {"X-A": "1"})),
        ("POST", "answer", {"headers": {"X-A": "1"}}, 202, ("answer", "c1", {"X-A": "1"})),
        ("POST", "hold", {"headers": {"X-A": "1"}}, 202, ("hold", "c1", {"X-A": "1"})),
        ("POST", "resume", {"headers": {"X-A": "1"}}, 202, ("resume", "c1", {"X-A": "1"})),
        ("POST", "reject", {"code": 603, "headers": {"X-A": "1"}}, 202, ("reject", "c1", 603, "", {"X-A": "1"})),
        ("DELETE", "", None, 202, ("hang_up", "c1")),
        ("POST", "dtmf", {"digits": "1#"}, 202, ("send_digits", "c1", "1#", "auto", 160, 80)),
        (
            "POST",
            "dtmf",
            {"digits": "1", "method": "info", "duration_ms": 200, "pause_ms": 0},
            202,
            ("send_digits", "c1", "1", "info", 200, 0),
        ),
        ("POST", "play", {"file": "a.wav"}, 201, ("play", "c1", "a.wav", False)),
        ("POST", "play", {"file": "a.wav", "loop": True}, 201, ("play", "c1", "a.wav", True)),
        ("DELETE", "plays", None, 204, ("stop_play", "c1", None)),
        ("DELETE", "plays/p1", None, 204, ("stop_play", "c1", "p1")),
        ("POST", "record", {"file": "a.wav"}, 201, ("record", "c1", "a.wav", "mono", False, None)),
        (
            "POST",
            "record",
            {"file": "a.wav", "mode": "stereo", "overwrite": True, "max_duration_s": 60},
            201,
            ("record", "c1", "a.wav", "stereo", True, 60.0),
        ),
        ("DELETE", "records", None, 200, ("stop_record", "c1", None)),
        ("DELETE", "records/r1", None, 200, ("stop_record", "c1", "r1")),
        ("POST", "audio", {"route": "null"}, 200, ("set_audio", "c1", AudioRoute())),
        (
            "POST",
            "audio",
            {"route": "device", "input": "Mic"},
            200,
            ("set_audio", "c1", AudioRoute(route="device", input="Mic")),
        ),
    ],
)
def test_commands_on_a_call(method: str, path: str, body: Any, status: int, command: tuple[Any, ...]) -> None:
    got, _, commands, _ = request(method, f"/v1/calls/c1/{path}".rstrip("/"), body)
    assert (got, commands) == (status, [command])


def test_play_and_record_tell_the_id_that_stops_them() -> None:
    async def run() -> None:
        async with serving() as served:
            served.agent.add_call()
            play = await served.http.post("/v1/calls/c1/play", json={"file": "a.wav"})
            record = await served.http.post("/v1/calls/c1/record", json={"file": "b.wav"})
            assert play.json() == {"id": "p1", "call": "c1", "file": "a.wav"}
            assert record.json() == {"id": "r1", "call": "c1", "file": "b.wav"}
            stopped = await served.http.delete("/v1/calls/c1/records/r1")
            assert [(r["record"], r["file"], r["reason"]) for r in stopped.json()] == [("r1", "b.wav", "stopped")]

    asyncio.run(run())


def test_quality_is_null_before_there_is_media_and_never_nan() -> None:
    async def run() -> None:
        async with serving() as served:
            served.agent.add_call()
            assert (await served.http.get("/v1/calls/c1/quality")).json() is None
            served.agent.change_call("c1", quality={"mos": 4.2, "jitter_ms": float("nan")})
            assert (await served.http.get("/v1/calls/c1/quality")).json() == {"mos": 4.2, "jitter_ms": None}

    asyncio.run(run())


def test_devices() -> None:
    assert request("GET", "/v1/devices")[1][0]["name"] == "USB Headset"


# ---- long poll


def test_a_wait_ends_when_the_call_is_answered() -> None:
    async def scenario(served: Served) -> None:
        waiting = asyncio.ensure_future(served.http.get("/v1/calls/c1?wait=answered&timeout_s=30"))
        await served.agent.waiting.wait()
        served.agent.change_call("c1", state="active")
        assert (await waiting).json()["state"] == "active"

    asyncio.run(with_call(scenario))


def test_a_wait_that_times_out_shows_the_call_as_it_stands() -> None:
    async def scenario(served: Served) -> None:
        response = await served.http.get("/v1/calls/c1?wait=ended&timeout_s=0.05")
        assert (response.status_code, response.json()["state"]) == (200, "dialing")

    asyncio.run(with_call(scenario))


def test_a_wait_whose_client_leaves_ends() -> None:
    async def scenario(served: Served) -> None:
        _, writer = await served.raw(b"GET /v1/calls/c1?wait=ended&timeout_s=600 HTTP/1.1\r\nHost: x\r\n\r\n")
        await served.agent.waiting.wait()
        running = len(asyncio.all_tasks())
        writer.close()
        await served.connections_fall_to(0)
        await until(lambda: len(asyncio.all_tasks()) < running)

    asyncio.run(with_call(scenario))


def test_a_wait_is_broken_off_by_stop() -> None:
    async def scenario(served: Served) -> None:
        waiting = asyncio.ensure_future(served.http.get("/v1/calls/c1?wait=ended&timeout_s=600"))
        await served.agent.waiting.wait()
        await served.server.stop()
        response = await waiting
        assert (response.status_code, response.json()["type"]) == (503, "urn:softphone:problem:stopping")

    asyncio.run(with_call(scenario))


def test_a_wait_for_a_call_that_is_not_there() -> None:
    assert request("GET", "/v1/calls/c9?wait=ended")[0] == 404


async def with_call(scenario: Any) -> None:
    async with asyncio.timeout(20), serving() as served:
        served.agent.add_call()
        await scenario(served)
