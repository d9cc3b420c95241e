"""The lab's OpenAPI documents, and what schemathesis finds when it takes them at their word.

A longer run by hand: SCHEMATHESIS_SECONDS=120 python -m pytest tests/lab/test_openapi.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from softphone.lab import Lab
from softphone.lab.api.page import document
from tests.support.lab_thread import lab_thread

PROGRAM = Path(sys.executable).with_name("schemathesis")
SECONDS = int(os.environ.get("SCHEMATHESIS_SECONDS", "0"))
EXAMPLES = 8
ALWAYS = ("--seed", "1", "--generation-database", "none", "--warnings", "off")
LIMIT_S = 90


def known(schema: dict[str, Any], lab: Lab) -> dict[str, Any]:
    """The document with this lab's own domain, extensions and user in the place of any: most requests get in."""
    text = json.dumps(schema)
    loaded: dict[str, Any] = json.loads(text)
    schemas = loaded["components"]["schemas"]
    for name, values in (
        ("DomainUuid", [lab.domain_uuid]),
        ("Source", ["901", "902", "909"]),
        ("ExtensionInteger", [901, 902]),
        ("UserUuid", [lab.user_uuid]),
        ("TenantDomain", [lab.domain, "b.test"]),
    ):
        if name in schemas:
            schemas[name] = {"enum": values}
    return loaded


def schemathesis(folder: Path, lab: Lab, schema: dict[str, Any], *more: str) -> str:
    """Run it; returns what it printed, and fails with that if it found anything."""
    path = folder / "openapi.json"
    path.write_text(json.dumps(schema))
    (folder / "schemathesis.toml").write_text(
        f'[auth.openapi.apiToken]\napi_key = "{lab.api_token}"\n'
        f'[auth.openapi.refreshToken]\nbearer = "{lab.refresh_token}"\n'
        # a well-formed order of what does not exist is refused, and rightly so
        '[checks.positive_data_acceptance]\nexpected-statuses = ["2xx", "401", "403", "404", "409", "422"]\n'
    )
    budget = ("--max-time", str(SECONDS)) if SECONDS else ("--max-examples", str(EXAMPLES))
    done = subprocess.run(
        [PROGRAM, "run", str(path), "--url", lab.api_url, *ALWAYS, *budget, *more],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S + SECONDS,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("name", ["service.yaml"])
def test_schemathesis_finds_nothing(tmp_path: Path, name: str) -> None:
    with lab_thread() as running:
        schema = running.ask(lambda lab: known(document(name), lab))
        # a refresh token that is revoked early leaves nothing to find in the rest
        schemathesis(tmp_path, running.lab, schema, "--exclude-operation-id", "revokeRefresh")
