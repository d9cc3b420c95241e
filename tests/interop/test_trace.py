"""What a trace writes, read by programs that others wrote: captures by tshark, HEP by Kamailio's sipcapture."""

from __future__ import annotations

import asyncio
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from softphone.lab import Lab, LabOptions
from softphone.tracing.message import parts
from softphone.tracing.outlets import render
from softphone.tracing.store import Entry
from tests.interop.peers.homer import Homer
from tests.support.phone import Phone, running
from tests.support.until import until

pytestmark = pytest.mark.interop


async def traced_call(tmp_path: Path, trace: dict[str, Any], **account: Any) -> list[Entry]:
    """Two registrations and a call with digits; every message of it."""
    async with Lab(LabOptions()) as pbx:
        config = pbx.agent_config(["901", "902"], **account) | {"trace": {"sip": True} | trace}
        async with running(config, tmp_path) as phone:
            await phone.registered(2)
            await a_call(phone)
        return phone.agent.tracing.entries()  # with the end of the registrations


async def a_call(phone: Phone) -> None:
    call = await phone.connected("9196", account="901")
    phone.agent.send_digits(call, "42", method="info")
    await phone.told("call.digits_sent")
    await phone.hung_up(call)
    await until(lambda: b"BYE\r\n" in phone.agent.tracing.entries(call=call)[-1].message.data)


def tshark(capture: Path, *fields: str) -> list[list[str]]:
    """One row for each frame; every value of a field, joined by a comma."""
    words = ["tshark", "-n", "-r", str(capture), "-T", "fields", *(word for name in fields for word in ("-e", name))]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_tshark_reads_the_same_messages(tmp_path: Path, transport: str) -> None:
    entries = asyncio.run(traced_call(tmp_path, {}, transport=transport, srtp="mandatory"))
    file = tmp_path / "all.pcap"
    file.write_bytes(render(entries, "pcap", "")[0])
    fields = ("sip.Call-ID", "sip.Request-Line", "sip.Status-Line", "frame.time_epoch", "frame.protocols")
    rows = tshark(file, *fields)
    assert len(rows) == len(entries) >= 15
    for entry, (call_id, request, status, epoch, protocols) in zip(entries, rows, strict=True):
        assert call_id == entry.dialog.sip_call_id
        assert request or status == parts(entry.message.data).start
        assert request in ("", parts(entry.message.data).start)
        assert round(float(epoch) * 1e6) == pytest.approx(entry.message.time_us, abs=1)
        assert protocols.startswith(f"raw:ip:{'udp' if transport == 'udp' else 'tcp'}:sip")
    checks = tshark(file, "_ws.malformed", "_ws.expert.severity", "tcp.analysis.flags", "ip.checksum.status")
    assert {row[0] for row in checks} == {""}
    assert {row[2] for row in checks if len(row) > 2} <= {""}
    bodies = tshark(file, "sdp.media.port", "sip.auth.digest.response")
    assert sum(bool(port) for port, *_ in bodies) == 3  # both INVITEs and the 200
    answers = {row[1] for row in bodies if len(row) > 1 and row[1]}
    assert answers
    assert all(set(answer.strip('"')) == {"*"} for answer in answers)


def test_a_hep_collector_gets_the_same_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEP_KEY", "a key for the collector")
    with Homer() as homer:
        hep = {"collector": f"127.0.0.1:{homer.port}", "capture_id": 77, "auth_key": {"env": "HEP_KEY"}}
        entries = asyncio.run(collected_call(tmp_path, homer, hep))
        found = homer.messages()
    assert [row["msg"] for row in found] == [entry.message.data for entry in entries]
    for row, entry in zip(found, entries, strict=True):
        message = entry.message
        source, target = (message.local, message.remote) if message.sent else (message.remote, message.local)
        assert (row["source_ip"], row["source_port"]) == source
        assert (row["destination_ip"], row["destination_port"]) == target
        assert (row["callid"], row["correlation_id"]) == (entry.dialog.sip_call_id,) * 2
        assert row["micro_ts"] == message.time_us
        assert row["node"].endswith(":77")


async def collected_call(tmp_path: Path, homer: Homer, hep: dict[str, Any]) -> list[Entry]:
    entries = await traced_call(tmp_path, {"hep": hep}, transport="tls")
    await until(lambda: len(homer.messages()) >= len(entries))
    return entries


def test_kinds_of_messages_are_counted_alike(tmp_path: Path) -> None:
    """tshark's own statistics of a capture agree with ours."""
    entries = asyncio.run(traced_call(tmp_path, {}, transport="udp"))
    file = tmp_path / "all.pcap"
    file.write_bytes(render(entries, "pcap", "")[0])
    ours = Counter(parts(entry.message.data).method for entry in entries if not parts(entry.message.data).status)
    assert Counter(row[0] for row in tshark(file, "sip.Method") if row[0]) == ours
    assert ours["INFO"] == 2
