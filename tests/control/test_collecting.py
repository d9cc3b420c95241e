"""Collecting digits over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from softphone.engine.collecting import CollectPlan
from tests.control.test_resources import request


def test_a_collection_begins_with_what_was_asked_for() -> None:
    status, view, commands, _ = request("POST", "/v1/calls/c1/collect", {"max_digits": 4, "stop_plays": True})
    assert (status, view["id"], view["running"]) == (201, "g1", True)
    assert commands == [("start_collect", "c1", CollectPlan(max_digits=4, stop_plays=True))]
    assert request("POST", "/v1/calls/c1/collect", None)[2] == [("start_collect", "c1", CollectPlan())]


def test_its_result_is_waited_for_or_not() -> None:
    assert request("GET", "/v1/calls/c1/collects/g1?timeout_s=5")[1]["digits"] == "12"
    assert request("GET", "/v1/calls/c1/collects/g1")[1]["running"] is True


def test_it_is_stopped_and_what_was_typed_is_forgotten() -> None:
    status, view, commands, _ = request("DELETE", "/v1/calls/c1/collects/g1")
    assert (status, view["reason"], commands) == (200, "stopped", [("stop_collect", "c1", "g1")])
    assert request("DELETE", "/v1/calls/c1/typed")[::2] == (204, [("forget_typed", "c1")])


@pytest.mark.parametrize(
    "body", [{"max_digits": 0}, {"terminators": "x"}, {"first_timeout_s": 0}, {"total_s": -1}, {"digits": 4}]
)
def test_what_is_not_understood_reaches_nobody(body: Any) -> None:
    status, _, commands, _ = request("POST", "/v1/calls/c1/collect", body)
    assert (status, commands) == (422, [])
