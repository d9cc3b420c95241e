"""A phone for the command line to speak to: a real control server with a scripted agent, on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from softphone import events
from softphone.engine.views import AudioRoute, CallEnd, CallView
from tests.control.fakes import CREATED, FakeAgent
from tests.control.harness import serving, until

DEADLINE_S = 20.0
ACCOUNT = "901@pbx.example"
T = TypeVar("T")


class ScriptedAgent(FakeAgent):
    """Does to a dialled call what `script` says; hanging up ends it as a real agent would."""

    def __init__(self, *script: Callable[[ScriptedAgent, str], None]) -> None:
        super().__init__()
        self.script = script

    def dial(self, target: str, *, audio: AudioRoute | None = None, **options: Any) -> CallView:
        view = super().dial(target, audio=audio, **options)
        loop = asyncio.get_running_loop()
        for step in self.script:
            loop.call_soon(step, self, view.id)
        return view

    async def record(self, id: str, file: str, **options: Any) -> str:
        record = await super().record(id, file, **options)
        self.bus.publish(events.RecordStarted(call=id, account=ACCOUNT, record=record, file=file))
        return record

    def hang_up(self, id: str, *, headers: dict[str, str] | None = None) -> None:
        self._note("hang_up", id, *([headers] if headers else []))
        end(self, id, "local_hangup", "local", "our side hung up")


Step = Callable[[ScriptedAgent, str], None]


def end(agent: ScriptedAgent, call: str, reason: str, by: str, cause: str, code: int = 200) -> None:
    """The call is over; then its recordings are closed."""
    ending = CallEnd(reason=reason, by=by, code=code, sip_reason="", phase="active", cause=cause)
    records = agent.call(call).records
    agent.change_call(call, state="ended", ended=CREATED, end=ending, records=[])
    agent.bus.publish(
        events.CallEnded(
            call=call,
            account=ACCOUNT,
            reason=reason,
            by=by,
            code=code,
            sip_reason="",
            phase="active",
            cause=cause,
            duration_s=1.0,
            quality={"mos": 4.34},
        )
    )
    for record in records:
        agent.bus.publish(
            events.RecordEnded(
                call=call,
                account=ACCOUNT,
                record=record.id,
                file=record.file,
                reason="call_ended",
                duration_s=1.0,
                error="",
            )
        )


# ---- steps of a script


def rings(agent: ScriptedAgent, call: str) -> None:
    agent.change_call(call, state="ringing")
    agent.bus.publish(events.CallProgress(call=call, account=ACCOUNT, code=180, reason="Ringing", early_media=False))


def answers(agent: ScriptedAgent, call: str) -> None:
    agent.change_call(call, state="active", answered=CREATED, codec="PCMU", clock_rate_hz=8000)
    agent.bus.publish(events.CallAnswered(call=call, account=ACCOUNT, by="remote"))
    agent.bus.publish(
        events.CallMedia(
            call=call,
            account=ACCOUNT,
            active=True,
            codec="PCMU",
            clock_rate_hz=8000,
            direction="sendrecv",
            srtp="AES_CM_128_HMAC_SHA1_80",
            srtp_keying="sdes",
            remote="192.0.2.7:4000",
        )
    )


def presses(digit: str) -> Step:
    def step(agent: ScriptedAgent, call: str) -> None:
        agent.bus.publish(events.CallDigit(call=call, account=ACCOUNT, digit=digit, method="rfc4733", duration_ms=160))

    return step


def ends(reason: str, by: str = "remote", cause: str = "so it was", code: int = 0) -> Step:
    def step(agent: ScriptedAgent, call: str) -> None:
        end(agent, call, reason, by, cause, code)

    return step


# ---- the server


@dataclass
class Phone:
    """What a test holds of a phone that runs."""

    agent: ScriptedAgent
    path: Path
    loop: asyncio.AbstractEventLoop

    def do(self, work: Callable[[], T]) -> T:
        """Runs `work` on the phone's own thread."""

        async def now() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(now(), self.loop).result(DEADLINE_S)

    def until(self, condition: Callable[[], bool]) -> None:
        """Waits for a condition that the phone's thread brings about."""
        asyncio.run_coroutine_threadsafe(until(condition), self.loop).result(DEADLINE_S)

    def commands(self, verb: str) -> list[tuple[Any, ...]]:
        """What it was told to do, of this kind."""
        return [c for c in self.agent.commands if c[0] == verb]


@contextmanager
def running(*script: Step) -> Iterator[Phone]:
    """A phone from here to the end of the block."""
    up: Future[Phone] = Future()
    over = threading.Event()

    async def live() -> None:
        try:
            async with serving(ScriptedAgent(*script)) as served:
                assert isinstance(served.agent, ScriptedAgent)
                up.set_result(Phone(served.agent, served.path, asyncio.get_running_loop()))
                await asyncio.to_thread(over.wait)
        except BaseException as error:
            if not up.done():
                up.set_exception(error)
            raise

    thread = threading.Thread(target=asyncio.run, args=(live(),))
    thread.start()
    try:
        yield up.result(DEADLINE_S)
    finally:
        over.set()
        thread.join(DEADLINE_S)
