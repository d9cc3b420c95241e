"""Descriptions of the views' fields, for the OpenAPI document: the text below a field in the source.

pydantic could find them itself (`use_attribute_docstrings`), but would look for them whenever the phone starts, and for
a class again wherever it is used: that took a third of the whole start.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import is_dataclass
from typing import Any, get_args, get_type_hints


def describe(schemas: dict[str, Any], roots: Iterable[Any]) -> None:
    """Puts them into the schemas of all dataclasses that these types are made of. What is described stays as it is."""
    for cls in _dataclasses(roots):
        fields = schemas.get(cls.__name__, {}).get("properties", {})
        for name, text in _docs(cls).items():
            if name in fields:
                fields[name].setdefault("description", text)


def _dataclasses(roots: Iterable[Any]) -> Iterator[type]:
    """Each once, those of their fields too."""
    seen: list[Any] = []
    waiting = list(roots)
    while waiting:
        found = waiting.pop()
        if found in seen:
            continue
        seen.append(found)
        waiting += get_args(found)
        if isinstance(found, type) and is_dataclass(found):
            yield found
            waiting += get_type_hints(found).values()


def _docs(cls: type) -> dict[str, str]:
    """The text below each field, those of base classes too."""
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        if is_dataclass(each):
            found |= _own_docs(each)
    return found


def _own_docs(cls: type) -> dict[str, str]:
    tree = ast.parse(inspect.cleandoc(inspect.getsource(cls)))
    [node] = [each for each in tree.body if isinstance(each, ast.ClassDef)]
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in zip(node.body, node.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
