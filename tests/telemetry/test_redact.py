"""Secrets in lines: masked by what they are, by name and by place, and nothing else is touched."""

import json
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.config.secrets import Secret
from softphone.telemetry.redact import Redactor, mask_fields, mask_places, names_a_secret

VALUE = "s3cret-hunter2"


@pytest.mark.parametrize(
    "key",
    ["password", "sip_password", "Authorization", "proxy-authorization", "X-API-TOKEN", "api_key", "refresh_token"]
    + ["client-secret", "Set-Cookie", "credentials", "passphrase"],
)
def test_fields_that_name_a_secret(key: str) -> None:
    assert mask_fields({key: VALUE, "call": "c1"}) == {key: "***", "call": "c1"}


@pytest.mark.parametrize("key", ["call", "tokens_left", "key", "monkey", "secretary", "author", "digit", 7, None])
def test_fields_that_do_not(key: object) -> None:
    assert not names_a_secret(key)


def test_an_absent_secret_shows_as_absent() -> None:
    assert mask_fields({"token": None, "password": ""}) == {"token": None, "password": ""}


def test_secrets_at_any_depth() -> None:
    fields = {
        "a": [{"b": ({"password": VALUE},)}, f"token={VALUE}"],
        "c": Secret(VALUE),
        "d": f"Bearer {VALUE}".encode(),
    }
    assert mask_fields(fields) == {
        "a": [{"b": [{"password": "***"}]}, "token=***"],
        "c": "***",
        "d": "Bearer ***",
    }


REGISTER = (
    "REGISTER sip:pbx.example SIP/2.0\r\n"
    "Via: SIP/2.0/TLS 192.0.2.1:5061\r\n"
    'Authorization: Digest username="901", realm="pbx.example",\r\n'
    f' response="{VALUE}"\r\n'
    "Contact: <sip:901@192.0.2.1>\r\n\r\n"
)


def test_a_traced_message_loses_its_credentials_and_nothing_else() -> None:
    assert mask_places(REGISTER).splitlines() == [
        "REGISTER sip:pbx.example SIP/2.0",
        "Via: SIP/2.0/TLS 192.0.2.1:5061",
        "Authorization: ***",
        "Contact: <sip:901@192.0.2.1>",
        "",
    ]


def test_a_repr_of_a_message_too() -> None:
    for written in (repr(REGISTER.encode()), json.dumps(REGISTER)):
        shown = mask_places(written)
        assert VALUE not in shown
        assert "Contact: <sip:901@192.0.2.1>" in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"GET /x X-API-TOKEN: {VALUE}", "GET /x X-API-TOKEN: ***"),
        (f"https://pbx.example/x?token={VALUE}&page=2", "https://pbx.example/x?token=***&page=2"),
        (f'{{"password": "{VALUE}\\" x", "extension": "901"}}', '{"password": ***, "extension": "901"}'),
        (f"{{'secret': '{VALUE}', 'n': 1}}", "{'secret': ***, 'n': 1}"),
        (f"sip_password={VALUE}, next", "sip_password=***, next"),
        (f"Basic {VALUE}", "Basic ***"),
        ("accounts[3].password: the file secrets/door cannot be read", None),
        ("the token was refused (401): make a new one", None),
        ("account.failed account=901@pbx.example code=403 reason=Forbidden", None),
    ],
)
def test_places(text: str, shown: str | None) -> None:
    assert mask_places(text) == (shown or text)


def test_a_registered_secret_is_masked_wherever_it_stands() -> None:
    secret = 'pass "wörd"/1'
    redactor = Redactor([Secret(secret), "other"])
    for written in (secret, json.dumps(secret), json.dumps(secret, ensure_ascii=False), "pass%20%22w%C3%B6rd%22%2F1"):
        assert redactor.mask(f"a {written} b other c") in ("a *** b *** c", 'a "***" b *** c')


def test_the_longer_of_two_secrets_goes_first() -> None:
    assert Redactor(["abcd", "abcdef"]).mask("xabcdefx abcd") == "x***x ***"


def test_three_characters_are_no_secret() -> None:
    assert Redactor(["123"]).mask("extension 123") == "extension 123"


@given(st.text(min_size=4, max_size=40), st.text(max_size=60), st.text(max_size=60))
def test_no_line_around_it_saves_a_secret(secret: str, before: str, after: str) -> None:
    assert secret not in Redactor([secret]).mask(before + secret + after).replace("***", "\0")


def test_a_thousand_secrets_cost_as_little_as_one() -> None:
    """Work, not time: the line's pieces are looked up, the secrets are not gone through."""
    many = Redactor(secrets.token_urlsafe(16) for _ in range(1000))
    assert many.mask("call.answered call=c1") == "call.answered call=c1"
    assert max(len(texts) for texts in many._texts.values()) < 10
