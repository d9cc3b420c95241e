"""docs/kavkom.md: its programs are Python, its names exist, and its commands are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import softphone.kavkom
from softphone import errors
from tests.cli.shell import softphone as command

TEXT = (Path(__file__).parents[2] / "docs" / "kavkom.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def _section(title: str) -> str:
    return TEXT.partition(f"## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_is_python_and_uses_what_there_is(program: str) -> None:
    tree = compile(program, "docs/kavkom.md", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id[0].isupper()}
    known = set(softphone.kavkom.__all__) | set(vars(errors)) | {"Provider", "Secret"}
    assert names <= known


def test_every_error_of_the_table_exists() -> None:
    named = re.findall(r"^\| `(\w+)`(?: \([^)]*\))? \| ", _section("Errors"), re.MULTILINE)
    assert len(named) > 7
    assert all(issubclass(getattr(errors, name), errors.ProviderError) for name in named)


def test_every_command_of_the_table_exists() -> None:
    help_text = command("pbx", "--help").out
    named = set(re.findall(r"`pbx ([a-z-]+)", TEXT))
    assert named == set(re.findall(r"^  ([a-z-]+) {2,}[A-Z]", help_text.partition("Commands:")[2], re.MULTILINE))


def test_every_name_of_the_package_can_be_had() -> None:
    for name in softphone.kavkom.__all__:
        assert getattr(softphone.kavkom, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = softphone.kavkom.Nothing
