"""config.example.yaml: it loads, it shows every key, and the defaults that it states are the real ones."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from softphone.config import Config, check, load
from softphone.config.problems import child_model
from softphone.config.yamltree import parse

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"

# Where the example shows something else than the default, because the default is nothing or depends on the machine
_NOT_DEFAULT = {
    "provider.domain_uuid",
    "provider.token",
    "provider.live",
    "accounts",
    "media.recordings_dir",
    "control.socket",
    "trace.hep",
    "nat.stun",
    "nat.turn",
    "web.token",
    "webhook",
    "webhook.listen",
    "webhook.secret",
    "sip_credentials",
    "sip_credentials.listen",
    "sip_credentials.token",
    "sip_credentials.extensions",
}

_LIVE = {"KAVKOM_REFRESH_TOKEN": "refresh-token", "KAVKOM_USER_UUID": "user-uuid"}
_DOORS = {"WEBHOOK_SECRET": "Bearer webhook-secret", "SIP_CREDENTIALS_TOKEN": "credentials-token"}


WEB_TOKEN = {"SOFTPHONE_WEB_TOKEN": "a web token of length"}


def keys_of(model: type[BaseModel], place: str = "") -> Iterator[str]:
    """Every key of the model and of the models inside it, dotted; list indices left out."""
    for name, info in model.model_fields.items():
        key = info.alias or name
        path = f"{place}.{key}" if place else key
        yield path
        if (inner := child_model(model, key)) is not None:
            yield from keys_of(inner, path)


def keys_in(data: Any, place: str = "") -> Iterator[str]:
    """The same for what stands in a file."""
    if isinstance(data, list):
        for item in data:
            yield from keys_in(item, place)
    if isinstance(data, dict):
        for key, value in data.items():
            path = f"{place}.{key}" if place else key
            yield path
            yield from keys_in(value, path)


@pytest.fixture
def data() -> Any:
    return parse(EXAMPLE.read_text(encoding="utf-8")).data


def test_it_loads(tmp_path: Path) -> None:
    for name in ("secrets", "sounds"):
        (tmp_path / name).mkdir()
    (tmp_path / "secrets/door").write_text("sip-secret\n")
    (tmp_path / "secrets/door").chmod(0o600)
    (tmp_path / "sounds/welcome.wav").write_bytes(b"RIFF")
    copy = tmp_path / "softphone.yaml"
    copy.write_bytes(EXAMPLE.read_bytes())
    config = load(
        copy, environ={"KAVKOM_TOKEN": "api-token", "TURN_PASSWORD": "turn-secret"} | _LIVE | _DOORS | WEB_TOKEN
    )
    assert config.provider is not None
    assert config.provider.token.reveal() == "api-token"
    assert [account.pulled for account in config.accounts] == [True, True, True, False]
    assert config.media.recordings_dir == tmp_path / "recordings"


def test_it_needs_nothing_but_the_secrets_and_files_it_names() -> None:
    report = check(EXAMPLE, read_secrets=False, check_files=False)
    assert report.ok
    assert not report.warnings


def test_every_key_is_shown(data: Any) -> None:
    # `rtp_ports` is shown in its short form; the long one stands in its comment
    shown = set(keys_in(data)) | {"media.rtp_ports.first", "media.rtp_ports.last"}
    assert set(keys_of(Config)) - shown == set()


def test_every_key_has_a_comment_or_stands_under_one() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    bare = [line for line in lines if line.startswith("    ") and ":" in line and "#" not in line]
    # Within an account these repeat what was explained above; a header's name is the user's own
    assert {line.split(":")[0].strip(" -") for line in bare} <= {
        "tls", "action", "audio", "X-Site", "from", "input", "output", "enabled",
    }  # fmt: skip


def test_the_values_shown_are_the_defaults() -> None:
    report = check(EXAMPLE, read_secrets=False, check_files=False)
    assert report.config is not None
    config = report.config
    sections = {"": config, **{name: getattr(config, name) for name in type(config).model_fields if name != "accounts"}}
    different = {
        f"{part}.{name}".strip(".")
        for part, section in sections.items()
        for name, info in type(section).model_fields.items()
        if getattr(section, name) != info.get_default(call_default_factory=True, validated_data={})
    }
    parts = {"provider", "media", "control", "trace", "nat", "web"}  # those with such a key inside
    assert different == _NOT_DEFAULT | parts


def test_the_account_settings_shown_first_are_the_defaults(data: Any) -> None:
    report = check(EXAMPLE, read_secrets=False, check_files=False)
    assert report.config is not None
    first = report.config.accounts[0]
    defaults = {name: info.get_default() for name, info in type(first).model_fields.items()}
    different = {name for name, value in defaults.items() if getattr(first, name) != value}
    assert different == {"extensions", "port", "incoming", "headers"}
