"""SIP messages of calls with the lab: all of them, in order, as they were before encryption, without secrets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from softphone.lab import Lab
from softphone.tracing.message import parts
from softphone.tracing.store import Entry
from tests.support.phone import Phone
from tests.support.until import until


def starts(entries: Sequence[Entry]) -> list[str]:
    """`> INVITE` for what we sent, `< 200` for what we received, each with its method."""
    found = [(entry.message.sent, parts(entry.message.data)) for entry in entries]
    return [f"{'>' if sent else '<'} {p.status or ''} {p.method}".replace("  ", " ") for sent, p in found]


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_every_message_of_a_call(act: Any, transport: str) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        tracing = phone.agent.tracing
        assert tracing.entries() == []  # nobody wanted it
        tracing.switch(True)
        call = await phone.connected("9196", account="901")
        phone.agent.send_digits(call, "7", method="info")
        await phone.told("call.digits_sent")
        await phone.hung_up(call)
        await until(lambda: starts(tracing.entries(call=call))[-1] == "< 200 BYE")
        entries = tracing.entries(call=call)
        assert starts(entries) == [
            "> INVITE", "< 407 INVITE", "> ACK", "> INVITE", "< 100 INVITE", "< 200 INVITE", "> ACK",
            "> INFO", "< 200 INFO", "> BYE", "< 200 BYE",
        ]  # fmt: skip
        assert {e.message.transport for e in entries} == {transport}
        assert {e.dialog.account for e in entries} == {f"901@{lab.domain}"}
        assert {str(e.message.remote) for e in entries} == {f"127.0.0.1:{getattr(lab, f'sip_{transport}_port')}"}
        assert all(e.message.local.address == "127.0.0.1" and e.message.local.port for e in entries)
        times = [e.message.time_us for e in entries]
        assert times == sorted(times)
        text = b"".join(e.message.data for e in entries)
        assert b"Signal=*" in text
        assert b'response="****' in text
        assert b"inline:MASKED" in text
        tracing.switch(False)
        await phone.hung_up(await phone.connected("9196", account="901"))
        assert len(tracing.entries()) == len(entries)

    act(scene, transport=transport, srtp="mandatory")
