"""Whose messages are whose, without a stack: what a trace of one account costs for the others."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from softphone import events
from softphone.tracing import tracer
from softphone.tracing.message import SipMessage
from tests.control.fakes import FakeAgent
from tests.support.until import until
from tests.tracing.samples import message, request

OTHER = "902@pbx.example"


def now(data: bytes, *, sent: bool = True) -> SipMessage:
    return replace(message(data, sent=sent), time_us=time.time_ns() // 1000)


def ended(call: str) -> events.CallEnded:
    return events.CallEnded(
        call=call, account=OTHER, reason="busy", by="remote", code=486, sip_reason="", phase="dialing", cause="",
        duration_s=0.0, quality=None,
    )  # fmt: skip


def test_calls_of_others_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracer, "LINGER_S", 0.2)

    async def scene() -> None:
        agent = FakeAgent()
        tracing = agent.tracing
        tracing.switch(True, "901@pbx.example")
        highest = 0
        for number in range(60):
            name = agent.add_call(sip_call_id=f"id{number}").id
            agent.bus.publish(events.CallDialing(call=name, account=OTHER, target="sip:x", sip_call_id=f"id{number}"))
            agent.wire.pass_by(now(request(call_id=f"id{number}").replace(b"901@", b"902@")))
            agent.bus.publish(ended(name))  # calls end all the time, and more often than LINGER_S
            await asyncio.sleep(0.01)
            highest = max(highest, tracing._store.dialogs)
        assert highest < 60
        await until(lambda: tracing._store.dialogs == 0)
        assert len(tracing) == 0

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("data", "sent", "account"),
    [
        (request("REGISTER"), True, "901@pbx.example"),
        (request("REGISTER").replace(b"REGISTER sip:9196@pbx.example", b"SIP/2.0 200 OK\r\nX:", 1), False,
         "901@pbx.example"),
        (request().replace(b"sip:9196@pbx.example SIP", b"sip:902@192.0.2.7:41000;ob SIP", 1), False,
         "902@pbx.example"),
        (request().replace(b"<sip:9196@pbx.example>", b"<sip:902@pbx.example>"), False, "902@pbx.example"),
        (request().replace(b"901@", b"stranger@"), True, ""),
        (b"OPTIONS nonsense", True, ""),
        (b"", False, ""),
    ],
)  # fmt: skip
def test_the_account_is_that_of_our_side(data: bytes, sent: bool, account: str) -> None:
    async def scene() -> None:
        agent = FakeAgent()
        agent.tracing.switch(True)
        agent.wire.pass_by(now(data, sent=sent))
        (entry,) = agent.tracing.entries()
        assert entry.dialog.account == account

    asyncio.run(scene())
