"""One account for all cases; what it may not do is not tried."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from softphone.config import Provider
from tests.contract.account import Account, account_of, switches

_HERE = Path(__file__).parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out the cases whose switches are not set; against the lab all are tried."""
    if not any(item.get_closest_marker("contract") for item in items):
        return
    allowed = switches().allowed
    left_out = [item for item in items if not _wanted(item) <= allowed]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def _wanted(item: pytest.Item) -> frozenset[str]:
    return frozenset(name for mark in item.iter_markers("contract") for name in mark.args)


@pytest.fixture(scope="package")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with account_of(switches(), tmp_path_factory.mktemp("contract")) as found:
        yield found


@pytest.fixture
def provider(account: Account) -> Provider:
    return account.provider
