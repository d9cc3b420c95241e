"""A call over a bad line: it lives, its figures are true, and it is told that it sounds poor.

Two network namespaces; nftables loses packets by chance, a relay delays them by chance. What the line lost is known
from nftables' own count.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from benchmarks.impairments.encoding import payloads
from benchmarks.impairments.listeners import softphone
from benchmarks.impairments.stage import Impairment, Spoken, Stage, line
from softphone.config.sound import Opus
from softphone.testing.audio import speech_like

PACKETS = 400  # eight seconds
QUALITY = {"mos_limit": 3.9, "window_s": 5}


@pytest.fixture(scope="module")
def speech() -> Any:
    return (speech_like(PACKETS * 0.02).samples * 32767).astype("int16")


async def heard(stage: Stage, frames: list[bytes], folder: Path) -> tuple[Spoken, dict[str, Any], dict[str, Any]]:
    """What the line did, the event that told of it, and the call's end."""
    async with softphone(stage, stage.codec, folder, quality=QUALITY) as (phone, call):
        spoken = await asyncio.to_thread(stage.speak, frames)
        told = await phone.told("call.quality", call=call, direction="received", good=False)
        assert phone.agent.call(call).state == "active"
        ended = await phone.hung_up(call)
    return spoken, told, ended


@pytest.mark.parametrize("codec", ["PCMU", "opus"])
def test_a_line_that_loses_one_packet_in_ten_and_delays_the_others(codec: str, speech: Any, tmp_path: Path) -> None:
    impairment = Impairment(loss_percent=10, jitter_ms=50)
    with line() as (near, far), Stage(near, far, codec, impairment) as stage:
        spoken, told, ended = asyncio.run(heard(stage, payloads(speech, codec, Opus()), tmp_path))
    assert spoken.sent == PACKETS
    assert spoken.lost > 10
    quality = ended["quality"]
    assert (ended["reason"], ended["by"]) == ("local_hangup", "local")
    # the last ones, and any that the relay's end cut off, are not known to be lost
    assert quality["rx_lost"] == pytest.approx(spoken.lost, abs=6)
    assert quality["rx_packets"] == pytest.approx(spoken.sent - spoken.lost, abs=6)
    assert quality["rx_reordered"] > 10
    assert 5 < quality["jitter_mean_ms"] < 60
    assert quality["rx_discarded"] < 0.12 * spoken.sent  # without learning from late packets it is a fifth
    assert (told["limit"], told["window_s"]) == (3.9, pytest.approx(5, abs=1))
    assert told["mos"] < 3.9
    assert told["loss_percent"] > 3
    assert quality["lowest_mos"] <= told["mos"]
    assert quality["mos"] < 4
