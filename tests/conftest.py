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
        "e2e/test_day_of_life.py",
        "e2e/test_devices.py",
        "e2e/test_fuzz.py",
        "e2e/test_handset_soak.py",
        "e2e/test_kiosk.py",
        "e2e/test_leaks.py",
        "e2e/test_soak.py",
        "e2e/test_torture.py",
    )
]
# What takes minutes begins first, so that it is not waited for at the end
_LONGEST_FIRST = [_HERE / place for place in ("interop/test_network_faults.py", "interop", "e2e")]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what must run alone, so that `make test` runs it by itself and all the rest several at a time."""
    items.sort(key=lambda item: next((i for i, place in enumerate(_LONGEST_FIRST) if _is_in(item, place)), 99))
    for item in items:
        if any(_is_in(item, place) for place in _ALONE):
            item.add_marker(pytest.mark.alone)


def _is_in(item: pytest.Item, place: Path) -> bool:
    return place == item.path or place in item.path.parents
