"""Defaults and short forms of the model, its JSON Schema, and where files go when nobody says."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from softphone.addresses import HostPort
from softphone.config import Account, Audio, Config, Context, IncomingRule, Secret, Shard, json_schema
from softphone.config.places import default_recordings, default_socket

STATIC: dict[str, Any] = {"username": "901", "password": Secret("x"), "domain": "PBX.Example.com."}


def account(**keys: Any) -> Account:
    return Account.model_validate({**STATIC, **keys})


def test_a_static_account_needs_three_keys() -> None:
    plain = account()
    assert plain.id == "901@pbx.example.com"
    assert (plain.transport, plain.port, plain.expires_s, plain.srtp) == ("tls", None, 3600, "off")
    assert plain.codecs == ("opus", "g722", "pcma", "pcmu")
    assert plain.tls.verify
    assert plain.register_
    assert plain.audio.kind == "null"


def test_numbers_that_are_names() -> None:
    entry = Account.model_validate({"extensions": [901, "0902"]})
    assert entry.extensions == ("901", "0902")
    assert entry.pulled
    assert entry.id is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sip.example.com", HostPort("sip.example.com")),
        ("SIP.example.com:5071", HostPort("sip.example.com", 5071)),
        ("192.0.2.7:5060", HostPort("192.0.2.7", 5060)),
        ("[::1]:5061", HostPort("::1", 5061)),
        ("[2001:db8::7]", HostPort("2001:db8::7")),
    ],
)
def test_host_and_port(text: str, expected: HostPort) -> None:
    assert account(registrar=text).registrar == (expected,)
    assert account(outbound_proxy=text).outbound_proxy == expected


@pytest.mark.parametrize(
    "text", ["", "a b", "a:b", "a:70000", "[::1", "::1:x", "[1.2]", "a;b", "fe80::1%eth0", 5060, []]
)
def test_no_host_and_port(text: object) -> None:
    with pytest.raises(ValidationError, match="host:port"):
        account(registrar=text)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        ("null", "null"),
        ({}, "null"),
        ({"device": "default"}, "device"),
        ({"input": "a", "output": "b"}, "device"),
        ({"file": "a.wav", "loop": True}, "file"),
    ],
)
def test_audio_routes(value: object, kind: str) -> None:
    context = Context(check_files=False)
    assert Account.model_validate({**STATIC, "audio": value}, context=context).audio.kind == kind


def test_relative_paths_start_at_the_configuration() -> None:
    context = Context(base=Path("/etc/softphone"), check_files=False)
    entry = Account.model_validate(
        {**STATIC, "audio": {"file": "a.wav"}, "tls": {"ca_file": "/x/ca.pem"}}, context=context
    )
    assert entry.audio.file == Path("/etc/softphone/a.wav")
    assert entry.tls.ca_file == Path("/x/ca.pem")


def test_incoming_rules() -> None:
    assert IncomingRule.model_validate({"from": "9*", "action": "answer"}) == IncomingRule(
        from_="9*", action="answer", after_s=0, code=486
    )
    with pytest.raises(ValidationError):
        IncomingRule.model_validate({"action": "reject", "code": 200})


@pytest.mark.parametrize("value", ["20000-20100", "20000 - 20100", {"first": 20000, "last": 20100}])
def test_rtp_ports(value: object) -> None:
    config = Config.model_validate({"media": {"rtp_ports": value}})
    assert (config.media.rtp_ports.first, config.media.rtp_ports.last) == (20000, 20100)
    assert str(config.media.rtp_ports) == "20000-20100"


@pytest.mark.parametrize(("value", "bits"), [("0660", 0o660), ("660", 0o660), (660, 0o660), ("0600", 0o600)])
def test_socket_mode(value: object, bits: int) -> None:
    assert Config.model_validate({"control": {"mode": value}}).control.mode_bits == bits


@pytest.mark.parametrize("word", ["yes", "on", "true", True, 1])
def test_booleans_as_people_write_them(word: object) -> None:
    assert account(register=word).register_ is True


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://[::1]:1", "http://localhost/", "http://lab.localhost"]
)
def test_plain_http_to_this_machine_is_fine(url: str) -> None:
    provider = {"api_url": url, "domain_uuid": "DDCFEB62-110f-4bd7-b7a9-965e1a78295f", "token": Secret("x")}
    loaded = Config.model_validate({"provider": provider}).provider
    assert loaded is not None
    assert not loaded.token_in_clear
    assert loaded.api_url == url.rstrip("/")
    assert loaded.domain_uuid == "ddcfeb62-110f-4bd7-b7a9-965e1a78295f"


def test_shards() -> None:
    assert Shard.parse("2/5") == Shard(2, 5)
    assert str(Shard(2, 5)) == "2/5"


def test_the_configuration_never_changes() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Config().sip.udp_port = 1  # type: ignore[misc]


def test_default_places() -> None:
    assert default_socket({"RUNTIME_DIRECTORY": "/run/a:/run/b"}) == Path("/run/a/control.sock")
    assert default_socket({"XDG_RUNTIME_DIR": "/run/user/7"}) == Path("/run/user/7/softphone/control.sock")
    assert default_socket({}) == Path("/run/softphone/control.sock")
    assert default_recordings({"STATE_DIRECTORY": "/var/lib/a"}) == Path("/var/lib/a/recordings")
    assert default_recordings({"XDG_STATE_HOME": "/s"}) == Path("/s/softphone/recordings")
    assert default_recordings({}).parts[-4:] == (".local", "state", "softphone", "recordings")


def properties(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, part in {"": schema, **schema["$defs"]}.items():
        body = next((form for form in part.get("anyOf", ()) if "properties" in form), part)
        for key, value in body["properties"].items():
            yield f"{name}.{key}", value


def test_json_schema_describes_every_key() -> None:
    schema = json_schema()
    json.dumps(schema)
    described = dict(properties(schema))
    assert {"IncomingRule.from", "Account.register", "Provider.token", ".sip"} <= set(described)
    assert [name for name, value in described.items() if not value.get("description")] == []
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Audio"]["anyOf"][0] == {"type": "null"}


def test_audio_default_is_shared_and_immutable() -> None:
    assert account().audio == Audio()
    with pytest.raises(ValidationError, match="frozen"):
        account().audio.device = "x"  # type: ignore[misc]


def test_the_package_loads_no_network_code() -> None:
    program = (
        "import sys, softphone.config; print([m for m in ('httpx', 'fastapi', 'numpy', 'av') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
