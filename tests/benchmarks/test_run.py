"""The harness itself, with one call for two seconds: both phones, a far end, real packets."""

from __future__ import annotations

from benchmarks.capacity import one_round
from benchmarks.daemons import daemon, lab
from benchmarks.fleet import compare
from benchmarks.latency import idle_percent, setup_times, status_times
from benchmarks.phones import SAME


def test_one_call_of_each_phone_is_measured() -> None:
    ours, c = one_round(SAME, (1,), window_s=2.0)
    assert (ours.phone, c.phone) == ("softphone", "pjsua")
    for sample in (ours, c):
        assert 80 <= sample.packets <= 120
        assert sample.lost == 0
        assert sample.cpu_ms > 0
        assert sample.sound > 0.5


def test_the_daemon_is_timed() -> None:
    with lab() as configs, daemon(configs["udp"]) as phone:
        assert 0 < phone.serves_s <= phone.registered_s
        assert 0 < idle_percent(phone, 0.5) < 50
        assert 0 < status_times(phone.client, 5).p50_ms < 1000
        assert 0 < setup_times(phone.client, "9196", 2).p50_ms < 5000


def test_a_small_fleet_registers_with_both_programs() -> None:
    found = compare(5, 1, print)
    assert [(fleet.program, fleet.count, fleet.requests) for fleet in found.fleets] == [
        ("softphone", 5, 1),
        ("SIPp", 5, 0),
    ]
    assert all(0 <= fleet.registering_s.middle <= fleet.all_s.middle for fleet in found.fleets)
    assert found.all_ratio.middle > 0
