"""One page that is open: its commands in, answers and all that happens out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import asdict
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from softphone import __version__
from softphone.aio import Tasks
from softphone.bus import Record, SubscriberTooSlow, Subscription
from softphone.engine.views import CallView
from softphone.errors import NotFound, SoftphoneError
from softphone.listening.problems import BAD_REQUEST, BUSY
from softphone.web import commands
from softphone.web import messages as m
from softphone.web.api import PhoneApi
from softphone.web.limits import Limits
from softphone.web.problems import Problem, of_error, of_fault

log = logging.getLogger(__name__)

GOING_AWAY, UNSUPPORTED, TRY_LATER = 1001, 1003, 1013
"""Close codes (RFC 6455 section 7.4.1, and the IANA registry)."""

KINDS = ("account", "agent", "audio", "call", "conference", "handset", "provider")
"""The events that a page is told of."""
FIGURES = ("mos", "loss_percent", "jitter_ms", "rtt_ms", "tx_mos", "tx_loss_percent")


class Sessions:
    """All pages that are open."""

    def __init__(self, phone: PhoneApi, limits: Limits, most: int) -> None:
        self._phone, self._limits, self._most = phone, limits, most
        self._open: set[Session] = set()

    async def serve(self, socket: WebSocket) -> None:
        """Runs one page until it goes."""
        if len(self._open) >= self._most:
            text = f"{self._most} pages are open already; close some, or raise web.max_sessions"
            await socket.send_denial_response(Problem(BUSY, text).response())
            return
        session = Session(self._phone, self._limits, socket)
        self._open.add(session)
        try:
            await session.run()
        finally:
            self._open.discard(session)

    def __len__(self) -> int:
        return len(self._open)

    async def close(self) -> None:
        """The phone stops: every page is told, and tries again later by itself."""
        for session in list(self._open):
            await session.close(GOING_AWAY, "the phone stops")


class Session:
    """One page's WebSocket."""

    def __init__(self, phone: PhoneApi, limits: Limits, socket: WebSocket) -> None:
        self._phone, self._limits, self._socket = phone, limits, socket
        self._tasks = Tasks("web page")
        self._figures: asyncio.Task[None] | None = None
        self._running = 0

    async def run(self) -> None:
        await self._socket.accept(subprotocol=m.SUBPROTOCOL)
        try:
            # subscribed first: nothing that happens while the greeting is made is missed
            with self._phone.bus.subscribe(KINDS, limit=self._limits.queue) as happened:
                await self._send(self._hello())
                self._tasks.spawn(self._tell(happened), "events")
                await self._listen()
        except WebSocketDisconnect:
            pass
        finally:
            await self._tasks.close()

    async def close(self, code: int, reason: str) -> None:
        if self._socket.application_state is WebSocketState.CONNECTED:
            try:
                async with asyncio.timeout(self._limits.shutdown_s):
                    await self._socket.close(code, reason)
            except (TimeoutError, RuntimeError, WebSocketDisconnect):
                log.debug("a page was gone before it could be told: %s", reason)

    # ---- out

    def _hello(self) -> dict[str, Any]:
        phone = self._phone
        return {
            "type": "hello",
            "version": m.VERSION,
            "agent": __version__,
            "last_event": phone.bus.last_id,
            "state": phone.status().state,
            "accounts": [asdict(account) for account in phone.accounts()],
            "calls": [asdict(call) for call in phone.calls()],
            "handsets": [asdict(handset) for handset in phone.handsets()],
        }

    async def _send(self, message: dict[str, Any]) -> None:
        """Raises WebSocketDisconnect where the page is gone; one that does not read is, after a while."""
        try:
            await self._socket.send_text(m.encode(message))
        except RuntimeError as error:  # starlette's word for a connection that was closed in the meantime
            raise WebSocketDisconnect(GOING_AWAY) from error

    async def _tell(self, happened: Subscription) -> None:
        """Events as they come; and what they changed, once it is quiet for a moment."""
        try:
            changed: dict[tuple[str, str], None] = {}
            while True:
                record = await happened.get()
                await self._send({"type": "event", "event": record.as_dict()})
                changed.update(dict.fromkeys(_concerned(record)))
                if not happened.waiting:
                    for kind, name in changed:
                        await self._show(kind, name)
                    changed.clear()
        except SubscriberTooSlow:
            await self.close(TRY_LATER, "the page does not keep up; it gets everything anew")
        except (StopAsyncIteration, WebSocketDisconnect):
            await self.close(GOING_AWAY, "")

    async def _show(self, kind: str, name: str) -> None:
        if kind == "handsets":
            await self._send({"type": kind, kind: [asdict(handset) for handset in self._phone.handsets()]})
            return
        try:
            view = self._phone.call(name) if kind == "call" else self._phone.account(name)
        except NotFound:  # forgotten since; an account that was taken away
            await self._send({"type": kind, "gone": name})
        else:
            await self._send({"type": kind, kind: asdict(view)})

    # ---- in

    async def _listen(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if (text := message.get("text")) is None:
                await self.close(UNSUPPORTED, "texts are understood here, not binary messages")
                return
            await self._take(text)

    async def _take(self, text: str) -> None:
        try:
            command = m.parse(text)
        except m.BadMessage as bad:
            await self._send(_error(bad.re, Problem(BAD_REQUEST, str(bad))))
            return
        if isinstance(command, m.Figures):
            self._watch(command.on)
            await self._send(_answer(command.id, {}))
            return
        await self._carry_out(command)

    async def _carry_out(self, command: m.AnyCommand) -> None:
        try:
            work = commands.run(self._phone, command)
        except SoftphoneError as error:
            await self._send(_error(command.id, of_error(error)))
        except Exception as error:  # a fault of ours costs this command, not the page
            await self._send(_error(command.id, of_fault(error, command.do)))
        else:
            await self._deliver(command, work)

    async def _deliver(self, command: m.AnyCommand, work: commands.Work) -> None:
        if not isinstance(work, Coroutine):
            await self._send(_answer(command.id, work))
        elif self._running >= self._limits.max_running:
            work.close()
            text = f"{self._running} commands of this page are at work already"
            await self._send(_error(command.id, Problem(BUSY, text)))
        else:
            self._running += 1
            self._tasks.spawn(self._finish(command, work), command.do)

    async def _finish(self, command: m.AnyCommand, work: Coroutine[Any, Any, commands.Result]) -> None:
        try:
            message = _answer(command.id, await work)
        except SoftphoneError as error:
            message = _error(command.id, of_error(error))
        except Exception as error:  # as above
            message = _error(command.id, of_fault(error, command.do))
        finally:
            self._running -= 1
        try:
            await self._send(message)
        except WebSocketDisconnect:
            log.debug("the page was gone when %s was done", command.do)

    # ---- levels and quality

    def _watch(self, on: bool) -> None:
        if self._figures is not None:
            self._figures.cancel()
        self._figures = self._tasks.spawn(self._tell_figures(), "figures") if on else None

    async def _tell_figures(self) -> None:
        try:
            while True:
                if found := {call.id: _figures_of(call) for call in self._phone.calls()}:
                    await self._send({"type": "figures", "calls": found})
                await asyncio.sleep(self._limits.figures_s)
        except WebSocketDisconnect:
            log.debug("a page was gone while its figures were told")


def _figures_of(call: CallView) -> dict[str, Any]:
    quality = call.quality or {}
    return {
        "far_dbfs": call.sound.far_dbfs,
        "near_dbfs": call.sound.near_dbfs,
        "duration_s": call.duration_s,
        **{name: quality.get(name) for name in FIGURES},
    }


def _concerned(record: Record) -> list[tuple[str, str]]:
    """What looks different after this event."""
    if record.event.type.startswith("handset."):
        return [("handsets", "")]
    if call := getattr(record.event, "call", None):
        return [("call", call)]
    account = getattr(record.event, "account", None)
    return [("account", account)] if account else []


def _answer(re: int, result: commands.Result) -> dict[str, Any]:
    return {"type": "answer", "re": re, "result": result}


def _error(re: int | None, problem: Problem) -> dict[str, Any]:
    return {"type": "error", "re": re, "error": problem.as_dict()}
