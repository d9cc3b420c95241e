"""Records of the service as typed objects. Fields that we do not know are kept, secrets in them wrapped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from softphone.config.secrets import Secret
from softphone.config.types import is_host, is_sip_user
from softphone.kavkom.booleans import parse_bool
from softphone.kavkom.fields import plain

_SECRET_NAME = re.compile(r"password|passwd|secret|token|api_?key|\bpin\b|_pin\b|credential", re.IGNORECASE)
_MAX_DEPTH = 16


def _number_or_text(value: object) -> object:
    """Extensions are numbers in some calls of the service and text in others; here always text."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("expected text or a whole number")
    return str(value)


def _sip_user(value: object) -> object:
    text = _number_or_text(value)
    if not is_sip_user(str(text)):
        raise ValueError("not usable as a SIP user name")
    return text


def _domain(value: object) -> object:
    if not isinstance(value, str) or not is_host(value):
        raise ValueError("not a host name")
    return value.lower().removesuffix(".")


def _password(value: object) -> object:
    if value is None or value == "":
        return None
    if isinstance(value, Secret):
        return value
    text = str(_number_or_text(value))
    if not text.isprintable():
        raise ValueError("holds control characters")
    return Secret(text, "the PBX's extension list")


def _flag(value: object) -> object:
    return None if value is None else parse_bool(value)


def _text(value: object) -> object:
    return "" if value is None else plain(str(_number_or_text(value)))


def _shown(value: Any) -> Any:
    """What we do not know of a record, for JSON: secrets hidden."""
    if isinstance(value, Mapping):
        return {name: _shown(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value]
    return str(value) if isinstance(value, Secret) else value


Extra = Annotated[Mapping[str, Any], PlainSerializer(_shown, when_used="json")]
"""Fields that we do not know, kept as they came; texts whose names sound secret are wrapped, and hidden in JSON."""


class Extension(BaseModel):
    """One line of the extension list. `extra` holds what the service sent beyond this, secrets wrapped.

    The lightweight list may leave out `user_context` (then ''), `password` and `enabled` (then None).
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    extension: Annotated[str, BeforeValidator(_sip_user)]
    user_context: Annotated[str, BeforeValidator(_domain)] = ""
    extension_uuid: Annotated[str, BeforeValidator(_text)] = ""
    domain_uuid: Annotated[str, BeforeValidator(_text)] = ""
    password: Annotated[Secret | None, BeforeValidator(_password)] = None
    enabled: Annotated[bool | None, BeforeValidator(_flag)] = None
    description: Annotated[str, BeforeValidator(_text)] = ""
    extra: Extra = Field(default_factory=dict, repr=False, exclude=True)

    @property
    def id(self) -> str:
        """`extension@user_context`, the address of record; the extension alone where the domain is not known."""
        return f"{self.extension}@{self.user_context}" if self.user_context else self.extension


@dataclass(frozen=True)
class ExtensionList:
    """What the service listed. `problems` says which records could not be used and why; the others are kept.

    complete: False where the service showed no end of the list. unreadable: the extensions, as far as known, whose
    records could not be used: the list says neither that they are there nor that they are gone.
    """

    extensions: tuple[Extension, ...] = ()
    problems: tuple[str, ...] = ()
    complete: bool = True
    unreadable: frozenset[str] = frozenset()
    pages: int = field(default=1, compare=False)


def parse_extension(record: object, *, limited: bool = False) -> Extension:
    """Raises ValueError that names the fields that are wrong, never their values.

    `limited`: the record is of the lightweight list and need not say its domain.
    """
    if not isinstance(record, dict):
        raise ValueError("is not an object")
    known = {name: record[name] for name in _FIELDS if name in record}
    if not limited and "user_context" not in known:
        known["user_context"] = None
    extra = wrap_secrets({name: value for name, value in record.items() if name not in _FIELDS})
    try:
        return Extension(**known, extra=extra)
    except ValidationError as error:
        text = "; ".join(_finding(detail["loc"], detail) for detail in error.errors(include_url=False))
    raise ValueError(text)


_FIELDS = frozenset(Extension.model_fields) - {"extra"}


def _finding(place: Iterable[int | str], detail: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in place)
    if detail["type"] == "missing":
        return f"{name} is missing"
    cause = detail.get("ctx", {}).get("error")
    return f"{name} is {cause}" if str(cause).startswith("n") else f"{name}: {cause or 'wrong type'}"


def wrap_secrets(value: Any, name: str = "", depth: int = 0) -> Any:
    """Wraps every text below `value` whose key sounds like a secret; what is nested absurdly deep is dropped."""
    if depth > _MAX_DEPTH:
        return None
    if isinstance(value, dict):
        return {plain(str(key)): wrap_secrets(item, str(key), depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [wrap_secrets(item, name, depth + 1) for item in value]
    if isinstance(value, str | int | float) and not isinstance(value, bool) and _SECRET_NAME.search(name):
        return Secret(str(value), "the PBX's extension list")
    return plain(value) if isinstance(value, str) else value
