"""The lab's options from a YAML file: the names are those of LabOptions, and a wrong one is told with its place."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from softphone.errors import UsageError
from softphone.lab.options import LabOptions


def load_settings(path: Path, **more: Any) -> LabOptions:
    """`more` takes the place of what the file says. Raises UsageError."""
    import pydantic

    try:
        values = yaml.safe_load(path.read_text()) or {}
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no YAML: {error}") from error
    _check_names(values, LabOptions, str(path))
    try:
        return pydantic.TypeAdapter(LabOptions).validate_python({**values, **more})
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UsageError(f"{path}: {place}: {first['msg']}") from error


def _check_names(values: Any, options: type, place: str) -> None:
    """Every key is a field of the dataclass, here and below."""
    if not isinstance(values, Mapping):
        raise UsageError(f"{place}: a mapping is expected here")
    hints = typing.get_type_hints(options)
    for name, value in values.items():
        if name not in hints:
            raise UsageError(f"{place}: no such setting: {name}; there are {', '.join(hints)}")
        for nested in _nested(hints[name]):
            several = isinstance(value, list)
            for n, each in enumerate(value if several else [value]):
                if each is not None:
                    _check_names(each, nested, f"{place}: {name}[{n}]" if several else f"{place}: {name}")


def _nested(hint: Any) -> list[type]:
    """The dataclasses that a field may hold: itself, in a union, or in a tuple."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return [hint]
    if typing.get_origin(hint) in (types.UnionType, typing.Union, tuple):
        return [each for argument in typing.get_args(hint) for each in _nested(argument)]
    return []
