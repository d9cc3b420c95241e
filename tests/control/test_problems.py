"""Every error is a problem document, and tells no more than it should."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from softphone.errors import (
    ConfigError,
    Conflict,
    MediaError,
    NotFound,
    ProviderDown,
    ProviderRefused,
    SipError,
    SoftphoneError,
    UsageError,
)
from tests.control.fakes import FakeAgent
from tests.control.harness import serving


def problem(method: str, path: str, *, agent: FakeAgent | None = None, **request: Any) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        async with serving(agent) as served:
            served.agent.add_call()
            response = await served.http.request(method, path, **request)
            assert response.headers["content-type"] == "application/problem+json"
            found: dict[str, Any] = response.json()
            assert found["status"] == response.status_code
            assert found["instance"] == path.partition("?")[0]
            assert found["title"]
            return found | {"headers": response.headers}

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("error", "status", "kind", "members"),
    [
        (UsageError("what?"), 400, "bad-request", {}),
        (NotFound("no call 'c9'"), 404, "not-found", {}),
        (Conflict("it has ended"), 409, "conflict", {}),
        (SipError("refused", code=403, reason="Forbidden"), 502, "sip", {"sip_code": 403, "sip_reason": "Forbidden"}),
        (MediaError("no such file"), 422, "media", {}),
        (ProviderDown("no answer"), 503, "provider-down", {"provider_status": None}),
        (ProviderRefused("bad token", status=401), 502, "provider-refused", {"provider_status": 401}),
        (ConfigError("is no file", file="a.yaml", line=3, key="api.token"), 500, "configuration", {"key": "api.token"}),
        (SoftphoneError("odd"), 500, "internal", {}),
    ],
)
def test_what_the_phone_raises(error: SoftphoneError, status: int, kind: str, members: dict[str, Any]) -> None:
    agent = FakeAgent()
    agent.failure = error
    found = problem("POST", "/v1/calls", agent=agent, json={"target": "9196"})
    assert (found["status"], found["type"], found["detail"]) == (status, f"urn:softphone:problem:{kind}", str(error))
    assert {k: found[k] for k in members} == members


def test_a_fault_leaves_a_reference_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    agent = FakeAgent()
    agent.failure = RuntimeError("password=hunter2")
    with caplog.at_level(logging.ERROR):
        found = problem("GET", "/v1/status", agent=agent)
    assert found["status"] == 500
    assert "hunter2" not in str(found)
    assert "Traceback" not in str(found)
    assert found["reference"] in found["detail"]
    assert found["reference"] in caplog.text  # the log has the whole of it


def test_unknown_path_and_method() -> None:
    assert problem("GET", "/v2/calls")["type"] == "urn:softphone:problem:no-route"
    assert problem("GET", "/v1/calls/")["status"] == 404
    found = problem("PUT", "/v1/calls")
    assert (found["status"], found["headers"]["allow"]) == (405, "GET, POST")
    assert problem("GET", "/v1/calls/c1/answer")["headers"]["allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "body", "pointer", "words"),
    [
        ("/v1/calls", {}, "#/target", "this is needed"),
        ("/v1/calls", {"target": ""}, "#/target", "at least 1 character"),
        ("/v1/calls", {"target": 9196}, "#/target", "valid string"),
        ("/v1/calls", {"target": "9\r\nRoute: x"}, "#/target", "match"),
        ("/v1/calls", {"target": "9", "headers": {"X-A": "1\r\nX-B: 2"}}, "#/headers/X-A", "match"),
        ("/v1/calls", {"target": "9", "headers": {"X A": "1"}}, "#/headers/X A/[key]", "match"),
        ("/v1/calls", {"target": "9", "ring_timeout_s": 0}, "#/ring_timeout_s", "greater than 0"),
        ("/v1/calls", {"target": "9", "acount": "901"}, "#/acount", "no such key"),
        ("/v1/calls", {"target": "9", "audio": {"route": "file"}}, "#/audio", "route `file` needs `file`"),
        ("/v1/calls", {"target": "9", "audio": {"route": "null", "input": "x"}}, "#/audio", "only route `device`"),
        ("/v1/calls", [], "#", "JSON object"),
        ("/v1/calls/c1/reject", {"code": 200}, "#/code", "greater than or equal to 400"),
        ("/v1/calls/c1/reject", {"reason": "a\nb"}, "#/reason", "match"),
        ("/v1/calls/c1/dtmf", {"digits": "1", "method": "smoke"}, "#/method", "'auto', 'rfc4733', 'info' or 'inband'"),
        ("/v1/calls/c1/record", {"file": "a\x00b"}, "#/file", "match"),
    ],
)
def test_wrong_values_are_named_by_pointer(path: str, body: Any, pointer: str, words: str) -> None:
    found = problem("POST", path, json=body)
    assert found["status"] == 422
    assert [(e["in"], e["pointer"]) for e in found["errors"]] == [("body", pointer)]
    assert words in found["errors"][0]["detail"]
    assert words in found["detail"]


def test_wrong_query_values() -> None:
    found = problem("GET", "/v1/calls/c1?wait=forever&timeout_s=-1")
    assert {(e["in"], e["parameter"]) for e in found["errors"]} == {("query", "wait"), ("query", "timeout_s")}


def test_what_was_sent_is_never_echoed() -> None:
    assert "s3cret" not in str(problem("POST", "/v1/calls", json={"target": {"password": "s3cret"}}))


@pytest.mark.parametrize("body", [b"{", b"nonsense", b'{"target": }', b"\xff\xfe", b"[" * 100_000, b'{"target": NaN'])
def test_malformed_json(body: bytes) -> None:
    found = problem("POST", "/v1/calls", content=body, headers={"Content-Type": "application/json"})
    assert (found["status"], found["type"]) == (400, "urn:softphone:problem:malformed")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""])
def test_a_body_that_is_not_declared_as_json(content_type: str) -> None:
    found = problem("POST", "/v1/calls", content=b'{"target": "9196"}', headers={"Content-Type": content_type})
    assert found["status"] == 415
    assert "application/json" in found["detail"]


def test_json_with_a_charset_is_json() -> None:
    async def run() -> None:
        async with serving() as served:
            headers = {"Content-Type": "Application/JSON; charset=utf-8"}
            response = await served.http.post("/v1/calls", content=b'{"target": "9196"}', headers=headers)
            assert response.status_code == 201

    asyncio.run(run())
