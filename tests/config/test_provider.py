"""`provider:`: where the parts of the service are, and what live events need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from softphone.config import Config, Provider, Secret, check
from softphone.config.provider import is_live_extension

BASE: dict[str, Any] = {"domain_uuid": "ddcfeb62-110f-4bd7-b7a9-965e1a78295f", "token": Secret("api")}
LIVE: dict[str, Any] = {"refresh_token": Secret("refresh"), "user_uuid": Secret("user")}


def problems(folder: Path, text: str) -> list[tuple[str, str]]:
    file = folder / "softphone.yaml"
    file.write_text(text)
    report = check(file, environ={"A": "a"})
    return [(problem.key, problem.message) for problem in report.problems]


def test_what_is_known_without_being_told() -> None:
    provider = Provider.model_validate(BASE)
    assert (provider.billing_url, provider.live_url) == ("https://client.kavkom.com", "https://live.kavkom.com")
    assert provider.live is None
    assert [secret.reveal() for secret in provider.secrets] == ["api"]


def test_all_secrets_are_named_so_that_they_can_be_hidden() -> None:
    provider = Provider.model_validate({**BASE, "live": LIVE})
    assert [secret.reveal() for secret in provider.secrets] == ["api", "refresh", "user"]
    shown = repr(provider) + provider.model_dump_json()
    assert not [secret for secret in provider.secrets if f"'{secret.reveal()}'" in shown or f'"{secret}"' not in shown]


@pytest.mark.parametrize("key", ["api_url", "billing_url", "live_url"])
def test_no_token_travels_in_clear(tmp_path: Path, key: str) -> None:
    text = (
        "provider: {domain_uuid: ddcfeb62-110f-4bd7-b7a9-965e1a78295f, token: {env: A}, %s: 'http://pbx.example'%s}\n"
    )
    ((place, message),) = problems(tmp_path, text % (key, ""))
    assert place == f"provider.{key}"
    assert "allow_http" in message
    assert problems(tmp_path, text % (key, ", allow_http: true")) == []


def test_live_events_need_their_token_and_user(tmp_path: Path) -> None:
    text = (
        "provider:\n  domain_uuid: ddcfeb62-110f-4bd7-b7a9-965e1a78295f\n  token: {env: A}\n"
        "  live: {refresh_token: {env: B}, extensions: [1001, door]}\n"
    )
    found = dict(problems(tmp_path, text))
    assert "variable B is not set" in found["provider.live.refresh_token"]
    assert "provider.live.user_uuid" in found
    assert "plain numbers such as 1001, not 'door'" in found["provider.live.extensions"]


def test_extensions_to_follow_may_be_written_as_numbers() -> None:
    provider = Provider.model_validate({**BASE, "live": {**LIVE, "extensions": [1001, "1002", 1001]}})
    assert provider.live is not None
    assert provider.live.extensions == ("1001", "1002")


@pytest.mark.parametrize(
    ("extension", "fit"),
    [("1001", True), ("0", True), ("0901", False), ("door", False), ("", False), ("-1", False), ("٣", False)],
)
def test_what_the_live_service_can_know(extension: str, fit: bool) -> None:
    assert is_live_extension(extension) is fit


def test_a_provider_for_live_events_alone_is_of_use(tmp_path: Path) -> None:
    file = tmp_path / "softphone.yaml"
    file.write_text(
        "provider:\n  domain_uuid: ddcfeb62-110f-4bd7-b7a9-965e1a78295f\n  token: {env: A}\n"
        "  live: {refresh_token: {env: A}, user_uuid: {env: A}}\n"
    )
    warnings = check(file, environ={"A": "a"}).warnings
    assert not [warning for warning in warnings if warning.key == "provider"]
    assert Config.model_validate({"provider": {**BASE, "live": LIVE}}).provider is not None
