"""The lab's options from a file, and the program that takes them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from softphone.errors import UsageError
from softphone.lab.settings import load_settings

GOOD = """
domain: shop.test
extensions: ["10", "11"]
disabled: []
service:
  seed: 7
  did_acceptance_s: null
  live_errors: frame
tenants:
  - {domain: clinic.test, extensions: ["10"], api_token: t0k}
webhook:
  url: https://127.0.0.1:8443/calls
  headers: {Authorization: Bearer x}
"""


def test_everything_can_be_said(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(GOOD)
    options = load_settings(path, domain="other.test")
    assert (options.domain, options.extensions) == ("other.test", ("10", "11"))
    assert (options.service.seed, options.service.did_acceptance_s, options.service.live_errors) == (7, None, "frame")
    assert (options.tenants[0].domain, options.tenants[0].api_token) == ("clinic.test", "t0k")
    assert options.webhook is not None
    assert options.webhook.headers["Authorization"] == "Bearer x"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("domian: x", "no such setting: domian"),
        ("service: {seeds: 1}", r"service: no such setting: seeds"),
        ("tenants: [{domain: a.test}, {name: b}]", r"tenants\[1\]: no such setting: name"),
        ("service: {seed: many}", "service.seed"),
        ("service: 5", "service: a mapping is expected"),
        ("[1]", "a mapping is expected"),
        ("a: [", "is no YAML"),
        ("domain: pbx lab", "host name"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        load_settings(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        load_settings(tmp_path / "none.yaml")


def test_the_program_takes_them_and_starts_soon(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(GOOD)
    began = time.monotonic()
    command = [sys.executable, "-m", "softphone.cli.main", "lab", "--settings", str(path), "--domain", "given.test"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "140"}) as lab:
        assert lab.stdout is not None
        for line in lab.stdout:
            if "The lab is ready" in line:
                took_s = time.monotonic() - began
                break
        print(f"from the command to ready: {took_s:.2f} s")
        rest = ""
        for line in lab.stdout:
            rest += line
            if "provider:" in line:
                break
        lab.terminate()
        lab.stdout.read()
    assert lab.returncode == 0
    assert took_s < 10  # two seconds on a machine of its own
    for word in ("given.test", "clinic.test", "t0k", "Web page", "Refresh token"):
        assert re.search(word, rest)
