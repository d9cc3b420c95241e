"""What reports of a transfer mean."""

from __future__ import annotations

import pytest

from softphone.engine.transfer import verdict


@pytest.mark.parametrize(
    ("code", "final", "meaning"),
    [
        (100, False, "progress"),
        (180, False, "progress"),
        (200, False, "done"),
        (200, True, "done"),
        (202, True, "done"),
        (486, False, "failed"),
        (603, True, "failed"),
        (501, True, "failed"),
        (100, True, "failed"),  # the far end will say no more, and never said that it worked
        (0, True, "failed"),
    ],
)
def test_verdict(code: int, final: bool, meaning: str) -> None:
    assert verdict(code, final) == meaning
