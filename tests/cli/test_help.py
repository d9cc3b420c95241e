"""The table of commands is what the commands say of themselves, and `--help` loads none of them."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
import typer

from softphone.cli.lazy import LazyCommands, entries
from tests.cli.shell import run, softphone


@pytest.mark.parametrize("entry", list(entries()), ids=lambda entry: entry.name)
def test_the_table_says_what_the_command_says(entry) -> None:
    command = LazyCommands()[entry.name]
    assert inspect.cleandoc(command.help or "").split("\n\n")[0].replace("\n", " ") == entry.help


@pytest.mark.parametrize("entry", list(entries()), ids=lambda entry: entry.name)
def test_every_command_explains_itself(entry) -> None:
    ended = softphone(entry.name, "--help")
    assert ended.code == 0
    assert ended.out.startswith(f"Usage: softphone {entry.name}")
    assert all(
        option.help for option in LazyCommands()[entry.name].params if isinstance(option, typer.core.TyperOption)
    )


def test_help_loads_no_command() -> None:
    """What starts slowly is loaded by the command that needs it."""
    code = (
        "import sys; from softphone.cli.main import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted(m for m in sys.modules if m.startswith('softphone.cli.commands.') or m.partition('.')[0] in"
        " {'rich', 'httpx', 'pydantic', 'fastapi', 'pjsua2', 'numpy', 'asyncio', 'yaml'}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "Set-up and trial:" in done.stdout


def test_a_wrong_command_gets_a_hint_and_code_2() -> None:
    ended = softphone("statis")
    assert ended.code == 2
    assert "Did you mean 'status'" in ended.err


def test_the_module_is_a_program() -> None:
    assert run("version", "--json").json["version"]
