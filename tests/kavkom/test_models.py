"""Records of the extension list: what is taken, what is refused, and that no secret shows."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.config import Secret
from softphone.kavkom.models import parse_extension, wrap_secrets
from tests.kavkom.answers import DOMAIN_UUID, PASSWORD, record


def test_the_documented_record() -> None:
    extension = parse_extension(record())
    assert extension.id == "901@client.kavkom.com"
    assert extension.password is not None
    assert extension.password.reveal() == PASSWORD
    assert extension.enabled is True
    assert extension.domain_uuid == DOMAIN_UUID


@pytest.mark.parametrize(("sent", "read"), [("true", True), (1, True), ("0", False), (False, False), (None, None)])
def test_enabled_in_all_its_spellings(sent: object, read: bool | None) -> None:
    assert parse_extension(record(enabled=sent)).enabled is read


def test_half_characters_are_replaced() -> None:
    assert parse_extension(record(description="a\ud800")).description == "a?"


def test_numbers_become_text() -> None:
    extension = parse_extension(record(901, password=123456, extension_uuid=7))
    assert (extension.extension, extension.extension_uuid) == ("901", "7")
    assert extension.password == Secret("123456")


def test_what_may_be_missing() -> None:
    extension = parse_extension({"extension": "901", "user_context": "Client.Kavkom.Com."})
    assert extension.id == "901@client.kavkom.com"
    assert extension.password is None
    assert extension.enabled is None


@pytest.mark.parametrize("password", [None, ""])
def test_no_password(password: object) -> None:
    assert parse_extension(record(password=password)).password is None


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("hunter2", "is not an object"),
        (None, "is not an object"),
        ({}, "extension is missing; user_context is not a host name"),
        (record(extension=None), "extension"),
        (record(extension=True), "extension"),
        (record(extension=9.5), "extension"),
        (record(extension=["901"]), "extension"),
        (record(extension="9 01"), "extension is not usable as a SIP user name"),
        (record(extension="901;transport=udp"), "SIP user name"),
        (record(extension=""), "SIP user name"),
        (record(user_context=None), "user_context is not a host name"),
        (record(user_context="a.example;x"), "user_context is not a host name"),
        (record(user_context="hunter2 hunter2"), "user_context is not a host name"),
        (record(password="hunter2\r\n"), "password: holds control characters"),
        (record(password=["hunter2"]), "password"),
        (record(enabled="perhaps"), "enabled is neither true nor false"),
        (record(extension_uuid={"a": 1}), "extension_uuid"),
    ],
)
def test_what_is_wrong_is_named_and_not_shown(sent: object, text: str) -> None:
    with pytest.raises(ValueError, match=".") as caught:
        parse_extension(sent)
    assert text in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None


def test_unknown_fields_are_kept_and_their_secrets_wrapped() -> None:
    fields = {
        "voicemail_password": "hunter2",
        "call_timeout": 30,
        "user": {"username": "ann", "api_key": "hunter2", "tokens": ["hunter2"], "pin": 1234, "note": "x\ud800"},
    }
    extension = parse_extension(record(**fields))
    assert extension.extra["call_timeout"] == 30
    user = extension.extra["user"]
    assert (user["username"], user["note"]) == ("ann", "x?")
    assert extension.extra["voicemail_password"].reveal() == "hunter2"
    assert (user["api_key"], user["tokens"], user["pin"]) == (Secret("hunter2"), [Secret("hunter2")], Secret("1234"))
    for shown in (repr(extension), str(extension), extension.model_dump_json(), repr(extension.extra)):
        assert "hunter2" not in shown
        assert PASSWORD not in shown


def test_absurd_nesting_in_unknown_fields_is_dropped() -> None:
    deep: Any = "end"
    for _ in range(200):
        deep = {"a": deep}
    assert "end" not in json.dumps(wrap_secrets(deep))


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_NAMES = st.sampled_from(
    ["extension", "user_context", "extension_uuid", "password", "enabled", "description", "extra", "x"]
)


@given(st.dictionaries(_NAMES, _VALUES) | _VALUES, st.booleans())
def test_any_record_gives_an_extension_or_a_value_error(value: object, usable: bool) -> None:
    if usable and isinstance(value, dict):
        value = {**record(), **value}
    with contextlib.suppress(ValueError):
        extension = parse_extension(value)
        assert extension.id.isascii()
        assert extension.model_dump_json()
