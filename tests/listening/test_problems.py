"""Problem documents, byte by byte."""

from __future__ import annotations

from softphone.listening.problems import BUSY, Problem
from softphone.web.problems import Problem as WebProblem


def test_members_follow_the_core_in_order() -> None:
    document = Problem(BUSY, "é is open", {"open": 3}).as_json("/v1/calls")
    assert document.decode() == (
        '{"type":"urn:softphone:problem:too-many-connections","title":"Too many connections","status":503,'
        '"detail":"é is open","instance":"/v1/calls","open":3}'
    )


def test_the_page_is_answered_in_ascii() -> None:
    document = WebProblem(BUSY, "é is open").as_json()
    assert document == (
        b'{"type": "urn:softphone:problem:too-many-connections", "title": "Too many connections", "status": 503,'
        b' "detail": "\\u00e9 is open"}'
    )


def test_an_answer_carries_status_type_and_headers() -> None:
    response = Problem(BUSY, "later").response(headers={"Retry-After": "5"})
    assert (response.status_code, response.headers["content-type"], response.headers["retry-after"]) == (
        503,
        "application/problem+json",
        "5",
    )
