"""Faults of the SIP side: requests refused, lost and answered late, in a way that a test can count on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from softphone.errors import UsageError
from softphone.lab import Lab, LabOptions
from softphone.lab.options import SipTimers
from tests.lab.phone import phone, sdp


def in_lab(test: Callable[[Lab], Awaitable[None]], options: LabOptions | None = None) -> None:
    async def run() -> None:
        async with Lab(options) as lab:
            await test(lab)

    asyncio.run(run())


def test_503_with_retry_after_for_one_extension_and_method() -> None:
    async def test(lab: Lab) -> None:
        fault = lab.fault("sip", "status", status=503, delay_s=6.5, times=1, path="REGISTER 901")
        async with phone(lab, "901") as ua, phone(lab, "902") as other:
            await other.register()
            ua.send(ua.request("REGISTER", f"sip:{lab.domain}", to=f"<sip:901@{lab.domain}>"))
            refused = await ua.expect(503)
            assert refused.headers["Retry-After"] == "7"
            await ua.register()
        assert (fault.struck, fault.over) == (1, True)

    in_lab(test)


def test_a_lost_request_is_lost_with_its_repetitions() -> None:
    async def test(lab: Lab) -> None:
        lab.fault("sip", "drop", times=1, path="OPTIONS")
        async with phone(lab, "901") as ua:
            lost = ua.request("OPTIONS", f"sip:{lab.domain}")
            ua.send(lost)
            ua.send(lost)
            ua.send(ua.request("OPTIONS", f"sip:{lab.domain}"))
            answer = await ua.expect(200)
            assert answer.cseq.sequence == ua.cseq
            assert ua.raw.empty()
            await asyncio.sleep(0.25)  # the transaction of the lost one is over by now
            assert len(lab.switch.endpoint.layer) <= 1

    in_lab(test, LabOptions(timers=SipTimers(t1_s=0.003)))


def test_a_late_answer() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua:
            lab.fault("sip", "delay", delay_s=0.3, times=1, path="BYE")
            await ua.invite("9196", sdp(4000))
            ok = await ua.expect(200)
            ua.ack(ok)
            began = time.monotonic()
            ua.within(ok, "BYE")
            await ua.expect(200)
            assert time.monotonic() - began >= 0.3
            await lab.wait_for("call_ended", by="caller")
            lab.fault("sip", "delay", delay_s=0.2, path="INVITE")
            await ua.invite("9486", sdp(4000))
            lab.faults.clear("sip")
            ua.ack(await ua.expect(486), branch=ua.branch)

    in_lab(test)


def test_unknown_kinds_are_refused() -> None:
    async def test(lab: Lab) -> None:
        with pytest.raises(UsageError, match="wrong_nonce, status, drop, delay"):
            lab.fault("sip", "explode")

    in_lab(test)
