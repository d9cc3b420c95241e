from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.addresses import HostPort, NameAddr, SipUri, target_uri
from softphone.errors import UsageError


@pytest.mark.parametrize(
    ("target", "uri"),
    [
        ("9196", "sip:9196@pbx.example"),
        ("+33 6 12-34.56 (78)", "sip:+33612345678@pbx.example"),
        ("*97", "sip:*97@pbx.example"),
        ("alice", "sip:alice@pbx.example"),
        ("bob@other.example", "sip:bob@other.example"),
        ("sip:bob@other.example;transport=tcp", "sip:bob@other.example;transport=tcp"),
        ("SIPS:bob@[2001:db8::1]:5061", "sips:bob@[2001:db8::1]:5061"),
        ("tel:+15551234;phone-context=x", "sip:+15551234@pbx.example"),
        ("#31#5551234", "sip:%2331%235551234@pbx.example"),
    ],
)
def test_what_people_dial(target: str, uri: str) -> None:
    assert target_uri(target, "pbx.example") == uri


@pytest.mark.parametrize("target", ["", "  ", "sip:", "sip:bob@", "a b", "http://x", "bob@ho st", "sip:x@h:99999"])
def test_what_nobody_can_dial(target: str) -> None:
    with pytest.raises(UsageError):
        target_uri(target, "pbx.example")


def test_a_uri_keeps_its_parameters_and_loses_its_password() -> None:
    uri = SipUri.parse("sip:bob:secret@h.example:5070;transport=tls;lr?Subject=x")
    assert uri == SipUri("h.example", "bob", 5070, "sip", {"transport": "tls", "lr": ""})
    assert str(uri) == "sip:bob@h.example:5070;transport=tls;lr"


@pytest.mark.parametrize(
    ("text", "uri", "name", "user"),
    [
        ('"Bob \\"B\\" X" <sip:bob@h.example>;tag=1', "sip:bob@h.example", 'Bob "B" X', "bob"),
        ("Bob <sip:bob@h.example>", "sip:bob@h.example", "Bob", "bob"),
        ("sip:bob@h.example;tag=1", "sip:bob@h.example", "", "bob"),
        ("<tel:+1555;x=y>", "tel:+1555;x=y", "", "+1555"),
        ("garbage", "garbage", "", ""),
    ],
)
def test_from_headers(text: str, uri: str, name: str, user: str) -> None:
    address = NameAddr.parse(text)
    assert (address.uri, address.display_name, address.user) == (uri, name, user)


@given(st.text())
def test_no_from_header_is_too_odd(text: str) -> None:
    assert isinstance(NameAddr.parse(text).user, str)


@given(st.text())
def test_a_target_is_understood_or_refused_in_words(text: str) -> None:
    try:
        uri = target_uri(text, "pbx.example")
    except UsageError as error:
        uri = f"sip:refused {error}"
    assert uri.lower().startswith(("sip:", "sips:"))


@given(st.text(min_size=1))
def test_any_user_survives_the_way_through_a_uri(user: str) -> None:
    assert SipUri.parse(str(SipUri("h.example", user))).user == user


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("h", HostPort("h")),
        ("h:5061", HostPort("h", 5061)),
        ("[::1]", HostPort("::1")),
        ("[::1]:1", HostPort("::1", 1)),
    ],
)
def test_host_and_port(text: str, place: HostPort) -> None:
    assert HostPort.parse(text) == place
    assert str(place) == text


@pytest.mark.parametrize("text", ["", "h:", "h:x", "::1", "h h", "-h-", "h:70000"])
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(UsageError):
        HostPort.parse(text)
