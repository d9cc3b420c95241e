"""The OpenAPI document: complete, consistent, and true to what is served."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest
from pydantic import TypeAdapter

from softphone.control.examples import ACCOUNT, CALL, STATUS
from softphone.control.openapi import document
from softphone.control.routes import ROUTES
from softphone.engine.views import AccountView, AgentStatus, CallView
from softphone.events import event_types
from tests.control.harness import serving

DOCUMENT = document()
SCHEMAS = DOCUMENT["components"]["schemas"]


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


def test_it_is_served() -> None:
    async def run() -> None:
        async with serving() as served:
            response = await served.http.get("/openapi.json")
            assert response.headers["content-type"] == "application/json"
            assert response.json() == DOCUMENT

    asyncio.run(run())


def test_every_resource_is_in_it() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    assert len([*operations()]) == len(ROUTES)
    wanted = {
        "/v1/status",
        "/v1/accounts/{id}/register",
        "/v1/provider/refresh",
        "/v1/calls/{id}/dtmf",
        "/v1/calls/{id}/plays/{play_id}",
        "/v1/calls/{id}/records/{record_id}",
        "/v1/events",
        "/healthz",
        "/readyz",
    }
    assert wanted <= set(DOCUMENT["paths"])


def test_every_reference_leads_somewhere() -> None:
    refs = {node["$ref"] for node in walk(DOCUMENT) if isinstance(node.get("$ref"), str)}
    assert refs
    for ref in refs:
        assert ref.removeprefix("#/components/schemas/") in SCHEMAS


def test_operation_ids_are_unique_names() -> None:
    ids = [operation["operationId"] for _, operation in operations()]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in ids)


@pytest.mark.parametrize(("name", "operation"), [*operations()])
def test_every_operation_says_what_it_does_and_returns_and_how_it_fails(name: str, operation: dict[str, Any]) -> None:
    assert operation["description"]
    responses = operation["responses"]
    successes = {status: r for status, r in responses.items() if status.startswith("2")}
    assert len(successes) == 1
    for status, success in successes.items():
        assert status == "204" or all(media["schema"] for media in success["content"].values())
    for status, failure in responses.items():
        if status not in successes:
            schema = failure["content"]["application/problem+json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ProblemDocument"}
    assert "default" in responses
    if "requestBody" in operation:
        assert {"400", "415", "422"} <= set(responses)
    if "{id}" in name:
        assert "404" in responses


def test_titles_are_the_names_of_the_schemas() -> None:
    """Client generators name classes by title: two of one name would clash."""
    assert {name: schema["title"] for name, schema in SCHEMAS.items()} == {name: name for name in SCHEMAS}


def test_every_event_has_a_schema_with_all_its_fields() -> None:
    mapping = SCHEMAS["Event"]["discriminator"]["mapping"]
    assert set(mapping) == {*event_types(), "stream.gap"}
    for name, cls in event_types().items():
        schema = SCHEMAS[mapping[name].rpartition("/")[2]]
        fields = set(get_type_hints(cls)) - {"type"}
        assert set(schema["properties"]) == {"id", "time", "type"} | fields
        assert schema["required"] == list(schema["properties"])
        assert schema["properties"]["type"]["const"] == name


@pytest.mark.parametrize(("view", "example"), [(AccountView, ACCOUNT), (CallView, CALL), (AgentStatus, STATUS)])
def test_examples_are_complete_and_valid(view: type[Any], example: dict[str, Any]) -> None:
    adapter = TypeAdapter(view)
    assert adapter.dump_python(adapter.validate_python(example)) == example


def test_fields_are_described() -> None:
    assert SCHEMAS["CallView"]["properties"]["sip_call_id"]["description"].startswith("The dialog's Call-ID")
    assert SCHEMAS["DialRequest"]["properties"]["target"]["description"] == "A number, an extension or a SIP URI."
    assert SCHEMAS["MessageView"]["properties"]["transport"]["description"] == "udp, tcp or tls."
    assert "description" not in SCHEMAS["AccountCounts"]["properties"]["total"]
