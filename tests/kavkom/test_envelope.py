"""What an answer means: by its code, and by its body even when the code says something else."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.errors import ProviderDown, ProviderError, ProviderRefused
from softphone.kavkom.booleans import as_digit, parse_bool
from softphone.kavkom.envelope import Answer, Payload, read

WHERE = "api.kavkom.com/api/pbx/v1/extension/list"
TOKEN = "tok-hunter2"


def answer(body: object, status: int = 200, content_type: str = "application/json", location: str = "") -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, data, WHERE, content_type, location, hide=lambda text: text.replace(TOKEN, "***"))


def test_good_answers_of_both_services() -> None:
    pbx = read(answer({"data": [1], "success": True, "message": "Action completed successfully"}))
    assert (pbx.data, pbx.message) == ([1], "Action completed successfully")
    assert read(answer({"status": "success", "return": {"id": 152}})).data == {"id": 152}
    bare = {"invoiceid": 10231, "order_number": "0123456789"}
    assert read(answer(bare)).data == bare
    click = read(answer({"success": "true", "message": "ok", "call_uuid": "a1", "recording": "+OK"}))
    assert click.raw["call_uuid"] == "a1"


@pytest.mark.parametrize(
    "extra", [{"error": False}, {"error": None}, {"error": ""}, {"error": []}, {"success": 1}, {"success": None}]
)
def test_an_empty_error_is_no_error(extra: dict[str, Any]) -> None:
    assert read(answer({"data": [], **extra})).data == []


REFUSALS: list[tuple[object, int, list[str]]] = [
    (
        {
            "error": True,
            "message": "Model is not valid",
            "validationErrors": {"extension": "The extension field is required."},
        },
        422,
        ["refused (HTTP 422): Model is not valid; extension: The extension field is required."],
    ),
    ({"error": True, "message": "src invalid"}, 422, ["src invalid"]),
    ({"success": False, "message": "-ERR USER_BUSY"}, 422, ["-ERR USER_BUSY"]),
    ({"error": True, "message": "Model is not valid"}, 200, ["refused (HTTP 200)", "Model is not valid"]),
    ({"success": False, "message": "no"}, 200, ["refused (HTTP 200): no"]),
    ({"success": "false"}, 200, ["no reason given"]),
    ({"status": "error", "message": "Fields required: domain_uuid, options"}, 200, ["Fields required"]),
    ({"status": 401, "message": "no"}, 200, ["no"]),
    ({"error": "something broke", "data": []}, 200, ["something broke"]),
    ({"error": {"code": 7}, "data": []}, 200, ["no reason given"]),
    ({"success": True, "data": []}, 404, ["HTTP 404"]),
    ({"message": "Token is not authorized for this route"}, 403, ["provider.token", "provider.domain_uuid", "route"]),
    ({"error": True, "message": "Unauthorized"}, 401, ["Unauthorized", "provider.token"]),
    ({"error": True, "message": "Token not linked to domain"}, 200, ["provider.token"]),
    ({"error": True, "message": f"bad token {TOKEN}"}, 401, ["bad token ***"]),
    (
        b"<html><head><title>403 Forbidden</title></head></html>",
        403,
        ['HTML page titled "403 Forbidden"', "provider.token"],
    ),
    (b"<!DOCTYPE html><title>Not &amp; found</title>", 404, ['titled "Not & found"', "provider.api_url"]),
]


@pytest.mark.parametrize(("body", "status", "texts"), REFUSALS)
def test_refusals(body: object, status: int, texts: list[str]) -> None:
    with pytest.raises(ProviderRefused) as caught:
        read(answer(body, status))
    message = str(caught.value)
    assert message.startswith(WHERE)
    assert all(text in message for text in texts), message
    assert TOKEN not in message
    assert caught.value.status == status


FAILURES: list[tuple[object, int, str, str]] = [
    ({"error": True, "message": "try later"}, 500, "", "cannot answer now (HTTP 500): try later"),
    ({"error": True, "message": "slow down"}, 429, "", "cannot answer now (HTTP 429): slow down"),
    (b"", 200, "", "an empty body"),
    (b" \n", 204, "", "HTTP 204 with an empty body"),
    (b"<html><title>502 Bad Gateway</title>", 502, "text/html", 'HTTP 502 with an HTML page titled "502 Bad Gateway"'),
    (b"\n<!doctype html><body>hi", 200, "text/html", "an HTML page; JSON"),
    (b'{"data": [{"password": "hunter2"', 200, "", "JSON that ends too early (line 1 column 33)"),
    (b'{"data": "hunter2', 200, "", "JSON that ends too early"),
    (b'{"data" "hunter2"}', 200, "", "broken JSON (line 1 column 9)"),
    (b"upstream hunter2", 503, "text/plain; charset=utf-8", "text/plain that is not JSON"),
    (b"hunter2", 200, "", "something that is not JSON"),
    (b'{"a": "\xff"}', 200, "", "cannot be read"),
    (b"[" * 100_000, 200, "", "cannot be read"),
    (b'{"a": ' + b"9" * 10_000 + b"}", 200, "", "cannot be read"),
    ([1, 2], 200, "", "JSON that is a list where an object is expected"),
    ("hunter2", 200, "", "JSON that is a text"),
    (None, 200, "", "JSON that is null"),
    (True, 200, "", "JSON that is a boolean"),
    ({"success": "banana", "data": []}, 200, "", "neither true nor false"),
    ({"success": True, "data": []}, 302, "", "HTTP 302"),
]


@pytest.mark.parametrize(("body", "status", "content_type", "text"), FAILURES)
def test_no_usable_answer(body: object, status: int, content_type: str, text: str) -> None:
    with pytest.raises(ProviderDown) as caught:
        read(answer(body, status, content_type))
    message = str(caught.value)
    assert message.startswith(WHERE)
    assert text in message
    assert "hunter2" not in message
    assert caught.value.__context__ is None  # a parser's error would carry the body along


def test_a_redirect_is_named_and_not_followed() -> None:
    with pytest.raises(
        ProviderDown, match=r"redirects to https://login\.example/ \(HTTP 301\); check provider\.api_url"
    ):
        read(answer(b"", 301, location="https://login.example/"))


def test_remote_text_stays_one_bounded_line() -> None:
    with pytest.raises(ProviderRefused) as caught:
        read(answer({"error": True, "message": "a\x1b[31m\r\n\u202e" + "b" * 5000 + "\ud800"}, 400))
    message = str(caught.value)
    assert len(message) < 500
    assert message.isprintable()


@pytest.mark.parametrize("value", [True, 1, 1.0, "true", "TRUE", " yes ", "1", "on", "t"])
def test_yes(value: object) -> None:
    assert parse_bool(value) is True


@pytest.mark.parametrize("value", [False, 0, "false", "No", "0", "off", "f"])
def test_no(value: object) -> None:
    assert parse_bool(value) is False


@pytest.mark.parametrize("value", [None, 2, -1, "", "maybe", [], {}, float("nan")])
def test_neither(value: object) -> None:
    with pytest.raises(ValueError, match="neither"):
        parse_bool(value)


def test_writers() -> None:
    assert (as_digit(True), as_digit(False)) == ("1", "0")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
_ENVELOPES = st.dictionaries(
    st.sampled_from(["data", "success", "message", "error", "status", "return", "validationErrors"]), _JSON
)


def read_or_error(given_answer: Answer) -> Payload | ProviderError:
    try:
        return read(given_answer)
    except ProviderError as error:
        return error


@given(_ENVELOPES | _JSON, st.integers(min_value=100, max_value=599))
def test_any_json_gives_a_payload_or_our_error(body: object, status: int) -> None:
    outcome = read_or_error(answer(body, status))
    if isinstance(outcome, Payload):
        assert 200 <= status < 300
        assert isinstance(outcome.raw, dict)
    else:
        assert str(outcome).isprintable()


_BYTES = st.binary(max_size=200) | st.text(alphabet='{}[]",:<htmle/> \n\\u0d8', max_size=60).map(str.encode)


@given(_BYTES, st.sampled_from([200, 404, 500]))
def test_any_bytes_give_a_payload_or_our_error(body: bytes, status: int) -> None:
    assert read_or_error(answer(body, status))


@given(_JSON)
def test_any_value_is_yes_no_or_refused(value: object) -> None:
    with contextlib.suppress(ValueError):
        assert parse_bool(value) in (True, False)


@pytest.mark.parametrize("room", range(288, 302))
def test_no_part_of_a_token_is_left_where_a_long_text_is_cut(room: int) -> None:
    long = "x" * room + TOKEN
    answers = [
        answer({"error": True, "message": long}, 400),
        answer({"error": True, "message": "no", "validationErrors": {long: long}}, 422),
        answer(f"<html><title>{long}</title>".encode(), 502),
        answer(b"", 301, location=long),
    ]
    for each in answers:
        with pytest.raises(ProviderError) as caught:
            read(each)
        assert "xto" not in str(caught.value)
        assert "hunter" not in repr(vars(caught.value))
