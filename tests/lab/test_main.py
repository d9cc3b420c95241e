"""The lab as a program: what it prints, the file it writes, and its end."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from rich.text import Text

from softphone.errors import UsageError
from softphone.lab import LabOptions
from softphone.lab.events import LabEvent
from softphone.lab.main import line_of, run_lab

ROOT = Path(__file__).parents[2]


def test_prints_where_it_is_and_how_to_connect() -> None:
    text = io.StringIO()
    code = run_lab(LabOptions(api_token="t0k"), for_s=0.05, console=Console(file=text, width=140))
    printed = text.getvalue()
    assert code == 0
    for word in ("t0k", "pbx.lab.test", "901", "9196", "1004 Hz", "provider:", "The lab has stopped."):
        assert word in printed


def test_writes_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "softphone.yaml"
    run_lab(for_s=0.05, write_config=path, console=Console(file=io.StringIO()))
    assert yaml.safe_load(path.read_text())["accounts"][0]["transport"] == "tls"
    with pytest.raises(UsageError, match="cannot write"):
        run_lab(for_s=0.05, write_config=tmp_path / "no" / "where", console=Console(file=io.StringIO()))


def test_an_event_in_one_line() -> None:
    event = LabEvent(1, "registered", 0.0, {"extension": "901", "contact": "[x]", "source": ""})
    assert Text.from_markup(line_of(event)).plain.endswith(" registered extension=901 contact=[x]")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_cleanly(number: int) -> None:
    async def run() -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", "from softphone.lab.main import run_lab; raise SystemExit(run_lab())"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert process.stdout is not None
        await asyncio.wait_for(process.stdout.readuntil(b"The lab is ready"), 20)
        await asyncio.wait_for(process.stdout.readuntil(b"provider:"), 20)
        process.send_signal(number)
        output, errors = await asyncio.wait_for(process.communicate(), 10)
        assert process.returncode == 0
        assert b"The lab has stopped." in output
        assert errors == b""

    asyncio.run(run())
