"""Several problems in one ValidationError, and pydantic's findings in words that say what is expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

Place = tuple[str | int, ...]
Found = tuple[Place, str]

_SHOWN_CHARS = 60
_KINDS = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
_EXPECTED = {
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "path_type": "a path as text",
}
_CONTAINERS = {
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
}


def merged_error(error: ValidationError | None, found: Iterable[Found]) -> ValidationError:
    """One ValidationError with the findings of pydantic and our own."""
    details = [] if error is None else [_again(detail) for detail in error.errors(include_url=False)]
    details += [_detail(place, message) for place, message in found]
    return ValidationError.from_exception_data("configuration", details, hide_input=True)


def _detail(place: Place, message: str) -> InitErrorDetails:
    # The message is the context, not the template: it may hold braces
    return {"type": PydanticCustomError("softphone", "{text}", {"text": message}), "loc": place, "input": None}


def _again(detail: ErrorDetails) -> InitErrorDetails:
    if detail["type"] in {"extra_forbidden", "missing"}:
        return {"type": detail["type"], "loc": detail["loc"], "input": None}
    return _detail(detail["loc"], wording(detail))


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Found]:
    """Every finding as (place, text), in the file's own key names."""
    return [_problem(detail, model) for detail in error.errors(include_url=False)]


def _problem(detail: ErrorDetails, model: type[BaseModel]) -> Found:
    place = tuple(part for part in detail["loc"] if part != "[key]")
    if detail["type"] == "extra_forbidden":
        return place, unknown_key(str(place[-1]), known_keys(model, place[:-1]))
    return place, wording(detail)


def unknown_key(key: str, known: Iterable[str]) -> str:
    """What to say of a key that does not exist; names the nearest one that does."""
    names = sorted(known)
    near = difflib.get_close_matches(key.lower(), names, n=1, cutoff=0.6)
    if near:
        return f"unknown key; did you mean `{near[0]}`?"
    return f"unknown key; known here: {', '.join(names)}" if names else "unknown key"


def known_keys(model: type[BaseModel], place: Place) -> list[str]:
    """The key names of the model at `place` below `model`."""
    here: type[BaseModel] | None = model
    for part in place:
        if isinstance(part, str) and here is not None:
            here = child_model(here, part)
    return [] if here is None else [info.alias or name for name, info in here.model_fields.items()]


def child_model(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    """The model class behind the key `key`, through Optional, tuple and Annotated; None for plain values."""
    for name, info in model.model_fields.items():
        if key in {name, info.alias}:
            return _model_in(info.annotation)
    return None


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if (model := _model_in(argument)) is not None:
            return model
    return None


def wording(detail: ErrorDetails) -> str:
    """One finding in words. Shows the value only where it is a plain one that cannot be a secret's."""
    kind, context, value = detail["type"], detail.get("ctx", {}), detail.get("input")
    if kind == "missing":
        return "is required"
    if kind == "softphone":
        return str(context["text"])
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return _choice(str(context["expected"]), value)
    if kind in _CONTAINERS:
        # A text here may be a secret in the wrong place, so only its kind is named
        return f"expected {_CONTAINERS[kind]}, got {kind_of(value)}"
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, got {shown(value)}"
    limit = _limit(kind, context)
    return f"{limit}, got {shown(value)}" if limit else detail["msg"]


def _choice(expected: str, value: object) -> str:
    names = expected.replace("'", "")
    near = difflib.get_close_matches(str(value).lower(), names.replace(" or ", ", ").split(", "), n=1)
    hint = f"; did you mean {near[0]}?" if near and near[0] != value else ""
    return f"expected {names}, got {shown(value)}{hint}"


def _limit(kind: str, context: Mapping[str, Any]) -> str | None:
    texts = {
        "greater_than": "expected more than {gt:g}",
        "greater_than_equal": "expected at least {ge:g}",
        "less_than": "expected less than {lt:g}",
        "less_than_equal": "expected at most {le:g}",
        "string_too_short": "expected at least {min_length} characters",
        "string_too_long": "expected at most {max_length} characters",
        "too_short": "expected at least {min_length} in the list",
        "too_long": "expected at most {max_length} in the list",
    }
    return texts[kind].format(**context) if kind in texts else None


def shown(value: object) -> str:
    """A value for an error text: lists and mappings only by kind, as a secret may be inside."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN_CHARS else value[:_SHOWN_CHARS] + "...")
    return kind_of(value)


def kind_of(value: object) -> str:
    """`a mapping`, `a list`, `text`..., or `nothing` for null."""
    if value is None:
        return "nothing"
    return next((name for kind, name in _KINDS.items() if isinstance(value, kind)), "something else")
