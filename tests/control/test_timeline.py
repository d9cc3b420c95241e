"""Timelines and click-to-call over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from softphone.errors import Conflict, ProviderDown, ProviderRefused
from softphone.timeline.query import Query
from tests.control.fake_pbx import known
from tests.control.harness import serving
from tests.control.test_resources import request


def test_timelines_are_listed_without_entries() -> None:
    status, page, commands, _ = request("GET", "/v1/timeline?limit=1&difference=any&since_s=5&complete=false")
    assert status == 200
    assert [(each["id"], each["entries"]) for each in page["timelines"]] == [(known()[0].id, [])]
    assert page["next"] == "1.5:t1"
    assert commands == [("timelines", Query(limit=1, difference="any", since_s=5.0, complete=False))]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "direction=up", "state=x", "since_s=x", "complete=perhaps"])
def test_a_query_that_makes_no_sense(query: str) -> None:
    status, problem, commands, _ = request("GET", f"/v1/timeline?{query}")
    assert (status, commands) == (422, [])
    assert query.split("=")[0] in problem["detail"]


@pytest.mark.parametrize("name", ["u1", "c1", known()[1].id])
def test_one_timeline_by_any_of_its_names(name: str) -> None:
    status, found, _, _ = request("GET", f"/v1/timeline/{name}")
    assert status == 200
    assert found["call_uuid"] == "u1"
    assert [each["what"] for each in found["entries"]][:2] == ["dialing", "ringing"]


def test_one_that_nobody_knows() -> None:
    assert request("GET", "/v1/timeline/nobody")[0] == 404


def test_a_call_is_ordered() -> None:
    status, view, commands, _ = request("POST", "/v1/click-to-call", {"destination": "33612345678", "account": "901"})
    assert (status, view["call_uuid"], view["expect"], view["recorded"]) == (201, "u1", "x1", True)
    (_, destination, wanted) = commands[0]
    assert (destination, wanted["account"], wanted["answer"]) == ("33612345678", "901", True)


@pytest.mark.parametrize(
    "body", [{}, {"destination": ""}, {"destination": "9", "within_s": 0}, {"destination": "a\nb"}]
)
def test_an_order_that_makes_no_sense_reaches_nobody(body: Any) -> None:
    assert request("POST", "/v1/click-to-call", body)[0::2] == (422, [])


@pytest.mark.parametrize(
    ("failure", "status"), [(Conflict("not now"), 409), (ProviderRefused("src invalid"), 502), (ProviderDown("?"), 503)]
)
def test_what_the_pbx_says_no_to(failure: Exception, status: int) -> None:
    async def run() -> int:
        async with serving() as served:
            served.agent.failure = failure
            return (await served.http.post("/v1/click-to-call", json={"destination": "9196"})).status_code

    assert asyncio.run(run()) == status
