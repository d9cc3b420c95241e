"""What docs/lab.md and the example say is what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from softphone.lab import LabOptions
from softphone.lab.faults import KINDS_OF
from softphone.lab.service_options import ServiceOptions
from softphone.lab.settings import load_settings
from softphone.lab.webhooks import FIELDS
from tests.support.lab_thread import lab_thread

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "lab.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_curl_works() -> None:
    commands = [block for block in blocks("sh") if block.startswith("curl")]
    assert len(commands) >= 10
    with lab_thread(LabOptions()) as running:
        lab = running.lab
        environment = {
            **os.environ,
            "LAB": lab.api_url,
            "TOKEN": lab.api_token,
            "DOMAIN": lab.domain_uuid,
            "REFRESH": lab.refresh_token,
            "USER": lab.user_uuid,
            "no_proxy": "*",
        }
        for command in commands:
            done = subprocess.run(
                ["bash", "-c", command], env=environment, capture_output=True, text=True, timeout=30, check=False
            )
            assert done.returncode == 0, (command, done.stdout, done.stderr)
        assert "906" in running.ask(lambda lab: lab.tenant.extensions)


def test_the_settings_are_settings(tmp_path: Path) -> None:
    (text,) = blocks("yaml")
    path = tmp_path / "lab.yaml"
    path.write_text(text)
    assert load_settings(path).tenants[0].domain == "clinic.lab.test"
    named = set(yaml.safe_load(text)["service"])
    assert named <= set(ServiceOptions.__dataclass_fields__)


def test_every_setting_fault_and_field_is_told() -> None:
    told = set(re.findall(r"`([\w.]+)`", PAGE))
    assert set(ServiceOptions.__dataclass_fields__) - {"first_line"} <= told
    assert {kind for kinds in KINDS_OF.values() for kind in kinds} | set(KINDS_OF) <= told
    assert set(FIELDS) <= told


def test_the_tour() -> None:
    with lab_thread(LabOptions()) as running:
        done = subprocess.run(
            [sys.executable, str(ROOT / "examples" / "lab_tour.py"), running.lab.api_url],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "no_proxy": "*"},
        )
        assert done.returncode == 0, done.stderr
        assert "ordered: (200, {'invoiceid': 10231, 'order_number': '0123456789'})" in done.stdout
        assert "no answer to the order" in done.stdout
        assert "['33199000001']" in done.stdout
        assert "-ERR USER_NOT_REGISTERED" in done.stdout
        assert [tenant.domain for tenant in running.lab.directory] == ["pbx.lab.test"]
