"""The lab's OpenAPI documents, and what schemathesis finds when it takes them at their word.

A longer run by hand: SCHEMATHESIS_SECONDS=120 python -m pytest tests/lab/test_openapi.py
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from softphone.lab import Lab, LabOptions
from softphone.lab.api.page import document
from softphone.lab.service_options import TenantOptions
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
        ("TenantDomain", [lab.domain, "shop"]),
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


@pytest.mark.parametrize(
    ("name", "left_out", "phases"),
    [
        # a refresh token that is revoked early leaves nothing to find in the rest
        ("service.yaml", "revokeRefresh", "coverage,fuzzing,stateful"),
        # what would be pushed to wherever a generated URL leads
        ("lab.yaml", "testWebhook", "fuzzing,stateful"),
    ],
)
def test_schemathesis_finds_nothing(tmp_path: Path, name: str, left_out: str, phases: str) -> None:
    with lab_thread(LabOptions(tenants=(TenantOptions("shop"),))) as running:
        schema = running.ask(lambda lab: known(document(name), lab))
        wanted = () if SECONDS else ("--phases", phases)
        schemathesis(tmp_path, running.lab, schema, "--exclude-operation-id", left_out, *wanted)


def test_every_route_is_described() -> None:
    async def run() -> None:
        async with Lab() as lab:
            served = {re.sub(":int", "", each.path) for each in lab.routes() if isinstance(each, Route)}
        described = {*document("service.yaml")["paths"], *document("lab.yaml")["paths"]}
        undescribed = served - described
        assert undescribed == {
            "/",
            "/lab/page.js",
            "/lab/page.css",
            "/openapi.json",
            "/lab/v1/openapi.json",
            "/lab/v1/events/stream",
        }
        assert described <= served

    asyncio.run(run())
