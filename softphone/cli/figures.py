"""Figures of a call's sound in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Figures = Mapping[str, Any]


def mos(call: Mapping[str, Any]) -> str:
    """What is heard here and heard there, now; '' where nothing is known."""
    recent = (call["quality"] or {}).get("recent") or {}
    here, there = recent.get("mos"), recent.get("tx_mos")
    return "" if here is None and there is None else f"{_number(here)} / {_number(there)}"


def quality_facts(quality: Figures | None) -> dict[str, str]:
    """One line for each direction and one for the way between; lines without anything to say are empty."""
    if not quality:
        return {}
    recent = quality.get("recent") or {}
    return {
        "heard here": _direction(quality, recent, ""),
        "heard there": _direction(quality, recent, "tx_") if quality.get("rtcp_reports") else "",
        "way": _listed(
            ("round trip", quality.get("rtt_ms"), "ms"),
            ("jitter buffer", quality.get("jitter_buffer_ms"), "ms"),
            ("one way in all", quality.get("delay_ms"), "ms"),
        ),
        "packets": f"{quality['rx_packets']} received, {quality['tx_packets']} sent",
    }


def _direction(quality: Figures, recent: Figures, prefix: str) -> str:
    return _listed(
        ("MOS", quality.get(f"{prefix}mos"), ""),
        ("now", recent.get(f"{prefix}mos"), ""),
        ("lost", quality.get(f"{prefix}loss_percent"), "%"),
        ("jitter", quality.get(f"{prefix}jitter_ms"), "ms"),
    )


def _listed(*facts: tuple[str, float | None, str]) -> str:
    return ", ".join(f"{name} {_number(value)} {unit}".rstrip() for name, value, unit in facts if value is not None)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
