"""`softphone config`, and which file `run` takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from softphone.cli import exits
from softphone.cli.configfile import find_config, places
from softphone.cli.options import find_socket
from softphone.config.places import default_socket
from softphone.errors import ConfigError
from tests.cli.shell import softphone

ROOT = Path(__file__).parents[2]


def test_check_names_file_line_key_and_what_is_expected(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("accounts:\n- username: '1'\n  domain: pbx.test\n  pasword: x\n")
    ended = softphone("config", "check", str(file))
    assert ended.code == exits.CONFIG
    assert f"{file}:4: accounts[0].pasword: " in ended.out
    found = softphone("config", "check", str(file), "--json").json
    assert (found["ok"], found["problems"][0]["line"] in (2, 4)) == (False, True)


def test_check_of_a_good_file(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("accounts:\n- {username: '1', domain: pbx.test, password: {file: secret}, tls: {verify: false}}\n")
    assert softphone("config", "check", str(file)).code == exits.CONFIG
    ended = softphone("config", "check", str(file), "--elsewhere")
    assert ended.code == 0
    assert "warning: " in ended.out
    assert ended.out.endswith("good, 1 account entry\n")


def test_the_example_is_the_documented_one() -> None:
    text = softphone("config", "example").out
    assert text == (ROOT / "config.example.yaml").read_text()
    assert yaml.safe_load(text)["accounts"]


def test_the_schema_is_json_schema() -> None:
    assert json.loads(softphone("config", "schema").out)["$schema"].startswith("https://json-schema.org/")


def test_where_the_configuration_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    env = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "etc")}
    with pytest.raises(ConfigError, match="there is no softphone.yaml and no .*config.yaml and no /etc/softphone"):
        find_config(None, env)
    own = tmp_path / "etc" / "softphone" / "config.yaml"
    own.parent.mkdir(parents=True)
    own.touch()
    assert find_config(None, env) == own
    Path("softphone.yaml").touch()
    assert find_config(None, env) == Path("softphone.yaml")
    assert find_config(None, env | {"SOFTPHONE_CONFIG": str(own)}) == own
    assert find_config("named.yaml", env) == Path("named.yaml")
    assert places({"SOFTPHONE_CONFIG": "x"}) == (Path("x"),)


def test_the_socket_is_where_run_puts_it(tmp_path: Path) -> None:
    for env in ({"XDG_RUNTIME_DIR": str(tmp_path)}, {}):
        assert find_socket(env) == default_socket(env)
    assert find_socket({"SOFTPHONE_SOCKET": "x.sock"}) == Path("x.sock")
