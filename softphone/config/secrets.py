"""Where passwords and tokens come from, and the wrapper that keeps them out of logs.

A configuration file never holds a secret; it says where one is:

    {env: NAME}          an environment variable
    {file: PATH}         a file that only its owner (and group) may read; relative to the configuration file
    {credential: NAME}   a systemd credential (LoadCredential=NAME:...), found in $CREDENTIALS_DIRECTORY

Error texts name the place of a secret and never the secret.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from pathlib import Path
from typing import Any, NoReturn

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from softphone.errors import ConfigError

HIDDEN = "***"
SECRET_NAME = (
    r"(?:[\w.-]*[_.-])?(?:password|passwd|passphrase|secret|token|authorization|api[_-]?key|cookie|credentials?)"
)
"""A pattern, upper and lower case alike: a field, header or parameter of such a name holds a secret."""
MAX_SECRET_BYTES = 64 * 1024
_WAYS = "{env: NAME}, {file: PATH} or {credential: NAME}"
_PLACES = ("env", "file", "credential")


@dataclass(frozen=True)
class Context:
    """What validation needs to know of the world; handed to pydantic as its validation context.

    `base` is the folder that relative paths start from. With `read_secrets` off a secret is only located, and
    with `check_files` off named files need not exist: that is how a file meant for another machine is checked.
    """

    base: Path = field(default_factory=Path.cwd)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    read_secrets: bool = True
    check_files: bool = True


class Secret:
    """A text that must not be seen. `reveal()` is the one way to it; str, repr and JSON show `***`.

    `source` says in words where it came from. It cannot be pickled; copies are the object itself.
    """

    __slots__ = ("__value", "source")

    def __init__(self, value: str | None, source: str = "given by the program") -> None:
        """`value` None makes a secret that was located but not read (`config check` without secrets)."""
        self.__value = value
        self.source = source

    def reveal(self) -> str:
        """The secret itself. Raises ConfigError when it was located but never read."""
        if self.__value is None:
            raise ConfigError(f"the secret from {self.source} was not read")
        return self.__value

    @property
    def readable(self) -> bool:
        """Whether it was read, not only located."""
        return self.__value is not None

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __str__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        if self.__value is None or other.__value is None:
            return self.__value is other.__value and self.source == other.source
        return compare_digest(_octets(self.__value), _octets(other.__value))

    def __hash__(self) -> int:
        return hash(("Secret", self.__value))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is not pickled")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            _validate,
            serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json"),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"title": "Secret", "oneOf": [_place_schema(place) for place in _PLACES]}


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _place_schema(place: str) -> JsonSchemaValue:
    text = {"type": "string", "minLength": 1}
    return {"type": "object", "properties": {place: text}, "required": [place], "additionalProperties": False}


def _validate(value: object, info: core_schema.ValidationInfo[Any]) -> Secret:
    if isinstance(value, Secret):
        return value
    context = info.context if isinstance(info.context, Context) else Context()
    place, name = _place_of(value)
    readers = {"env": _from_env, "file": _from_file, "credential": _from_credential}
    return readers[place](name, context)


def _place_of(value: object) -> tuple[str, str]:
    if isinstance(value, str):
        raise ValueError(f"a secret is not written into the configuration; say where it is: {_WAYS}")
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ValueError(f"expected exactly one place of the secret: {_WAYS}")
    place, name = next(iter(value.items()))
    if place not in _PLACES:
        raise ValueError(f"expected one of {_WAYS}")
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"expected the name after `{place}:` as text")
    return place, name


def _from_env(name: str, context: Context) -> Secret:
    source = f"environment variable {name}"
    if not context.read_secrets:
        return Secret(None, source)
    if name not in context.environ:
        raise ValueError(f"the {source} is not set")
    return Secret(_sound(context.environ[name], source), source)


def _from_file(name: str, context: Context) -> Secret:
    path = context.base / Path(name).expanduser()
    source = f"file {path}"
    if not context.read_secrets:
        return Secret(None, source)
    return Secret(_sound(_read(path, source, private=True), source), source)


def _from_credential(name: str, context: Context) -> Secret:
    source = f"systemd credential {name}"
    if "/" in name or name in {".", ".."}:
        raise ValueError(f"a credential has a plain name without slashes, not {name!r}")
    if not context.read_secrets:
        return Secret(None, source)
    folder = context.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise ValueError(f"the {source} needs systemd: $CREDENTIALS_DIRECTORY is not set (LoadCredential={name}:...)")
    # systemd guards the whole folder, so the file's own mode says nothing here
    return Secret(_sound(_read(Path(folder) / name, source, private=False), source), source)


def _read(path: Path, source: str, *, private: bool) -> str:
    try:
        # Not blocking: a named pipe without a writer would hold the start for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ValueError(f"the {source} cannot be read: {error.strerror}") from None
    try:
        _check_kind(os.fstat(descriptor), path, source, private=private)
        data = os.read(descriptor, MAX_SECRET_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_SECRET_BYTES:
        raise ValueError(f"the {source} holds more than {MAX_SECRET_BYTES} bytes; is it the right file?")
    return _text(data, source)


def _text(data: bytes, source: str) -> str:
    # Not strict: the decoder's exception would carry the secret along
    text = data.decode("utf-8", "replace")
    if "\N{REPLACEMENT CHARACTER}" in text:
        raise ValueError(f"the {source} is not UTF-8 text")
    return text.removesuffix("\n").removesuffix("\r")


def _check_kind(status: os.stat_result, path: Path, source: str, *, private: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"the {source} is not a regular file")
    if private and status.st_mode & stat.S_IROTH:
        raise ValueError(
            f"the {source} may be read by every user of this machine (mode {stat.S_IMODE(status.st_mode):04o});"
            f" close it: chmod o-rwx {path}"
        )


def _sound(value: str, source: str) -> str:
    """A secret ends up in headers and digests: no line break or other control character may pass."""
    if not value:
        raise ValueError(f"the {source} is empty")
    if not value.isprintable():
        raise ValueError(f"the {source} holds a line break or a control character; one line is expected")
    return value
