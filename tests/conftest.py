"""For the whole suite."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long hypothesis takes to make and to try an example says something of the machine, not of the product
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

_HERE = Path(__file__).parent
# What measures the machine, or loads it: nothing else may run beside it
_ALONE = [
    _HERE / place
    for place in (
        "native",
        "benchmarks",
        "e2e/test_fuzz.py",
        "e2e/test_leaks.py",
        "e2e/test_soak.py",
        "e2e/test_torture.py",
    )
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks those tests, so that `make test` runs them by themselves and all others several at a time."""
    for item in items:
        if any(place == item.path or place in item.path.parents for place in _ALONE):
            item.add_marker(pytest.mark.alone)
