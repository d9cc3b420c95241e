"""200 extensions in 3 tenants, 2,000 calls, tokens that expire, faults throughout: nothing is lost, nothing doubled."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.day_of_life import Day, Plan

pytestmark = pytest.mark.e2e


@pytest.mark.timeout(900)
def test_a_day_of_life_in_two_minutes(tmp_path: Path) -> None:
    plan = Plan()
    counts = asyncio.run(Day(plan, tmp_path).live_through())
    print("\n" + "\n".join(counts.lines()))
    assert counts.failures == []
    assert counts.calls == plan.calls
    assert counts.expected == counts.timelines == counts.complete
    assert counts.missing == counts.twice == 0
    assert counts.cdrs_lost == counts.cdrs_twice == 0
    assert counts.states_twice == 0
    assert counts.states_lost <= counts.states // 200  # what the lab had written into connections that it then cut
    assert counts.tokens_expired > 0
    assert counts.gaps > 0
    assert counts.duplicates > 0
