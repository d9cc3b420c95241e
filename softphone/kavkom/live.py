"""Live call events: a WebSocket that is kept open, and what it tells as typed items.

async with LiveCalls.of(config.provider, ["1001", "1002"]) as live:
    async for item in live:
        match item:
            case CallState(): ...
            case Gap(): ...            # states are unknown until they are told again

It never gives up and raises nothing while it runs: what goes wrong is an item too. A token that is replaced costs no
event: the new connection stands before the old one is let go.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from softphone.aio import Backoff, Tasks
from softphone.config.provider import Provider
from softphone.config.secrets import Secret
from softphone.errors import ProviderDown, ProviderError, ProviderRefused, ProviderUnreadable, TokenRefused
from softphone.kavkom.auth import AuthApi, live_of
from softphone.kavkom.frames import ErrorFrame, Ping, pong, read_frame
from softphone.kavkom.hiding import Hider
from softphone.kavkom.http import trust
from softphone.kavkom.ledger import Known, Ledger
from softphone.kavkom.live_items import (
    CallState,
    Confirmed,
    Connected,
    Gap,
    LiveItem,
    Reported,
    Trouble,
    Unreadable,
)
from softphone.kavkom.livesocket import LiveAddress, closed, open_socket
from softphone.kavkom.services import LIVE
from softphone.kavkom.tokens import RETRY_S, AccessTokens, ExpiryHint, Held

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LiveOptions:
    """Times in seconds. `per_connection`: so many extensions stand in one address at most.

    liveness_s: without any message for so long a connection is dead; a ping's hint can shorten it, though not below
    `least_liveness_s`. stable_s: a connection that held for so long was a good one, and the next pause is short again.
    """

    liveness_s: float = 90.0
    least_liveness_s: float = 30.0
    retry_min_s: float = 1.0
    retry_max_s: float = 60.0
    stable_s: float = 10.0
    per_connection: int = 200
    waiting_items: int = 10_000


class LiveCalls:
    """Events of some extensions' calls. Use as an async context manager and iterate; one reader only.

    A reader that is slow loses nothing: at `waiting_items` the connection is no longer read, and if the service gives
    up on us for that, a `Gap` says so.
    """

    def __init__(
        self,
        address: LiveAddress,
        tokens: AccessTokens,
        *,
        options: LiveOptions | None = None,
        auth: AuthApi | None = None,
    ) -> None:
        """The extensions are those of `tokens`. `auth`, if given, is closed with this."""
        self._options = options or LiveOptions()
        self._auth = auth
        self._tasks = Tasks("live calls")
        self._ledger = Ledger()
        self._items: asyncio.Queue[LiveItem | None] = asyncio.Queue(self._options.waiting_items)
        step = self._options.per_connection
        parts = [tokens.extensions[at : at + step] for at in range(0, len(tokens.extensions), step)]
        self._lines = [_Line(address, tokens, part, self._items, self._ledger, self._options) for part in parts]

    @classmethod
    def of(
        cls, provider: Provider, extensions: Iterable[str | int] = (), *, options: LiveOptions | None = None
    ) -> LiveCalls:
        """For `provider.live` of a configuration; without `extensions` for those that it names.

        Raises ConfigError without `provider.live`, UsageError for extensions that are no plain numbers, or none.
        """
        live = live_of(provider)
        auth = AuthApi.of(provider)
        tokens = AccessTokens(auth, tuple(extensions) or live.extensions)
        address = LiveAddress(provider.live_url, trust(provider.ca_file), provider.timeout_s)
        return cls(address, tokens, options=options or LiveOptions(liveness_s=live.liveness_s), auth=auth)

    async def __aenter__(self) -> Self:
        for line in self._lines:
            running = self._tasks.spawn(line.run(self._tasks), f"extensions {line.extensions[0]}...")
            running.add_done_callback(self._ended)
        return self

    def _ended(self, running: asyncio.Task[None]) -> None:
        """A line ends only by `aclose`, or by a fault of ours: then the iteration ends too, rather than wait."""
        if not running.cancelled() and not self._items.full():
            self._items.put_nowait(None)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections and ends the iteration; what waits is dropped."""
        await self._tasks.close()
        closing = Tasks("live calls, closing")
        await asyncio.wait([closing.spawn(line.let_go(), "close") for line in self._lines])
        await closing.close()
        while not self._items.empty():
            self._items.get_nowait()
        self._items.put_nowait(None)
        if self._auth is not None:
            await self._auth.aclose()

    def __aiter__(self) -> AsyncIterator[LiveItem]:
        return self._read()

    async def _read(self) -> AsyncIterator[LiveItem]:
        while (item := await self._items.get()) is not None:
            yield item
        self._items.put_nowait(None)  # for whoever asks again

    @property
    def connected(self) -> bool:
        """Whether events of all extensions arrive now."""
        return all(line.connected for line in self._lines)

    def running(self) -> tuple[Known, ...]:
        """The calls that are not known to be finished, and whether that is sure."""
        return self._ledger.running()

    def forget(self, call_uuid: str) -> None:
        """Another source (SIP, a CDR) says that this call is over."""
        self._ledger.forget(call_uuid)


@dataclass(frozen=True)
class _Connection:
    socket: ClientConnection
    token: Secret
    reading: asyncio.Task[ProviderError]
    since_s: float


class _Line:
    """One WebSocket's worth of extensions, kept connected."""

    def __init__(
        self,
        address: LiveAddress,
        tokens: AccessTokens,
        extensions: tuple[str, ...],
        items: asyncio.Queue[LiveItem | None],
        ledger: Ledger,
        options: LiveOptions,
    ) -> None:
        self.extensions = extensions
        self.connected = False
        self._address, self._tokens, self._items = address, tokens, items
        self._ledger, self._options = ledger, options
        self._only = extensions[0] if len(extensions) == 1 else ""
        self._backoff = Backoff(options.retry_min_s, options.retry_max_s, jitter=0.5)
        self._token_tried = False  # a token was refused, and no connection has stood since
        self._again = False
        self._sockets: set[ClientConnection] = set()

    async def run(self, tasks: Tasks) -> None:
        """Until it is cancelled."""
        while True:
            try:
                connection = await self._connect(tasks)
            except ProviderError as error:
                await self._pause(error)
                continue
            await self._items.put(Connected(extensions=self.extensions, again=self._again))
            self._again = self.connected = True
            log.info("live events of %d extensions arrive", len(self.extensions))
            await self._lost(await self._keep(connection, tasks))

    async def let_go(self) -> None:
        """Closes what is open. The reading tasks have ended before."""
        for socket in list(self._sockets):
            await self._close(socket)

    # ---- connecting

    async def _connect(self, tasks: Tasks) -> _Connection:
        held = await self._tokens.get()
        try:
            socket = await open_socket(self._address, held.token, self.extensions)
        except TokenRefused:
            self._tokens.refused(held.token)
            raise
        self._sockets.add(socket)
        reading = tasks.spawn(self._reading(socket, held), "read")
        return _Connection(socket, held.token, reading, time.monotonic())

    async def _pause(self, error: ProviderError) -> None:
        at_once, retry_in_s = self._next_try(error)
        log.log(logging.INFO if at_once else logging.WARNING, "no live events: %s", error)
        trouble = Trouble(
            extensions=self.extensions,
            cause=str(error),
            retry_in_s=round(retry_in_s, 3),
            refused=isinstance(error, ProviderRefused) and not at_once,
            status=error.status,
        )
        await self._items.put(trouble)
        await asyncio.sleep(retry_in_s)

    def _next_try(self, error: ProviderError) -> tuple[bool, float]:
        """A refused token is replaced and tried at once, but only one time; then the pauses grow."""
        at_once = isinstance(error, TokenRefused) and error.service == LIVE.name and not self._token_tried
        self._token_tried = self._token_tried or at_once
        return at_once, 0.0 if at_once else self._backoff.next_s()

    async def _lost(self, error: ProviderError) -> None:
        self.connected = False
        unknown = self._ledger.doubt(self.extensions)
        await self._items.put(Gap(extensions=self.extensions, cause=str(error), unknown=unknown))
        at_once, retry_in_s = self._next_try(error)
        log.log(logging.INFO if at_once else logging.WARNING, "live events are interrupted: %s", error)
        await asyncio.sleep(retry_in_s)

    # ---- being connected

    async def _keep(self, connection: _Connection, tasks: Tasks) -> ProviderError:
        """Stays connected while tokens come and go; returns why it ended."""
        wait_s = self._tokens.due_in_s()
        while True:
            await asyncio.wait({connection.reading}, timeout=wait_s)
            if connection.reading.done():
                break
            if time.monotonic() - connection.since_s >= self._options.stable_s:
                self._good()
            connection, wait_s = await self._succeed(connection, tasks)
        if time.monotonic() - connection.since_s >= self._options.stable_s:
            self._good()
        await self._close(connection.socket)
        return connection.reading.result()

    def _good(self) -> None:
        self._backoff.reset()
        self._token_tried = False

    async def _succeed(self, old: _Connection, tasks: Tasks) -> tuple[_Connection, float]:
        """Renews the token; where it is another one, a new connection takes over before the old one goes.

        Returns the connection and how long it may go on before this is due again.
        """
        try:
            held = await self._tokens.get()
            if held.token == old.token:
                return old, max(self._tokens.due_in_s(), 0.01)
            new = await self._connect(tasks)
        except ProviderError as error:
            log.warning("the live connection goes on with its old token: %s", error)
            return old, RETRY_S
        await self._close(old.socket)
        await asyncio.wait({old.reading})  # what it had received is still told
        return new, self._tokens.due_in_s()

    async def _close(self, socket: ClientConnection) -> None:
        self._sockets.discard(socket)
        await socket.close()

    async def _reading(self, socket: ClientConnection, held: Held) -> ProviderError:
        """Takes what comes until it ends; returns why."""
        limit_s, hint = self._options.liveness_s, ExpiryHint()
        while True:
            try:
                async with asyncio.timeout(limit_s):
                    frame = await socket.recv()
                    answer = self._answer(frame, held.token)
                    if isinstance(answer, Ping):
                        await socket.send(pong(answer))
            except TimeoutError:
                return ProviderDown(f"no sign of life from {self._address.where} for {limit_s:g} s", service=LIVE.name)
            except ConnectionClosed as error:
                failure = closed(error, self._address, held.token)
                if isinstance(failure, TokenRefused):
                    self._tokens.refused(held.token)
                return failure
            if isinstance(answer, ProviderError):
                return answer
            if isinstance(answer, Ping):
                limit_s = self._limit_s(answer)
                if (ends_in_s := hint.ends_in_s(answer)) is not None:
                    self._tokens.ends_in(held.token, ends_in_s)
            elif answer is not None:
                await self._items.put(answer)

    def _limit_s(self, ping: Ping) -> float:
        """How long silence may last now. The hint may mean the token's life; then its end is no reason to hurry."""
        if ping.expires_in_s is None:
            return self._options.liveness_s
        return min(self._options.liveness_s, max(ping.expires_in_s, self._options.least_liveness_s))

    def _answer(self, frame: str | bytes, token: Secret) -> Ping | LiveItem | ProviderError | None:
        """What a message leads to: a pong, an item, the end of the connection, or nothing."""
        hide = Hider((token,))
        try:
            read = read_frame(frame, only_extension=self._only, hide=hide)
        except ProviderUnreadable as error:
            log.warning("%s", error)
            return Unreadable(cause=str(error))
        if isinstance(read, Ping):
            return read
        if isinstance(read, ErrorFrame):
            return self._complaint(read, token)
        return self._news(read)

    def _news(self, call: CallState) -> LiveItem | None:
        match self._ledger.take(call):
            case "new":
                return call
            case "late":
                return call.model_copy(update={"late": True})
            case "confirmed":
                return Confirmed(call=call)
            case _:
                return None

    def _complaint(self, read: ErrorFrame, token: Secret) -> Reported | ProviderError:
        text = f"{self._address.where} says: {read.message}"
        if read.about == "token":
            self._tokens.refused(token)
            return TokenRefused(f"{text}; {LIVE.token_advice}", status=401, service=LIVE.name)
        if read.about == "parameter":
            return ProviderRefused(text, status=406, service=LIVE.name)
        return Reported(message=read.message)


__all__ = ["CallState", "Confirmed", "Connected", "Gap", "LiveCalls", "LiveItem", "LiveOptions", "Reported", "Trouble"]
