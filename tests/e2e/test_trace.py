"""SIP messages of calls with the lab: all of them, in order, as they were before encryption, without secrets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from softphone.aio import Backoff
from softphone.config.model import Trace
from softphone.lab import Lab, LabOptions
from softphone.stacks.pjsip import siptap
from softphone.tracing import collector, tracer
from softphone.tracing.message import parts
from softphone.tracing.store import Entry
from tests.support.phone import Phone
from tests.support.until import until
from tests.tracing.test_hep import chunks


def starts(entries: Sequence[Entry]) -> list[str]:
    """`> INVITE` for what we sent, `< 200` for what we received, each with its method."""
    found = [(entry.message.sent, parts(entry.message.data)) for entry in entries]
    return [f"{'>' if sent else '<'} {p.status or ''} {p.method}".replace("  ", " ") for sent, p in found]


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls", "wss"])
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
        if transport == "wss":
            assert b"Via: SIP/2.0/WSS " in text
            assert b"SIP/2.0/TCP" not in text, "what went over the WebSocket, not what PJSIP and the tunnel say"
        else:
            assert b"inline:MASKED" in text
        tracing.switch(False)
        await phone.hung_up(await phone.connected("9196", account="901"))
        assert len(tracing.entries()) == len(entries)

    act(scene, transport=transport, srtp="mandatory")


def test_both_sides_of_a_call_between_accounts(act: Any) -> None:
    """The caller's account and the callee's each have their own messages, whatever else is said."""

    async def scene(lab: Lab, phone: Phone) -> None:
        tracing = phone.agent.tracing
        tracing.switch(True, f"902@{lab.domain}")
        out = phone.agent.dial("902", account="901")
        incoming = (await phone.told("call.incoming"))["call"]
        phone.agent.answer(incoming)
        await phone.told("call.answered", call=out.id)
        await phone.hung_up(out.id)
        await phone.told("call.ended", call=incoming)
        await until(lambda: starts(tracing.entries(call=incoming))[-1] == "> 200 BYE")
        assert starts(tracing.entries(call=incoming)) == [
            "< INVITE", "> 100 INVITE", "> 180 INVITE", "> 200 INVITE", "< ACK", "< BYE", "> 200 BYE"
        ]  # fmt: skip
        assert tracing.entries(call=out.id) == []
        assert {e.dialog.account for e in tracing.entries()} == {f"902@{lab.domain}"}

    act(scene)


def test_a_call_that_is_traced_by_itself(act: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracer, "LINGER_S", 0.3)

    async def scene(lab: Lab, phone: Phone) -> None:
        tracing = phone.agent.tracing
        other = await phone.connected("9196", account="902")
        call = await phone.connected("9196", account="901", trace=True)
        assert tracing.status().calls == [call]
        await phone.hung_up(other)
        await phone.hung_up(call)
        await until(lambda: not tracing.active)
        assert starts(tracing.entries())[::10] == ["> INVITE"]
        assert {e.dialog.call for e in tracing.entries()} == {call}
        assert starts(tracing.entries())[-1] == "< 200 BYE"

    act(scene)


def test_a_call_that_is_placed_again_in_the_clear_is_one_call(act: Any) -> None:
    """SRTP preferred and refused: two INVITEs with two Call-IDs."""

    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9196", account="901", trace=True)
        await phone.told("call.unencrypted")
        await phone.hung_up(call)
        entries = phone.agent.tracing.entries(call=call)
        assert len({e.dialog.sip_call_id for e in entries}) == 2
        made = [start for start in starts(entries) if start in ("< 488 INVITE", "< 200 INVITE", "> BYE")]
        assert made == ["< 488 INVITE", "< 200 INVITE", "> BYE"]

    act(scene, srtp="prefer", lab=LabOptions(srtp="off"))


def test_more_messages_than_the_loop_can_take_are_counted_and_told(act: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood while Python is busy: the queue stays as small as it is meant to be, and what is missing is known."""
    monkeypatch.setattr(siptap, "WAITING", 50)
    flood = 300

    async def scene(lab: Lab, phone: Phone) -> None:
        tracing = phone.agent.tracing
        tracing.switch(True)
        contact = lab.registrations("901")[0].source
        before = tracing.status()
        answered = flood_with_options(contact, flood)  # blocks the loop, as busy code would
        assert answered == flood
        lost = await phone.told("trace.lost")
        status = tracing.status()
        assert status.messages - before.messages == 50
        assert lost["messages"] == status.lost - before.lost == 2 * flood - 50
        await phone.hung_up(call := await phone.connected("9196", account="901"))
        assert starts(tracing.entries(call=call))[0] == "> INVITE"  # and it goes on

    act(scene, transport="udp")


def flood_with_options(target: tuple[str, int], count: int) -> int:
    """Sends OPTIONS, one after another, and returns how many were answered."""
    answered = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(10)
        ours = f"127.0.0.1:{peer.getsockname()[1]}"
        for number in range(count):
            lines = (
                f"OPTIONS sip:901@{target[0]}:{target[1]} SIP/2.0",
                f"Via: SIP/2.0/UDP {ours};branch=z9hG4bKflood{number}",
                f"From: <sip:flood@{ours}>;tag={number}",
                f"To: <sip:901@{target[0]}>",
                f"Call-ID: flood-{number}",
                "CSeq: 1 OPTIONS",
                "Max-Forwards: 70",
                "Content-Length: 0",
            )
            peer.sendto("\r\n".join([*lines, "", ""]).encode(), target)
            answered += peer.recv(65_535).startswith(b"SIP/2.0 ")
    return answered


def test_memory_stays_bounded_whatever_passes_by(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        tracing = phone.agent.tracing
        await tracing.configure(Trace(sip=True, keep_messages=40, keep_mb=1))
        for _ in range(8):
            await phone.hung_up(await phone.connected("9196", account="901"))
        status = tracing.status()
        assert status.messages <= 40
        assert status.last > 60
        assert status.forgotten == status.last - status.messages
        assert status.lost == 0

    act(scene)


def test_a_collector_that_is_down_costs_its_messages_and_one_warning(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        tracing = phone.agent.tracing
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
            unused.bind(("127.0.0.1", 0))
            place = f"127.0.0.1:{unused.getsockname()[1]}"
        await tracing.configure(Trace(sip=True, hep={"collector": place}))  # nobody listens there any more
        for _ in range(3):
            await phone.hung_up(await phone.connected("9196", account="901"))
        await phone.told("trace.collector_failed")
        view = tracing.status().collector
        assert view is not None
        assert view.dropped > 3
        assert "refused" in view.cause
        assert len(phone.all("trace.collector_failed")) == 1
        assert len(phone.all("call.ended", reason="local_hangup")) == 3

    act(scene)


def test_a_collector_over_tcp_that_comes_and_goes(act: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "Backoff", lambda *_: Backoff(0.05, 0.1))
    got = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            got.extend(data)
        writer.close()

    async def scene(lab: Lab, phone: Phone) -> None:
        tracing = phone.agent.tracing
        server = await asyncio.start_server(listen, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        await tracing.configure(Trace(sip=True, hep={"collector": f"127.0.0.1:{port}", "transport": "tcp"}))
        await phone.hung_up(call := await phone.connected("9196", account="901"))
        await until(lambda: len(list(hep_packets(got))) == tracing.status().last)
        texts = [chunks(packet)[15] for packet in hep_packets(got)]
        assert texts == [entry.message.data for entry in tracing.entries()]
        assert chunks(next(hep_packets(got)))[17].decode() == tracing.entries(call=call)[0].dialog.sip_call_id
        await tracing.configure(Trace(sip=True))
        server.close()
        await server.wait_closed()
        await tracing.configure(Trace(sip=True, hep={"collector": f"127.0.0.1:{port}", "transport": "tcp"}))
        await phone.told("trace.collector_failed")
        again = await asyncio.start_server(listen, "127.0.0.1", port)
        await phone.told("trace.collector_back")
        again.close()

    act(scene)


def hep_packets(data: bytearray) -> Iterator[bytes]:
    place = 0
    while place + 6 <= len(data):
        length = int.from_bytes(data[place + 4 : place + 6])
        yield bytes(data[place : place + length])
        place += length
