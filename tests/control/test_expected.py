"""Announced calls over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.control.test_resources import request


def test_a_call_is_announced() -> None:
    status, view, commands, headers = request("POST", "/v1/expected", {"account": "901", "caller": "9*"})
    assert (status, view["id"], view["account"]) == (201, "x1", "901@pbx.example")
    assert commands == [("expect_call", "901@pbx.example", "9*", 30.0, 0.0, False)]


def test_announced_calls_are_listed_and_taken_back() -> None:
    assert [each["id"] for each in request("GET", "/v1/expected")[1]] == ["x1"]
    assert request("DELETE", "/v1/expected/x1")[0] == 204
    assert request("DELETE", "/v1/expected/x9")[0] == 404


@pytest.mark.parametrize(
    "body", [{}, {"account": "901", "within_s": 0}, {"account": "901", "caller": ""}, {"account": "901", "after_s": -1}]
)
def test_what_is_not_understood_reaches_nobody(body: Any) -> None:
    status, _, commands, _ = request("POST", "/v1/expected", body)
    assert (status, commands) == (422, [])
