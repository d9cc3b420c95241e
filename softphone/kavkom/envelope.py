"""What an HTTP answer of the service means: its data, or who refused what, in words.

The service states its status codes for few cases, so the body counts as much as the code: an error body under
HTTP 200 is an error. Envelopes:

    PBX      {"data": ..., "success": true, "message": ...}
             {"error": true, "message": ..., "validationErrors": {field: text}}
    Billing  {"status": "success", "return": ...} | {"status": "error", "message"} | a bare object

Everything here is pure; no text contains a part of a body that could hold a password.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from softphone.errors import (
    FieldsRefused,
    ProviderDown,
    ProviderError,
    ProviderRefused,
    SourceRefused,
    SwitchRefused,
    TokenRefused,
)
from softphone.kavkom.booleans import parse_bool
from softphone.kavkom.services import PBX, Service

_SHOWN_CHARS = 300
_MAX_FIELDS = 8
_TITLE = re.compile(rb"<title[^>]{0,200}>([^<]{0,500})", re.IGNORECASE)
_HTML = re.compile(rb"\s*(<!doctype html|<html|<head|<body)", re.IGNORECASE)
_TEMPORARY = frozenset((408, 425, 429))
_SOURCE_INVALID = re.compile(r"src\b.{0,3}\binvalid", re.IGNORECASE)
_FIELDS_REQUIRED = re.compile(r"fields? required:\s*(?P<names>[\w.\[\]]+(?:\s*,\s*[\w.\[\]]+)*)", re.IGNORECASE)
_SWITCH_ERROR = re.compile(r"-ERR\b.*")
_TOKEN_WORDS = re.compile(r"token|unauthor|not authenticated|forbidden|permission|access denied", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """One complete HTTP answer. `where` is host and path; `hide` takes the tokens out of any text."""

    status: int
    body: bytes
    where: str
    content_type: str = ""
    location: str = ""
    date: str = ""
    hide: Callable[[str], str] = str
    service: Service = PBX


@dataclass(frozen=True)
class Payload:
    """What a good answer carries: `data` (or `return`, or the bare object), and the whole object around it."""

    data: Any
    message: str
    raw: Mapping[str, Any]
    date: str = ""


def read(answer: Answer) -> Payload:
    """Raises ProviderDown where there is no usable answer, ProviderRefused where the service says no."""
    body, trouble = _json(answer)
    if not isinstance(body, dict):
        raise _no_object(answer, trouble or f"JSON that is {_kind(body)} where an object is expected")
    failed = _says_error(body)
    if failed is None:
        text = f"{answer.where} answered with a `success` that is neither true nor false"
        raise ProviderDown(text, status=answer.status, service=answer.service.name)
    if failed or not 200 <= answer.status < 300:
        raise _failure(answer, body)
    return Payload(_data_of(body), _message_of(body, answer), body, answer.date)


def _json(answer: Answer) -> tuple[Any, str]:
    """The parsed body, or None and what came instead. Parser errors are dropped: they carry the body."""
    if not answer.body.strip():
        return None, "an empty body"
    if page := _page(answer):
        return None, page
    try:
        return json.loads(answer.body), ""
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        cut = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated")
    except (ValueError, RecursionError):
        return None, "JSON that cannot be read (bad UTF-8, or absurd nesting or numbers)"
    if answer.body.lstrip()[:1] in (b"{", b"["):
        return None, f"JSON that ends too early ({place})" if cut else f"broken JSON ({place})"
    return None, f"{answer.content_type.split(';')[0] or 'something'} that is not JSON"


def _page(answer: Answer) -> str:
    body = answer.body
    if not _HTML.match(body[:1000]):
        return ""
    title = _TITLE.search(body[:20_000])
    text = answer.hide(html.unescape(title[1].decode("utf-8", "replace"))) if title else ""
    return f'an HTML page titled "{_clean(text)}"' if _clean(text) else "an HTML page"


def _no_object(answer: Answer, instead: str) -> ProviderError:
    start = f"{answer.where} answered HTTP {answer.status} with {instead}"
    check = f"check {answer.service.url_key}"
    if 300 <= answer.status < 400:
        place = _clean(answer.hide(answer.location)) or "elsewhere"
        start = f"{answer.where} redirects to {place} (HTTP {answer.status})"
        return _error(ProviderDown, f"{start}; {check}", answer)
    if answer.status in (401, 403):
        return _error(TokenRefused, f"{start}; {answer.service.token_advice}", answer)
    if _is_refusal(answer.status):
        return _error(ProviderRefused, f"{start}; {check}", answer)
    return _error(ProviderDown, f"{start}; JSON was expected", answer)


def _error(kind: type[ProviderError], text: str, answer: Answer) -> ProviderError:
    return kind(answer.hide(text), status=answer.status, service=answer.service.name)


def _is_refusal(status: int) -> bool:
    return 400 <= status < 500 and status not in _TEMPORARY


def _failure(answer: Answer, body: Mapping[str, Any]) -> ProviderError:
    message = _message_of(body, answer)
    fields = _fields_of(body, answer)
    told = "; ".join(f"{name}: {text}" for name, text in fields.items())
    said = "; ".join(part for part in (message, told) if part) or "no reason given"
    if answer.status in _TEMPORARY or answer.status >= 500:
        return _error(ProviderDown, f"{answer.where} cannot answer now (HTTP {answer.status}): {said}", answer)
    start = f"{answer.where} refused (HTTP {answer.status}): {said}"
    if not (_is_refusal(answer.status) or 200 <= answer.status < 300):
        return _error(ProviderDown, start, answer)
    return _refusal(answer, start, message, fields)


def _refusal(answer: Answer, text: str, message: str, fields: dict[str, str]) -> ProviderError:
    status, service = answer.status, answer.service.name
    if status not in (401, 403):
        if switch := _SWITCH_ERROR.search(message):
            return SwitchRefused(answer.hide(text), reply=switch[0], status=status, service=service)
        if _SOURCE_INVALID.fullmatch(message.strip(" .!")):
            advice = f"{text}; the source extension does not exist on this domain"
            return SourceRefused(answer.hide(advice), fields={"src": message}, status=status, service=service)
        if named := fields or _required(message):
            return FieldsRefused(answer.hide(text), fields=named, status=status, service=service)
    if status in (401, 403) or _TOKEN_WORDS.search(message):
        return _error(TokenRefused, f"{text}; {answer.service.token_advice}", answer)
    return _error(ProviderRefused, text, answer)


def _required(message: str) -> dict[str, str]:
    """The fields that billing says are missing: `Fields required: domain_uuid, options`."""
    found = _FIELDS_REQUIRED.search(message)
    names = re.split(r"\s*,\s*", found["names"]) if found else []
    return dict.fromkeys(names, "is required")


def _says_error(body: Mapping[str, Any]) -> bool | None:
    """Whether the body calls itself a failure; None if it says something that is neither yes nor no."""
    error = body.get("error")
    if error not in (None, "", [], {}) and not _is(error, False):
        return True  # true, or a text or an object that describes the error
    status = body.get("status")
    if isinstance(status, str) and status.lower() in {"error", "fail", "failed", "failure"}:
        return True
    if isinstance(status, int) and status >= 400:
        return True  # some frameworks repeat the HTTP status in the body
    if "success" in body and body["success"] is not None:
        good = _is(body["success"], True)
        return not good if good or _is(body["success"], False) else None
    return False


def _is(value: object, wanted: bool) -> bool:
    try:
        return parse_bool(value) is wanted
    except ValueError:
        return False


def _data_of(body: Mapping[str, Any]) -> Any:
    for key in ("data", "return"):
        if key in body:
            return body[key]
    return body


def _message_of(body: Mapping[str, Any], answer: Answer) -> str:
    for value in (body.get("message"), body.get("error")):
        if isinstance(value, str) and value.strip():
            return _clean(answer.hide(value))
    return ""


def _fields_of(body: Mapping[str, Any], answer: Answer) -> dict[str, str]:
    errors = body.get("validationErrors")
    if not isinstance(errors, dict):
        return {}
    named = ((_clean(answer.hide(str(key))), _clean(answer.hide(_text_of(text)))) for key, text in errors.items())
    return dict(islice(named, _MAX_FIELDS))


def _text_of(value: object) -> str:
    """A field's text; some frameworks send a list of texts."""
    if isinstance(value, list):
        return ", ".join(item for item in value if isinstance(item, str))
    return value if isinstance(value, str) else "not valid"


def _clean(text: str) -> str:
    """Remote text for an error: one line, printable, bounded. Tokens are hidden before: a part of one is too much."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: _SHOWN_CHARS * 4]).split())
    return line if len(line) <= _SHOWN_CHARS else line[:_SHOWN_CHARS] + "..."


def _kind(value: object) -> str:
    names = {list: "a list", str: "a text", bool: "a boolean", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), "something else")
