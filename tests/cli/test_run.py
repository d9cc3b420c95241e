"""`softphone run`: what it does before the daemon begins."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import typer

from softphone import daemon
from softphone.cli.commands.run import run


def test_no_garbage_is_looked_for_among_what_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "softphone.yaml"
    config.write_text("accounts: []\n")
    seen: list[tuple[bool, int]] = []

    def begin(_: object) -> int:
        seen.append((gc.isenabled(), gc.get_freeze_count()))
        return 3

    monkeypatch.setattr(daemon, "run", begin)
    try:
        with pytest.raises(typer.Exit) as ended:
            run(str(config))
    finally:
        gc.unfreeze()
    assert ended.value.exit_code == 3
    [(enabled, frozen)] = seen
    assert enabled
    assert frozen > 10_000
