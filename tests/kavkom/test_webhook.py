"""Webhook bodies: the documented one, an administrator's own names, and what makes no sense."""

from __future__ import annotations

import json
from typing import Any

import pytest

from softphone.config import Secret
from softphone.errors import ProviderUnreadable, UsageError
from softphone.kavkom import WebhookMapping, parse_webhook

CDR = {
    "event": "cdr",
    "callUuid": "a1b2c3d4-...-ef1234567890",
    "direction": "outbound",
    "number": "33612345678",
    "state": "finished",
    "duration": 120,
}


def body(data: Any) -> bytes:
    return json.dumps(data).encode()


def test_the_documented_body() -> None:
    event = parse_webhook(body(CDR))
    assert (event.kind, event.event, event.call_uuid) == ("cdr", "cdr", "a1b2c3d4-...-ef1234567890")
    assert (event.direction, event.number, event.state) == ("outbound", "33612345678", "finished")
    assert (event.duration_s, event.extension, event.created_epoch_s) == (120.0, "", None)
    assert (event.extra, event.problems) == ({}, ())


def test_a_live_call_in_the_websockets_envelope() -> None:
    data = {"callUuid": "a", "state": "ringing", "presenceId": "1001@contact.example.kavkom.com", "createdEpoch": "17"}
    event = parse_webhook(body({"event": "call", "data": data}))
    assert (event.kind, event.call_uuid, event.extension, event.created_epoch_s) == ("call", "a", "1001", 17.0)
    assert event.extra == {}


def test_a_mapping_of_the_administrators_own() -> None:
    mapping = WebhookMapping(
        {
            "call.id": "call_uuid",
            "call.times.0": "created_epoch_s",
            "a.b": "number",
            "t": "event",
            "who": "extension",
        },
        {"hangup": "cdr"},
    )
    data = {"t": "hangup", "call": {"id": 17, "times": [1710763200123], "x": 1}, "a.b": "33", "who": 901, "crm": "z"}
    event = parse_webhook(body(data), mapping)
    assert (event.kind, event.call_uuid, event.extension, event.number) == ("cdr", "17", "901", "33")
    assert event.created_epoch_s == 1710763200.123
    assert event.extra == {"call": {"times": [1710763200123], "x": 1}, "crm": "z"}  # lists stay whole


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"callUuid": "a", "state": "finished"}, "cdr"),
        ({"callUuid": "a", "state": "ringing"}, "call"),
        ({"callUuid": "a", "event": "CDR"}, "cdr"),
        ({"callUuid": "a", "event": "recording"}, "other"),
        ({"event": "test"}, "other"),
    ],
)
def test_what_kind_it_is(data: Any, kind: str) -> None:
    assert parse_webhook(body(data)).kind == kind


def test_optional_fields_without_sense_are_named_by_their_names() -> None:
    event = parse_webhook(
        body({"id": "a", "event": "cdr", "secs": -1, "number": [], "answeredEpoch": "x"}),
        WebhookMapping({"id": "call_uuid", "secs": "duration_s"}),
    )
    assert event.problems == (
        "number: expected text",
        "answeredEpoch: expected a number",
        "secs: expected seconds, 0 or more",
    )
    assert event.duration_s is None


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"callUuid=a", "is broken JSON (line 1 column 1)"),
        (b'{"callUuid": "a"', "is broken JSON"),
        (b"[]", "no object"),
        (b'"x"', "no object"),
        (b'{"\xff": 1}', "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b'{"callUuid": NaN}', "cannot be read"),
        (b" " * 300_000, "larger than 256 KiB"),
        (b"{}", "names no call: `callUuid` is missing"),
        (b'{"event":"cdr","callUuid":""}', "names no call: `callUuid` is empty or no text"),
        (b'{"event":"cdr","callUuid":{"hunter2":1}}', "names no call"),
    ],
)
def test_what_makes_no_sense(raw: bytes, text: str) -> None:
    with pytest.raises(ProviderUnreadable) as caught:
        parse_webhook(raw)
    assert text in str(caught.value)
    assert caught.value.service == "webhook"
    assert "hunter2" not in str(caught.value)


def test_an_error_names_the_place_by_the_mapping() -> None:
    with pytest.raises(ProviderUnreadable, match=r"`call\.id` is missing") as caught:
        parse_webhook(body({"call": {}}), WebhookMapping({"call.id": "call_uuid"}))
    assert caught.value.place == "call.id"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"id": "callUuid"}, "none of event, call_uuid"),
        ({"a": "number", "b": "number"}, "both 'a' and 'b'"),
        ({"a..b": "number"}, "no path"),
        ({"": "number"}, "no path"),
    ],
)
def test_a_mapping_that_makes_no_sense(fields: dict[str, str], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        WebhookMapping(fields)


def test_secrets_in_variables_are_wrapped() -> None:
    event = parse_webhook(body({**CDR, "vars": {"crm_token": "hunter2"}}))
    assert event.extra == {"vars": {"crm_token": Secret("hunter2")}}
    assert "hunter2" not in repr(event) + event.model_dump_json()
