"""The configuration file and the secrets that it names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from softphone.cli.configfile import find_config
from softphone.cli.doctor.findings import Area, Finding
from softphone.cli.output import count_of
from softphone.errors import ConfigError

if TYPE_CHECKING:
    from softphone.config import Config, Report

CONFIGURATION = Area("configuration")


def read_configuration(named: str | None) -> tuple[list[Finding], Config | None]:
    """What is wrong with the file, and the configuration if it can be used."""
    from softphone.config import check

    try:
        path = find_config(named)
    except ConfigError as error:
        cure = "`softphone config example > softphone.yaml` is a start; without one only this machine is checked"
        return [CONFIGURATION.warn("file", str(error).partition(". Name one")[0], cure)], None
    report = check(path)
    return list(_judged(path, report)), report.config


def _judged(path: Path, report: Report) -> Iterator[Finding]:
    for problem in report.problems:
        yield CONFIGURATION.fail("file", str(problem), "mend it, then `softphone config check` looks again")
    for warning in report.warnings:
        yield CONFIGURATION.warn("file", str(warning), "see config.example.yaml for what the key means")
    if report.config is not None:
        pulled = sum(1 for account in report.config.accounts if account.pulled)
        entries = count_of(len(report.config.accounts), "account entry", "account entries")
        yield CONFIGURATION.ok("file", f"{path}: {entries}, {pulled} pulled from the PBX")
        yield CONFIGURATION.ok("secrets", "all that it names can be read")
