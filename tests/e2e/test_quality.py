"""Figures of a call's sound against the lab: reports both ways, extended ones, the last seconds, and after a hold."""

from __future__ import annotations

from typing import Any

import pytest

from softphone.lab import Lab
from tests.e2e.conftest import OVER
from tests.support.phone import Phone
from tests.support.until import until

ANSWER = [{"from": "*", "action": "answer"}]


async def figures(phone: Phone, call: str, *names: str) -> dict[str, Any]:
    """The call's figures once all of these are known, and how the last seconds sounded.

    The far end's reports take some seconds.
    """

    def known() -> dict[str, Any] | None:
        found = phone.agent.quality(call)
        if found is None or any(found[name] is None for name in names) or found["recent"] is None:
            return None
        return None if found["recent"]["loss_percent"] is None else dict(found)

    await until(known, within_s=40)
    return known() or {}


async def pair(phone: Phone) -> tuple[str, str]:
    out = await phone.connected("902", account="901")
    came = (await phone.told("call.incoming"))["call"]
    await phone.told("call.media", call=came, active=True)
    return out, came


@pytest.mark.parametrize(("codec", "extended"), [("opus", True), ("g722", False)])
def test_both_ends_know_how_both_are_heard(act: Any, codec: str, extended: bool) -> None:
    """901 and 902 hear each other through the lab's relay, on one machine: little is lost, and jitter is small."""

    async def scene(lab: Lab, phone: Phone) -> None:
        for call in await pair(phone):
            known = ("mos", "tx_mos", "jitter_ms", "tx_jitter_ms", "rtt_ms", *(("xr",) if extended else ()))
            plausible(await figures(phone, call, *known), extended)

    act(scene, incoming=ANSWER, codecs=[codec], rtcp_xr=extended)


def plausible(found: dict[str, Any], extended: bool) -> None:
    """A good line, measured on a machine that may be busy."""
    assert found["ptime_ms"] == 20
    assert found["rtcp_reports"] >= 1
    assert (found["loss_percent"], found["tx_loss_percent"]) == pytest.approx((0, 0), abs=15)
    assert 3 < found["mos"] <= 4.41
    assert 3 < found["tx_mos"] <= 4.41
    assert found["jitter_ms"] < 100
    assert found["tx_jitter_ms"] < 100
    assert found["rtt_ms"] < 500
    assert 20 <= found["delay_ms"] < 400
    assert found["recent"]["loss_percent"] == pytest.approx(0, abs=20)
    assert (found["xr"] is not None) == extended
    if extended:
        assert found["xr"]["loss_percent"] == pytest.approx(0, abs=15)
        assert 3 < found["xr"]["mos_listening"] <= 4.41
        assert 60 <= found["xr"]["r_factor"] <= 94


@OVER
def test_the_figures_of_a_call_go_on_over_a_hold(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9196", account="901")
        await figures(phone, call, "recent")
        before = (await figures(phone, call, "mos"))["tx_packets"]
        phone.agent.hold(call)
        await phone.told("call.hold", call=call, held=True)
        phone.agent.resume(call)
        await phone.told("call.hold", call=call, held=False)
        ended = await phone.hung_up(call)
        assert ended["quality"]["tx_packets"] >= before - 60  # what a look a second may miss

    act(scene, codecs=["pcmu"])
