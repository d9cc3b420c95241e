"""Secrets: where they come from, what is refused, and that nothing shows them."""

import copy
import json
import os
import pickle
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from softphone.config import Context, Secret
from softphone.errors import ConfigError

VALUE = "s3cret-hunter2"


class Holder(BaseModel):
    key: Secret


def read(place: object, context: Context) -> Secret:
    return Holder.model_validate({"key": place}, context=context).key


def refusal(place: object, context: Context) -> str:
    with pytest.raises(ValidationError) as caught:
        read(place, context)
    text = str(caught.value.errors()[0]["ctx"]["error"])
    assert VALUE not in text
    return text


def secret_file(folder: Path, data: bytes = f"{VALUE}\n".encode(), mode: int = 0o600) -> Path:
    path = folder / "token"
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_from_the_environment(tmp_path: Path) -> None:
    secret = read({"env": "TOKEN"}, Context(base=tmp_path, environ={"TOKEN": VALUE}))
    assert secret.reveal() == VALUE
    assert secret.source == "environment variable TOKEN"


@pytest.mark.parametrize(
    "data", [f"{VALUE}".encode(), f"{VALUE}\n".encode(), f"{VALUE}\r\n".encode()], ids=["bare", "lf", "crlf"]
)
def test_from_a_file_beside_the_configuration(tmp_path: Path, data: bytes) -> None:
    secret_file(tmp_path, data)
    assert read({"file": "token"}, Context(base=tmp_path)).reveal() == VALUE


def test_from_a_systemd_credential(tmp_path: Path) -> None:
    secret_file(tmp_path, mode=0o444)  # systemd guards the folder, not the file
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert read({"credential": "token"}, Context(environ=environ)).reveal() == VALUE


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o444, 0o606])
def test_a_file_that_everybody_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = secret_file(tmp_path, mode=mode)
    text = refusal({"file": str(path)}, Context())
    assert f"mode {mode:04o}" in text
    assert f"chmod o-rwx {path}" in text


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640])
def test_owner_and_group_may_read(tmp_path: Path, mode: int) -> None:
    assert read({"file": str(secret_file(tmp_path, mode=mode))}, Context()).reveal() == VALUE


@pytest.mark.parametrize(
    ("place", "fragment"),
    [
        (VALUE, "{env: NAME}, {file: PATH} or {credential: NAME}"),
        ({"value": VALUE}, "{env: NAME}"),
        ({"env": "A", "file": "B"}, "exactly one"),
        ({}, "exactly one"),
        (None, "exactly one"),
        (12, "exactly one"),
        ([VALUE], "exactly one"),
        ({"env": ["A"]}, "the name after `env:`"),
        ({"env": " "}, "the name after `env:`"),
        ({"env": "UNSET"}, "environment variable UNSET is not set"),
        ({"env": "EMPTY"}, "is empty"),
        ({"env": "LINES"}, "control character"),
        ({"file": "missing"}, "No such file"),
        ({"file": "folder"}, "not a regular file"),
        ({"file": "pipe"}, "not a regular file"),
        ({"file": "binary"}, "not UTF-8"),
        ({"file": "huge"}, "more than 65536 bytes"),
        ({"file": "two-lines"}, "control character"),
        ({"credential": "token"}, "$CREDENTIALS_DIRECTORY is not set"),
        ({"credential": "../token"}, "without slashes"),
        ({"credential": ".."}, "without slashes"),
    ],
)
def test_what_is_refused_and_how_it_is_said(tmp_path: Path, place: object, fragment: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, data in {
        "binary": VALUE.encode() + b"\xff",
        "huge": b"x" * 70_000,
        "two-lines": f"{VALUE}\n{VALUE}\n".encode(),
    }.items():
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o600)
    context = Context(base=tmp_path, environ={"EMPTY": "", "LINES": f"{VALUE}\r\nX-Evil: 1"})
    assert fragment in refusal(place, context)


def test_not_read_when_only_located() -> None:
    context = Context(environ={}, read_secrets=False)
    for place in ({"env": "UNSET"}, {"file": "missing"}, {"credential": "none"}):
        secret = read(place, context)
        with pytest.raises(ConfigError, match="was not read"):
            secret.reveal()


@dataclass(frozen=True)
class Inside:
    password: Secret


def test_nothing_shows_it() -> None:
    secret = Secret(VALUE)
    holder = Holder(key=secret)
    shown = [
        str(secret),
        repr(secret),
        f"{secret} {secret!r} {secret:}",
        repr(Inside(secret)),
        repr([secret, {"a": secret}]),
        repr(holder),
        str(holder.model_dump()),
        holder.model_dump_json(),
        repr(dir(secret)),
    ]
    assert VALUE not in "".join(shown)
    assert json.loads(holder.model_dump_json()) == {"key": "***"}


def test_not_pickled_and_not_json() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret(VALUE))
    with pytest.raises(TypeError):
        json.dumps({"a": Secret(VALUE)})
    with pytest.raises(TypeError):
        vars(Secret(VALUE))


def test_copies_and_comparison() -> None:
    secret = Secret(VALUE)
    assert copy.copy(secret) is secret
    assert copy.deepcopy(Inside(secret)).password is secret
    assert secret == Secret(VALUE, "elsewhere")
    assert hash(secret) == hash(Secret(VALUE, "elsewhere"))
    assert secret != Secret("other")
    assert secret != VALUE
    assert Secret(None, "a") != Secret(None, "b")
