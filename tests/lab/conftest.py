"""What holds for every test of the lab: it never stumbles over itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _no_errors_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A task of the lab that failed, or an exception nobody took, fails the test."""
    yield
    errors = [each for each in caplog.get_records("call") if each.levelname in ("ERROR", "CRITICAL")]
    assert not errors, [each.getMessage() for each in errors]
