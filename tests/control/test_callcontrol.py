"""Hold, mute, transfer, redirect, do-not-disturb and conferences over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.control.harness import serving
from tests.control.test_resources import request


@pytest.mark.parametrize(
    ("path", "body", "status", "command"),
    [
        ("hold", None, 202, ("hold", "c1")),
        ("resume", None, 202, ("resume", "c1")),
        ("mute", None, 200, ("mute", "c1")),
        ("unmute", None, 200, ("unmute", "c1")),
        ("redirect", {"target": "902"}, 202, ("redirect", "c1", "902")),
        ("transfer", {"target": "902"}, 202, ("transfer", "c1", "902", None)),
        (
            "transfer",
            {"target": "902", "headers": {"X-Queue": "7"}},
            202,
            ("transfer", "c1", "902", {"X-Queue": "7"}),
        ),
        ("transfer", {"call": "c2"}, 202, ("transfer_to", "c1", "c2", None)),
    ],
)
def test_commands_on_a_call(path: str, body: Any, status: int, command: tuple[Any, ...]) -> None:
    got, view, commands, _ = request("POST", f"/v1/calls/c1/{path}", body, calls=2)
    assert (got, view["id"], commands) == (status, "c1", [command])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("transfer", {}),
        ("transfer", {"target": "902", "call": "c2"}),
        ("transfer", {"target": "902", "headers": {"X\r\nVia": "1"}}),
        ("transfer", {"target": ""}),
        ("redirect", {}),
        ("redirect", {"target": "9\r\n02"}),
    ],
)
def test_what_is_not_understood_reaches_nobody(path: str, body: Any) -> None:
    status, problem, commands, _ = request("POST", f"/v1/calls/c1/{path}", body)
    assert (status, problem["status"], commands) == (422, 422, [])


@pytest.mark.parametrize("path", ["hold", "resume", "mute", "unmute"])
def test_a_call_that_is_not_there(path: str) -> None:
    assert request("POST", f"/v1/calls/c9/{path}")[0] == 404


def test_gains_and_meters() -> None:
    status, _, commands, _ = request("PUT", "/v1/calls/c1/gain", {"output_db": -6.0})
    assert (status, commands) == (200, [("set_gain", "c1", None, -6.0)])
    assert request("PUT", "/v1/calls/c1/gain", {"input_db": 21.0})[0] == 422
    status, _, commands, _ = request("PUT", "/v1/calls/c1/meter", {"interval_ms": 500})
    assert (status, commands) == (200, [("start_meter", "c1", 500)])
    assert request("PUT", "/v1/calls/c1/meter")[2] == [("start_meter", "c1", None)]
    assert request("PUT", "/v1/calls/c1/meter", {"interval_ms": 99})[0] == 422
    status, _, commands, _ = request("DELETE", "/v1/calls/c1/meter")
    assert (status, commands) == (204, [("stop_meter", "c1")])


def test_a_device_is_tried() -> None:
    status, found, commands, _ = request("POST", "/v1/devices/test", {"name": "USB", "listen_s": 0.5})
    assert (status, found["microphone"], commands) == (200, True, [("test_device", "USB", 0.5)])
    assert request("POST", "/v1/devices/test", {"name": "USB", "listen_s": 60.0})[0] == 422


def test_do_not_disturb() -> None:
    status, view, commands, _ = request("POST", "/v1/accounts/901/dnd", {"on": True})
    assert (status, view["dnd"], commands) == (200, True, [("set_dnd", "901@pbx.example", True)])
    assert request("POST", "/v1/accounts/901/dnd", {})[0] == 422


def test_a_handset_from_beginning_to_end() -> None:
    async def scenario() -> None:
        async with serving() as served:
            served.agent.add_call()
            http = served.http
            made = await http.post("/v1/handsets", json={"sdp": "v=0", "name": "Ann"})
            assert (made.status_code, made.headers["location"]) == (201, "/v1/handsets/h1")
            assert (made.json()["sdp"], made.json()["handset"]["name"]) == ("v=0\r\n", "Ann")
            seat = "/v1/handsets/h1/calls/c1"
            assert (await http.put(seat, json={"mode": "whisper"})).json()["calls"] == {"c1": "whisper"}
            assert (await http.put(seat, json={"mode": "shout"})).status_code == 422
            assert (await http.post("/v1/handsets/h1/digits", json={"digits": "1#"})).status_code == 202
            assert (await http.delete(seat)).json()["calls"] == {}
            assert [each["id"] for each in (await http.get("/v1/handsets")).json()] == ["h1"]
            assert (await http.delete("/v1/handsets/h1")).status_code == 204
            assert (await http.get("/v1/handsets/h1")).status_code == 404
            wanted = ["open_handset", "attach_handset", "send_handset_digits", "detach_handset", "close_handset"]
            assert [name for name, *_ in served.agent.commands] == wanted

    asyncio.run(scenario())


def test_a_conference_from_beginning_to_end() -> None:
    async def scenario() -> None:
        async with serving() as served:
            for _ in range(3):
                served.agent.add_call()
            http = served.http
            made = await http.post("/v1/conferences", json={"calls": ["c1", "c2"]})
            assert (made.status_code, made.headers["location"]) == (201, "/v1/conferences/f1")
            assert made.json() == {"id": "f1", "calls": ["c1", "c2"], "local": True}
            assert (await http.put("/v1/conferences/f1/calls/c3")).json()["calls"] == ["c1", "c2", "c3"]
            assert (await http.delete("/v1/conferences/f1/calls/c1")).status_code == 204
            assert (await http.post("/v1/conferences/f1/local", json={"local": False})).json()["local"] is False
            assert [each["id"] for each in (await http.get("/v1/conferences")).json()] == ["f1"]
            assert (await http.get("/v1/conferences/f1")).json()["id"] == "f1"
            assert (await http.delete("/v1/conferences/f1")).status_code == 204
            assert (await http.get("/v1/conferences/f1")).status_code == 404
            assert [name for name, *_ in served.agent.commands] == [
                "start_conference",
                "add_to_conference",
                "remove_from_conference",
                "set_conference_local",
                "end_conference",
            ]

    asyncio.run(scenario())


@pytest.mark.parametrize("body", [{"calls": ["c1"]}, {"calls": []}, {"calls": "c1"}, {}])
def test_a_conference_needs_two_calls(body: Any) -> None:
    assert request("POST", "/v1/conferences", body)[0] == 422
