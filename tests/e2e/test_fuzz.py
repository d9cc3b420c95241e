"""100,000 mutated messages by UDP, TCP and TLS, within calls and without: the process lives, another call is unharmed.

The seed is printed. Again with the same one: SOFTPHONE_FUZZ_SEED=seed. Longer: python -m tests.support.fuzz --help.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

import pytest

from tests.support.fuzz import Fuzz, Outcome, fuzzed
from tests.support.procfs import figures
from tests.support.until import until

MESSAGES = 100_000
GROWTH_KIB = 250_000  # transactions of half a minute, and calls that nobody has ended yet
WAYS = {"udp", "tcp", "udp in calls", "tcp in calls", "tls in calls", "answers"}


def chosen_seed() -> int:
    return int(os.environ.get("SOFTPHONE_FUZZ_SEED") or random.SystemRandom().randrange(2**32))


async def judged(fuzz: Fuzz, outcome: Outcome) -> None:
    daemon = fuzz.daemon
    assert outcome.messages >= MESSAGES
    assert set(outcome.sent) >= WAYS
    assert outcome.after.rss_kib - outcome.before.rss_kib < GROWTH_KIB
    assert (await daemon.get(f"/v1/calls/{fuzz.call}"))["state"] == "active"
    heard = (await daemon.get(f"/v1/calls/{fuzz.call}/quality"))["rx_packets"]
    async with asyncio.timeout(10):
        while (await daemon.get(f"/v1/calls/{fuzz.call}/quality"))["rx_packets"] < heard + 20:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    for account in ("901", "902"):
        assert (await daemon.get(f"/v1/accounts/{account}"))["state"] == "registered"
    assert (await daemon.hang_up(await daemon.dial("9196", account="902")))["reason"] == "local_hangup"
    assert "Traceback" not in daemon.log
    assert "fault in" not in daemon.log
    assert (await daemon.hang_up(fuzz.call))["reason"] == "local_hangup"
    await until(lambda: figures(daemon.pid).descriptors < 1000)
    assert await daemon.stop() == 0


@pytest.mark.timeout(400)
def test_a_flood_of_mutated_messages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed = chosen_seed()

    async def play() -> None:
        async with fuzzed(tmp_path, seed) as fuzz:
            try:
                outcome = await fuzz.run(MESSAGES)
                await judged(fuzz, outcome)
            except BaseException as error:
                error.add_note(f"SOFTPHONE_FUZZ_SEED={seed}; the last messages: {fuzz.keep(tmp_path)}")
                raise
            with capsys.disabled():
                sys.stdout.write(f"\nfuzz seed {seed}: {outcome.messages} messages in {outcome.seconds:.0f} s\n")

    asyncio.run(play())
