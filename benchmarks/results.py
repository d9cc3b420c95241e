"""From samples to what is said of them: medians of rounds, ratios, and whether an aim is met."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks.capacity import Round, Sample
from benchmarks.crowd import Crowd
from benchmarks.fleet import Fleets
from benchmarks.latency import Latency
from benchmarks.phones import Pjsua, Softphone
from benchmarks.plan import HELP_AIM_MS, IDLE_AIM_PERCENT, Comparison
from benchmarks.stats import Spread


@dataclass(frozen=True, slots=True)
class Row:
    """Both phones with so many calls, over all rounds. `ratio`: our processor time to pjsua's, round by round."""

    calls: int
    ours_cpu_ms: Spread
    c_cpu_ms: Spread
    ratio: Spread
    ours_memory_mb: Spread | None
    c_memory_mb: Spread | None
    ours_late: int
    c_late: int
    ours_lost: int
    c_lost: int
    ours_packets: int
    c_packets: int
    ours_worst_gap_ms: float
    c_worst_gap_ms: float


@dataclass(frozen=True, slots=True)
class Table:
    """One comparison's rows."""

    name: str
    does: str
    aim: float | None
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Verdict:
    """An aim, and how it stands."""

    what: str
    found: str
    aim: str
    met: bool


@dataclass(slots=True)
class Results:
    """All of one run. `machine` says where."""

    machine: dict[str, str]
    tables: list[Table] = field(default_factory=list)
    latency: Latency | None = None
    accounts: list[Crowd] = field(default_factory=list)
    set_ups: list[Crowd] = field(default_factory=list)
    fleets: Fleets | None = None

    def verdicts(self) -> list[Verdict]:
        """Every aim that this run can judge."""
        found = [verdict for table in self.tables for verdict in _of_table(table)]
        if self.latency is not None:
            found += _of_latency(self.latency)
        return found


def table_of(comparison: Comparison, rounds: Sequence[Round]) -> Table:
    """The rounds of one comparison, row by row."""
    rows = [_row(count, rounds) for count in comparison.counts]
    return Table(comparison.settings.name, comparison.settings.does.value, comparison.aim, rows)


def _row(count: int, rounds: Sequence[Round]) -> Row:
    ours = _of(rounds, Softphone.name, count)
    c = _of(rounds, Pjsua.name, count)
    return Row(
        count,
        Spread.of([each.cpu_ms for each in ours]),
        Spread.of([each.cpu_ms for each in c]),
        Spread.of([mine.cpu_ms / theirs.cpu_ms for mine, theirs in zip(ours, c, strict=True)]),
        _memory(ours),
        _memory(c),
        sum(each.late for each in ours),
        sum(each.late for each in c),
        sum(each.lost for each in ours),
        sum(each.lost for each in c),
        sum(each.packets for each in ours),
        sum(each.packets for each in c),
        max(each.worst_gap_ms for each in ours),
        max(each.worst_gap_ms for each in c),
    )


def _of(rounds: Sequence[Round], phone: str, count: int) -> list[Sample]:
    return [sample for samples in rounds for sample in samples if (sample.phone, sample.calls) == (phone, count)]


def _memory(samples: Sequence[Sample]) -> Spread | None:
    """None for one call: there is nothing that grew."""
    return Spread.of([each.memory_mb for each in samples]) if samples[0].calls > 1 else None


def _of_table(table: Table) -> Iterable[Verdict]:
    if table.aim is None:
        return
    for row in table.rows:
        yield Verdict(
            f"{table.name}, {row.calls} call{'s' * (row.calls > 1)}: processor time to pjsua's",
            f"{row.ratio.middle:.2f}",
            f"at most {table.aim:.2f}",
            row.ratio.middle <= table.aim,
        )


def _of_latency(found: Latency) -> list[Verdict]:
    return [
        Verdict(
            "idle phone, two registered accounts",
            f"{found.idle_percent:.2f} %",
            f"under {IDLE_AIM_PERCENT:g} %",
            found.idle_percent < IDLE_AIM_PERCENT,
        ),
        Verdict(
            "softphone --help",
            f"{found.help.p50_ms:.0f} ms",
            f"under {HELP_AIM_MS:.0f} ms",
            found.help.p50_ms < HELP_AIM_MS,
        ),
    ]
