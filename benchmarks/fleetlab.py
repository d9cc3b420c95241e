"""The lab as a process for one fleet: serves extensions, and tells when all of them have registered.

    python -m benchmarks.fleetlab 1000

The first line of JSON has what the phones need: the phone's `provider` and `accounts` (over TCP, every extension of the
API's list), SIP port, domain, and extensions with their passwords. The second comes when all of them have registered:
times of the first and of the last (monotonic clock), requests to the API, and registrations refused.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

from softphone.lab import Lab, LabOptions
from softphone.lab.events import LabEvent


def tell(facts: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def facts(lab: Lab, numbers: tuple[str, ...]) -> dict[str, Any]:
    config = lab.agent_config([], transport="tcp")
    entry = config["accounts"][0]
    del entry["extensions"]
    return {
        "config": {"provider": config["provider"], "accounts": [entry | {"select": {}}]},
        "port": lab.sip_udp_port,
        "domain": lab.domain,
        "passwords": {number: lab.extension(number).password for number in numbers},
    }


class Count:
    """Who has registered so far, and what else happened."""

    def __init__(self, numbers: tuple[str, ...]) -> None:
        self.complete = asyncio.Event()
        self._missing = set(numbers)
        self._times_s: list[float] = []
        self._others: Counter[str] = Counter()

    def __call__(self, event: LabEvent) -> None:
        self._others[event.name] += 1
        if event.name == "registered":
            self._times_s.append(time.monotonic())
            self._missing.discard(event["extension"])
        if not self._missing:
            self.complete.set()

    def facts(self) -> dict[str, Any]:
        requests, refused = self._others["api_request"], self._others["registration_failed"]
        return {"first_s": self._times_s[0], "all_s": self._times_s[-1], "requests": requests, "refused": refused}


async def serve(how_many: int) -> None:
    numbers = tuple(str(10_000 + number) for number in range(how_many))
    async with Lab(LabOptions(extensions=numbers, disabled=())) as lab:
        count = Count(numbers)
        lab.events.listen(count)
        tell(facts(lab, numbers))
        await count.complete.wait()
        tell(count.facts())
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
