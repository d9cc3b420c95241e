"""From samples to verdicts, and what people and programs get to see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.capacity import Sample
from benchmarks.phones import SAME
from benchmarks.plan import Comparison
from benchmarks.report import machine, show, write_json
from benchmarks.results import Results, table_of
from benchmarks.stats import Times


def sample(phone: str, calls: int, cpu_ms: float) -> Sample:
    return Sample(phone, calls, cpu_ms, 0.1, packets=100, late=1, lost=0, worst_gap_ms=41.0, sound=0.8)


@pytest.fixture
def results() -> Results:
    rounds = [[sample("softphone", 10, ours), sample("pjsua", 10, 1.0)] for ours in (0.9, 1.0, 1.2)]
    return Results(machine(), [table_of(Comparison(SAME, (10,), aim=1.05), rounds)])


def test_the_ratio_is_the_median_of_the_rounds(results: Results) -> None:
    [row] = results.tables[0].rows
    assert (row.ratio.least, row.ratio.middle, row.ratio.most) == (0.9, 1.0, 1.2)
    assert (row.ours_late, row.ours_packets) == (3, 300)


@pytest.mark.parametrize(("aim", "met"), [(1.05, True), (0.95, False)])
def test_an_aim_is_judged_by_the_median(aim: float, met: bool) -> None:
    rounds = [[sample("softphone", 10, 1.0), sample("pjsua", 10, 1.0)]]
    [verdict] = Results({}, [table_of(Comparison(SAME, (10,), aim), rounds)]).verdicts()
    assert verdict.met is met


def test_a_person_sees_ratio_and_aim(results: Results) -> None:
    console = Console(width=140)
    with console.capture() as capture:
        show(results, console)
    shown = capture.get()
    assert "1.00 (0.90-1.20)" in shown
    assert "met" in shown


def test_a_program_reads_all_of_it(results: Results, tmp_path: Path) -> None:
    write_json(results, tmp_path / "bench.json")
    found = json.loads((tmp_path / "bench.json").read_text())
    assert found["tables"][0]["rows"][0]["ratio"]["middle"] == 1.0
    assert found["verdicts"][0]["met"] is True


def test_percentiles_of_few_are_the_longest() -> None:
    assert Times.of([0.003, 0.001, 0.002]) == Times(3, 2.0, 3.0, 1.0)
