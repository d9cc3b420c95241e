"""A day of a PBX's life in two minutes: tenants, their phones as daemons, calls of all kinds, and faults throughout.

What happened is known from the lab's own books; what the phones made of it is read from their timelines and events.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from softphone.lab import Lab, LabOptions
from softphone.lab.calls import CallRecord
from softphone.lab.directory import Tenant
from softphone.lab.feed import CallState
from softphone.lab.service_options import ServiceOptions, TenantOptions, WebhookOptions
from tests.support.daemon import Daemon
from tests.support.pbx_side import SECRET, hearing

DOMAINS = ("north.lab.test", "south.lab.test", "west.lab.test")
KINDS = ("out", "out", "out", "out", "in", "in", "in", "busy", "cancel", "click", "click", "inside")
SETTLE_S = 60.0
"""The lab posts one webhook after the other, and a loaded machine is slow: nobody gives up before."""


@dataclass(frozen=True)
class Plan:
    """How much of a day. `at_once`: calls of one tenant at the same time."""

    extensions: int = 200
    calls: int = 2000
    at_once: int = 6
    talk_s: float = 0.3
    seed: int = 7


@dataclass
class Counts:
    """What came of it."""

    expected: int = 0
    """Extensions in calls by the lab's books: so many timelines there must be."""
    calls: int = 0
    timelines: int = 0
    complete: int = 0
    twice: int = 0
    missing: int = 0
    cdrs: int = 0
    cdrs_lost: int = 0
    cdrs_twice: int = 0
    states: int = 0
    states_twice: int = 0
    states_lost: int = 0
    """Told neither by a live event nor by a webhook, although live events were connected."""
    states_overtaken: int = 0
    """Came after a later state of the same call, and were no news any more."""
    states_in_gaps: int = 0
    """Missed while the connection was down, which the phone was told of."""
    gaps: int = 0
    duplicates: int = 0
    """Webhooks that were sent twice and recognised."""
    tokens_expired: int = 0
    faults: int = 0
    differences: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    """What the numbers above are about, for whoever has to find out."""
    work_s: float = 0.0
    """How long the calls took."""
    seconds: float = 0.0

    def lines(self) -> Iterator[str]:
        for name, value in vars(self).items():
            text = (
                "\n".join(["", *value[:30]])
                if isinstance(value, list)
                else dict(value)
                if isinstance(value, Counter)
                else value
            )
            yield f"{name:>16}  {text}"


class Branch:
    """One tenant: its phone, and what the lab told of it."""

    def __init__(self, tenant: Tenant, daemon: Daemon) -> None:
        self.tenant, self.daemon = tenant, daemon
        self.states: list[tuple[float, str, str, str]] = []  # when, uuid, extension, state


class Day:
    """One run."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.counts = Counts()
        self._chance = random.Random(plan.seed)
        # Every call has a number of its own: what a webhook tells without an extension is known by it
        self._numbers = iter(_numbers("answers", plan.calls))
        self._busy_numbers, self._ringing_numbers = (
            iter(_numbers("busy", plan.calls)),
            iter(_numbers("rings", plan.calls)),
        )
        self._branches: dict[str, Branch] = {}

    async def live_through(self) -> Counts:
        """The whole day. Raises nothing for what went wrong in it: that is in the counts."""
        began = time.monotonic()
        async with Lab(self._options()) as lab, contextlib.AsyncExitStack() as stack:
            lab.service.feed.listen(self._note)
            for domain in DOMAINS:
                tenant = lab.directory.tenant(domain)
                daemon = await stack.enter_async_context(self._phone(lab, tenant))
                self._branches[domain] = Branch(tenant, daemon)
            await asyncio.gather(*(self._up(lab, branch) for branch in self._branches.values()))
            faults = asyncio.create_task(self._faults(lab))
            await asyncio.gather(*(self._work(lab, branch) for branch in self._branches.values()))
            faults.cancel()
            self.counts.work_s = round(time.monotonic() - began, 1)
            lab.faults.clear()
            await asyncio.gather(*(self._settled(branch) for branch in self._branches.values()))
            self.counts.seconds = round(time.monotonic() - began, 1)
            for branch in self._branches.values():
                await self._judge(lab, branch)
        return self.counts

    # ---- the stage

    def _options(self) -> LabOptions:
        each = [self._extensions(index) for index in range(len(DOMAINS))]
        tenants = tuple(
            TenantOptions(domain, extensions=extensions) for domain, extensions in zip(DOMAINS, each, strict=True)
        )
        return LabOptions(
            domain="head.lab.test",
            extensions=("900",),
            disabled=(),
            tenants=tenants,
            outside={"*": "9198"}
            | dict.fromkeys(_numbers("busy", self.plan.calls), "9486")
            | dict.fromkeys(_numbers("rings", self.plan.calls), "9480"),
            service=ServiceOptions(seed=self.plan.seed, access_ttl_s=20.0),
        )

    def _extensions(self, index: int) -> tuple[str, ...]:
        share = self.plan.extensions // len(DOMAINS) + (index < self.plan.extensions % len(DOMAINS))
        return tuple(str(1000 * (index + 1) + n) for n in range(1, share + 1))

    @contextlib.asynccontextmanager
    async def _phone(self, lab: Lab, tenant: Tenant) -> AsyncIterator[Daemon]:
        folder = self.folder / tenant.domain
        config = hearing(
            lab,
            folder,
            tenant,
            transport="udp",
            codecs=["pcma"],
            incoming=[{"from": "*", "action": "answer"}],
            sections={
                "timeline": {"settle_s": SETTLE_S},
                "calls": {"max_calls": 200},
                "control": {"event_history": 100_000},
                "log": {"level": "warning"},
            },
        )
        config["provider"]["refresh_s"] = 7
        async with Daemon(folder, config) as daemon:
            yield daemon

    async def _up(self, lab: Lab, branch: Branch) -> None:
        count = len(branch.tenant.extensions)
        await branch.daemon.told("account.registered", count=count, within_s=60)
        await branch.daemon.told("pbx.live_connected", within_s=60)
        port = (await branch.daemon.get("/v1/status"))["webhook"]["port"]
        # One tenant's outgoing calls are posted as they go, too; of the others only CDRs
        calls = ("outbound", "cdr") if branch.tenant.domain == DOMAINS[0] else ("cdr",)
        url = f"http://127.0.0.1:{port}/webhooks/calls"
        headers = {"Authorization": SECRET}
        branch.tenant.webhook = WebhookOptions(url=url, headers=headers, calls=calls, retry_s=0.2)

    def _note(self, change: CallState) -> None:
        branch = self._branches.get(change.party.domain)
        if branch is not None:
            branch.states.append((time.time(), change.record.uuid, change.party.extension, change.state))

    # ---- faults

    async def _faults(self, lab: Lab) -> None:
        """Some strike by chance all day long, some come in turn."""
        for kind, probability in (("duplicate", 0.05), ("reorder", 0.03), ("garbage", 0.02), ("error", 0.01)):
            lab.fault("live", kind, probability=probability)
        lab.fault("live", "delay", probability=0.03, delay_s=0.4)
        lab.fault("live", "refuse", probability=0.2, status=503)
        lab.fault("webhook", "duplicate", probability=0.05)
        lab.fault("webhook", "reorder", probability=0.03)
        lab.fault("webhook", "delay", probability=0.02, delay_s=0.2)
        lab.fault("auth", "status", probability=0.2)
        lab.fault("auth", "drop", probability=0.1)
        lab.fault("pbx", "status", probability=0.3, path="/extension/list")
        lab.fault("pbx", "truncated", probability=0.1, path="/extension/list")
        lab.fault("pbx", "slow", probability=0.1, path="/active_call/call", delay_s=0.3)
        self.counts.faults = len(lab.faults.all())
        for turn in itertools.count(1):
            await asyncio.sleep(11)  # a connection that never holds for 10 s is opened ever more rarely
            lab.fault("sip", "wrong_nonce", times=1)  # once each: a phone whose right answer is refused twice gives up
            if turn % 2:
                lab.drop_live()
            else:
                self.counts.tokens_expired += lab.expire_tokens()
            self.counts.faults += 2

    # ---- calls

    async def _work(self, lab: Lab, branch: Branch) -> None:
        share = self.plan.calls // len(DOMAINS) + (DOMAINS.index(branch.tenant.domain) < self.plan.calls % len(DOMAINS))
        extensions = itertools.cycle(branch.tenant.extensions)
        jobs = ((KINDS[n % len(KINDS)], next(extensions)) for n in range(share))

        async def worker() -> None:
            for kind, extension in jobs:
                try:
                    async with asyncio.timeout(30):
                        await getattr(self, f"_{kind}")(lab, branch, extension)
                except (TimeoutError, AssertionError) as error:
                    self.counts.failures.append(f"{kind} of {extension}: {type(error).__name__} {error}"[:200])

        await asyncio.gather(*(worker() for _ in range(self.plan.at_once)))

    async def _dialled(self, branch: Branch, extension: str, target: str, wait: str) -> str:
        body = {"target": target, "account": f"{extension}@{branch.tenant.domain}"}
        response = await branch.daemon.ask("POST", "/v1/calls", body)
        assert response.status_code == 201, response.text
        call = str(response.json()["id"])
        view = await branch.daemon.get(f"/v1/calls/{call}?wait={wait}&timeout_s=20")
        assert view["state"] == ("active" if wait == "answered" else "ended"), view["end"]
        return call

    async def _talk(self) -> None:
        await asyncio.sleep(self.plan.talk_s * self._chance.uniform(0.5, 2))

    async def _out(self, lab: Lab, branch: Branch, extension: str) -> None:
        call = await self._dialled(branch, extension, next(self._numbers), "answered")
        await self._talk()
        await branch.daemon.ask("DELETE", f"/v1/calls/{call}")

    async def _busy(self, lab: Lab, branch: Branch, extension: str) -> None:
        await self._dialled(branch, extension, next(self._busy_numbers), "ended")

    async def _cancel(self, lab: Lab, branch: Branch, extension: str) -> None:
        body = {"target": next(self._ringing_numbers), "account": f"{extension}@{branch.tenant.domain}"}
        call = (await branch.daemon.ask("POST", "/v1/calls", body)).json()["id"]
        await self._polled(branch, call, "ringing")  # before that the PBX knows nothing of it
        await branch.daemon.ask("DELETE", f"/v1/calls/{call}")

    @staticmethod
    async def _polled(branch: Branch, call: str, state: str) -> None:
        """There are too many events to look through them for each call."""
        for _ in range(400):
            if (await branch.daemon.get(f"/v1/calls/{call}"))["state"] == state:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{call} is not {state}")

    async def _inside(self, lab: Lab, branch: Branch, extension: str) -> None:
        others = list(branch.tenant.extensions)
        other = others[(others.index(extension) + len(others) // 2) % len(others)]
        call = await self._dialled(branch, extension, other, "answered")
        await self._talk()
        await branch.daemon.ask("DELETE", f"/v1/calls/{call}")

    async def _in(self, lab: Lab, branch: Branch, extension: str) -> None:
        record = lab.switch.originate(branch.tenant.get(extension), "9198", caller=next(self._numbers))
        await self._until_up(record)
        await self._talk()
        lab.switch.kill(record.uuid)

    async def _click(self, lab: Lab, branch: Branch, extension: str) -> None:
        body = {"destination": next(self._numbers), "account": f"{extension}@{branch.tenant.domain}"}
        response = await branch.daemon.ask("POST", "/v1/click-to-call", body)
        assert response.status_code == 201, response.text
        record = lab.switch.calls[response.json()["call_uuid"]]
        await self._until_up(record)
        await self._talk()
        lab.switch.kill(record.uuid)

    @staticmethod
    async def _until_up(record: CallRecord) -> None:
        while record.state not in ("active", "held"):
            assert record.state != "finished", f"{record.cause} before it was answered"
            await asyncio.sleep(0.02)

    # ---- the evening

    async def _settled(self, branch: Branch) -> None:
        """Until nothing is open any more."""
        for _ in range(int(SETTLE_S * 10)):
            status = await branch.daemon.get("/v1/status")
            if not status["timeline"]["open"] and not status["calls"]["active"] and not status["webhook"]["waiting"]:
                break
            await asyncio.sleep(0.5)
        else:
            self.counts.failures.append(f"{branch.tenant.domain} does not come to rest: {status}")
        self.counts.duplicates += status["webhook"]["duplicates"]

    async def _judge(self, lab: Lab, branch: Branch) -> None:
        domain = branch.tenant.domain
        records = [record for record in lab.calls if record.domain == domain]
        parties = Counter((record.uuid, party.extension) for record in records for party in record.parties)
        found = Counter[tuple[str, str]]()
        for view in await self._timelines(branch):
            found[view["call_uuid"], view["extension"]] += 1
            self.counts.complete += view["complete"]
            self.counts.differences.update(each["kind"] for each in view["differences"])
            if view["differences"] or not view["complete"]:
                whole = await branch.daemon.get(f"/v1/timeline/{view['id']}")
                told = " | ".join(f"{e['at_s']:g} {e['source']} {e['text']}" for e in whole["entries"])
                kinds = [each["kind"] for each in view["differences"]]
                names = f"{view['direction']} {view['extension']} {view['number']} {view['call']} {view['call_uuid']}"
                self.counts.odd.append(f"{names} {view['started']}: {kinds} {view['missing']}: {told}")
        self.counts.calls += len(records)
        self.counts.expected += len(parties)
        self.counts.timelines += found.total()
        self.counts.missing += len(parties.keys() - found.keys())
        self.counts.odd += [f"no timeline: {key}" for key in parties.keys() - found.keys()]
        self.counts.odd += [f"unknown: {key}" for key in found.keys() - parties.keys()]
        self.counts.twice += sum(count - 1 for count in found.values())
        self._judge_cdrs(branch, {(r.uuid, party.direction) for r in records for party in r.parties})
        self._judge_states(branch)

    async def _timelines(self, branch: Branch) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        before = ""
        while True:
            page = await branch.daemon.get(f"/v1/timeline?limit=500&before={before}")
            found += page["timelines"]
            if not page["next"]:
                return found
            before = page["next"]

    def _judge_cdrs(self, branch: Branch, wanted: set[tuple[str, str]]) -> None:
        told = Counter((event["call_uuid"], event["direction"]) for event in branch.daemon.all("pbx.cdr"))
        self.counts.cdrs += told.total()
        self.counts.cdrs_lost += len(wanted - told.keys())
        self.counts.cdrs_twice += sum(count - 1 for count in told.values())

    def _judge_states(self, branch: Branch) -> None:
        live = Counter((e["call_uuid"], e["extension"], e["state"]) for e in branch.daemon.all("pbx.call"))
        # a webhook names no extension, but the direction; a state that it told is not lost
        posted = Counter((e["call_uuid"], e["direction"], e["state"]) for e in branch.daemon.all("pbx.webhook_call"))
        by_webhook = {(uuid, state) for uuid, _, state in posted}
        happened = {(uuid, extension, state): at_s for at_s, uuid, extension, state in branch.states}
        lost = [key for key in happened.keys() - live.keys() if (key[0], key[2]) not in by_webhook]
        gaps = list(_gaps(branch.daemon))
        self.counts.gaps += len(gaps)
        self.counts.states += live.total() + posted.total()
        self.counts.states_twice += sum(count - 1 for count in (*live.values(), *posted.values()))
        over = {(uuid, extension) for uuid, extension, state in live if state in ("active", "finished")}
        ended = {(uuid, extension) for uuid, extension, state in live if state == "finished"}
        for key in lost:
            if key[:2] in (over if key[2] == "ringing" else ended):
                self.counts.states_overtaken += 1
                continue
            in_gap = any(begin - 3 <= happened[key] <= end + 3 for begin, end in gaps)
            self.counts.states_in_gaps += in_gap
            self.counts.states_lost += not in_gap
            if not in_gap:
                self.counts.odd.append(f"lost: {key} at {datetime.fromtimestamp(happened[key], UTC)}, gaps {gaps}")


def _numbers(what: str, count: int) -> list[str]:
    first = {"answers": 33_600_000_000, "busy": 33_700_000_000, "rings": 33_800_000_000}[what]
    return [str(first + n) for n in range(count)]


def _gaps(daemon: Daemon) -> Iterator[tuple[float, float]]:
    """When no live events came, as the phone was told."""
    begin: float | None = None
    for event in daemon.events:
        if event["type"] == "pbx.live_lost":
            begin = _time_s(event)
        elif event["type"] == "pbx.live_connected" and begin is not None:
            yield begin, _time_s(event)
            begin = None
    if begin is not None:
        yield begin, math.inf


def _time_s(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["time"]).timestamp()
