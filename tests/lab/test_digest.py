"""Digest: the RFCs' own examples, and what strangers send."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.lab.sip.digest import (
    Credentials,
    DigestAuthority,
    Verdict,
    digest_response,
    parse_credentials,
)

RFC7616 = (
    'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm={algorithm}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, '
    'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="{response}", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc7616_section_3_9_1(algorithm: str, response: str) -> None:
    credentials = parse_credentials(RFC7616.format(algorithm=algorithm, response=response))
    made = digest_response(
        credentials,
        method="GET",
        username="Mufasa",
        realm="http-auth@example.org",
        password="Circle of Life",
    )
    assert made == response == credentials.get("response")


def test_rfc2617_section_3_5() -> None:
    credentials = parse_credentials(
        'Digest username="Mufasa",realm="testrealm@host.com",nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",'
        'uri="/dir/index.html",qop=auth,nc=00000001,cnonce="0a4f113b"'
    )
    made = digest_response(
        credentials, method="GET", username="Mufasa", realm="testrealm@host.com", password="Circle Of Life"
    )
    assert made == "6629fae49393a05397450978507c4ef1"


def test_rfc2069_form_without_qop() -> None:
    credentials = Credentials({"nonce": "n", "uri": "sip:a"})
    made = digest_response(credentials, method="REGISTER", username="u", realm="r", password="p")

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    assert made == md5(md5("u:r:p") + ":n:" + md5("REGISTER:sip:a"))


def test_commas_quotes_and_blanks_inside_quotes() -> None:
    credentials = parse_credentials(r'Digest username = "a, b=\"c\"" ,nonce="x,y" , qop=auth')
    assert credentials.parameters == {"username": 'a, b="c"', "nonce": "x,y", "qop": "auth"}


@pytest.mark.parametrize("value", ["Basic abc", "Digest a", 'Digest a="b', 'Digest a=b, a="c"', "Digest a=b;c=d e"])
def test_broken_headers_are_value_errors(value: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_credentials(value)


@given(st.text())
def test_any_text_parses_or_is_a_value_error(text: str) -> None:
    try:
        parse_credentials("Digest " + text)
    except ValueError:
        return


class Client:
    """Answers challenges as a phone does."""

    def __init__(self, authority: DigestAuthority, algorithm: str = "MD5") -> None:
        challenge = next(each for each in authority.challenges("r") if f"algorithm={algorithm}" in each)
        self.parameters = dict(parse_credentials(challenge).parameters)
        self.authority = authority

    def verify(self, count: str = "00000001", password: str = "p", **changed: str) -> Verdict:
        values = {**self.parameters, "username": "u", "uri": "sip:r", "cnonce": "c", "nc": count, **changed}
        values["response"] = digest_response(
            Credentials(values), method="REGISTER", username="u", realm="r", password=password
        )
        return self.authority.verify(Credentials(values), method="REGISTER", realm="r", password="p")


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_nonce_count_must_grow(algorithm: str) -> None:
    client = Client(DigestAuthority(["SHA-256", "MD5"], 60), algorithm)
    assert client.verify("00000001") is Verdict.GOOD
    assert client.verify("00000001") is Verdict.STALE
    assert client.verify("0000000a") is Verdict.GOOD
    assert client.verify("00000009") is Verdict.STALE


def test_a_wrong_password_is_wrong_even_with_a_dead_nonce() -> None:
    client = Client(DigestAuthority(["MD5"], 60))
    assert client.verify(password="x") is Verdict.WRONG
    client.authority.expire_nonces()
    assert client.verify(password="x") is Verdict.WRONG
    assert client.verify() is Verdict.STALE


def test_nonces_grow_old() -> None:
    now = [0.0]
    client = Client(DigestAuthority(["MD5"], 60, clock=lambda: now[0]))
    now[0] = 59
    assert client.verify("00000001") is Verdict.GOOD
    now[0] = 61
    assert client.verify("00000002") is Verdict.STALE


def test_without_qop_a_nonce_serves_once() -> None:
    client = Client(DigestAuthority(["MD5"], 60))
    assert client.verify(qop="") is Verdict.GOOD
    assert client.verify(qop="") is Verdict.STALE


def test_other_algorithms_realms_and_counts_are_wrong() -> None:
    authority = DigestAuthority(["MD5"], 60)
    assert Client(authority).verify(algorithm="SHA-256") is Verdict.WRONG
    assert Client(authority).verify(realm="elsewhere") is Verdict.WRONG
    assert Client(authority).verify(count="zz") is Verdict.WRONG
    values = {**Client(authority).parameters, "qop": "auth-int", "response": "0"}
    assert authority.verify(Credentials(values), method="REGISTER", realm="r", password="p") is Verdict.WRONG


def test_a_flood_of_challenges_keeps_the_table_small() -> None:
    authority = DigestAuthority(["MD5"], 60)
    for _ in range(25_000):
        authority.challenges("r")
    assert Client(authority).verify() is Verdict.GOOD
