"""Transactions (RFC 3261 section 17, with RFC 6026's Accepted state).

What repeats itself, and for how long: timers A to M are named at the places where they run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from sipmessage import Request, Response

from softphone.lab.options import SipTimers
from softphone.lab.sip import message as sip
from softphone.lab.sip.transport import Flow

Key = tuple[str, str, str]


class TransactionUser(Protocol):
    """Who decides what to answer."""

    def on_request(self, transaction: ServerTransaction) -> None:
        """A new request (never ACK or CANCEL): answer it by `transaction.respond`, now or later."""

    def on_ack(self, request: Request, flow: Flow) -> None:
        """An ACK that belongs to a 2xx, and so to a dialog."""


class Repeater:
    """Calls something again and again: after T1, 2*T1, 4*T1 ... capped (timers A, E, G)."""

    def __init__(self, action: Callable[[], None], first_s: float, cap_s: float) -> None:
        self._action = action
        self._interval_s = first_s
        self._cap_s = cap_s
        self._handle = asyncio.get_running_loop().call_later(first_s, self._fire)

    def _fire(self) -> None:
        self._action()
        self._interval_s = min(2 * self._interval_s, self._cap_s)
        self._handle = asyncio.get_running_loop().call_later(self._interval_s, self._fire)

    def stop(self) -> None:
        """No more."""
        self._handle.cancel()


class Transaction:
    """What both sides share: a key, a flow, timers, an end."""

    def __init__(self, layer: TransactionLayer, request: Request, flow: Flow, key: Key) -> None:
        self.request = request
        self.flow = flow
        self.key = key
        self._layer = layer
        self._repeater: Repeater | None = None
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def timers(self) -> SipTimers:
        """T1, T2, T4."""
        return self._layer.timers

    @property
    def is_invite(self) -> bool:
        """INVITE transactions have rules of their own."""
        return self.request.method == "INVITE"

    def _repeat(self, action: Callable[[], None], cap_s: float) -> None:
        self._stop_repeating()
        self._repeater = Repeater(action, self.timers.t1_s, cap_s)

    def _stop_repeating(self) -> None:
        if self._repeater is not None:
            self._repeater.stop()
            self._repeater = None

    def _after(self, delay_s: float, action: Callable[[], None]) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_later(delay_s, action)

    def terminate(self) -> None:
        """Forget it: whatever still arrives for it is new, or stray."""
        self._stop_repeating()
        if self._deadline is not None:
            self._deadline.cancel()
        self._layer.forget(self)


class ServerTransaction(Transaction):
    """A request that somebody sent us.

    `acked` (INVITE only) becomes the ACK of our final answer, or None if none came within 64*T1.
    """

    def __init__(self, layer: TransactionLayer, request: Request, flow: Flow, key: Key) -> None:
        super().__init__(layer, request, flow, key)
        self.tag = sip.to_tag(request) or sip.new_tag()
        self.code = 0  # of the last answer
        self.acked: asyncio.Future[Request | None] = asyncio.get_running_loop().create_future()
        self.on_cancel: Callable[[], None] | None = None
        self._last = b""

    @property
    def final(self) -> bool:
        """Whether a final answer went out."""
        return self.code >= 200

    def respond(self, code: int, reason: str = "", *, headers: sip.HeaderList = (), body: bytes = b"") -> None:
        """Answer. After a final answer this has no effect: the first one stands."""
        if self.final:
            return
        response = sip.make_response(self.request, code, reason, tag=self.tag, headers=headers, body=body)
        self.code = code
        self._last = bytes(response)
        self.flow.send(self._last)
        if code < 200:
            return
        if self.is_invite:
            self._await_ack()
        else:
            self._after(0 if self.flow.reliable else self.timers.timeout_s, self.terminate)  # timer J

    def _await_ack(self) -> None:
        """Timers G and H; a 2xx is repeated over every transport, since its ACK comes end to end (13.3.1.4)."""
        if self.code < 300 or not self.flow.reliable:
            self._repeat(self._resend, self.timers.t2_s)
        self._after(self.timers.timeout_s, self._no_ack)

    def _resend(self) -> None:
        self.flow.send(self._last)

    def _no_ack(self) -> None:
        self._settle(None)
        self.terminate()

    def _settle(self, ack: Request | None) -> None:
        if not self.acked.done():
            self.acked.set_result(ack)

    def request_again(self) -> None:
        """The client repeated its request: repeat our answer."""
        if self._last:
            self.flow.send(self._last)

    def acknowledge(self, ack: Request) -> None:
        """The ACK of our final answer has come: stop repeating, but stay to absorb strays (timers I and L)."""
        self._stop_repeating()
        self._settle(ack)
        if self.code >= 300:
            self._after(0 if self.flow.reliable else self.timers.t4_s, self.terminate)

    def cancel(self) -> None:
        """A CANCEL came: the owner says what that means, as long as there is no final answer (section 9.2)."""
        if not self.final and self.on_cancel is not None:
            self.on_cancel()

    def terminate(self) -> None:
        """Forget it."""
        self._settle(None)
        super().terminate()


class ClientTransaction(Transaction):
    """A request of ours. A time-out is reported as a 408, a lost connection as a 503 (section 8.1.3.1)."""

    def __init__(self, layer: TransactionLayer, request: Request, flow: Flow, key: Key) -> None:
        super().__init__(layer, request, flow, key)
        self.code = 0
        self.on_repeated_2xx: Callable[[], None] | None = None
        self._responses: asyncio.Queue[Response] = asyncio.Queue()
        self._ack = b""

    def start(self) -> None:
        """Send it (timers A and B, or E and F)."""
        if self.flow.closed:
            self._give_up(503)
            return
        self._send()
        if not self.flow.reliable:
            self._repeat(self._send, self.timers.timeout_s if self.is_invite else self.timers.t2_s)
        self._after(self.timers.timeout_s, lambda: self._give_up(408))

    def _send(self) -> None:
        self.flow.send(bytes(self.request))

    async def response(self) -> Response:
        """The next response, provisional or final; not to be called again after the final one."""
        return await self._responses.get()

    async def final(self) -> Response:
        """The final response, skipping provisional ones."""
        while (response := await self.response()).code < 200:
            pass
        return response

    def receive(self, response: Response) -> None:
        """A response of the other side has come."""
        if self.code >= 200:
            self._again(response)
            return
        self.code = response.code
        if response.code < 200:
            if self.is_invite:
                self._proceed()
        else:
            self._finish(response)
        self._responses.put_nowait(response)

    def _proceed(self) -> None:
        """Somebody rings: stop repeating, wait without limit (the owner has his own: no-answer time)."""
        self._stop_repeating()
        if self._deadline is not None:
            self._deadline.cancel()

    def _finish(self, response: Response) -> None:
        self._stop_repeating()
        if not self.is_invite:
            self._after(0 if self.flow.reliable else self.timers.t4_s, self.terminate)  # timer K
            return
        if response.code >= 300:
            self._ack = bytes(make_ack(self.request, response))
            self.flow.send(self._ack)
        self._after(self.timers.timeout_s, self.terminate)  # timers D and M

    def _again(self, response: Response) -> None:
        """A repeated final answer wants its ACK again."""
        if response.code >= 300 and self._ack:
            self.flow.send(self._ack)
        elif 200 <= response.code < 300 and self.on_repeated_2xx is not None:
            self.on_repeated_2xx()

    def _give_up(self, code: int) -> None:
        if self.code < 200:
            self.code = code
            self._responses.put_nowait(sip.make_response(self.request, code))
        self.terminate()

    def abandon(self) -> None:
        """The connection is gone: whoever waits gets a 503."""
        self._give_up(503)


class TransactionLayer:
    """All transactions; between the network below and the user above."""

    def __init__(self, user: TransactionUser, timers: SipTimers) -> None:
        self.timers = timers
        self._user = user
        self._server: dict[Key, ServerTransaction] = {}
        self._client: dict[Key, ClientTransaction] = {}

    def __len__(self) -> int:
        return len(self._server) + len(self._client)

    def send(self, request: Request, flow: Flow) -> ClientTransaction:
        """Start a client transaction; its branch is the one in the request's Via."""
        transaction = ClientTransaction(self, request, flow, _client_key(request, request.method))
        self._client[transaction.key] = transaction
        transaction.start()
        return transaction

    def receive(self, message: Request | Response, flow: Flow) -> None:
        """One message from the network. Raises ValueError if a header that it needs is malformed."""
        if isinstance(message, Response):
            transaction = self._client.get(_client_key(message, message.cseq.method))
            if transaction is not None:
                transaction.receive(message)
            return
        sip.stamp_via(message, flow.remote)
        if message.method == "ACK":
            self._receive_ack(message, flow)
        elif message.method == "CANCEL":
            self._receive_cancel(message, flow)
        else:
            self._receive_request(message, flow)

    def _receive_request(self, request: Request, flow: Flow) -> None:
        key = _server_key(request, request.method)
        known = self._server.get(key)
        if known is not None:
            known.request_again()
            return
        transaction = ServerTransaction(self, request, flow, key)
        self._server[key] = transaction
        self._user.on_request(transaction)

    def _receive_ack(self, request: Request, flow: Flow) -> None:
        transaction = self._server.get(_server_key(request, "INVITE"))
        if transaction is not None and transaction.code >= 300:
            transaction.acknowledge(request)
        else:
            self._user.on_ack(request, flow)

    def _receive_cancel(self, request: Request, flow: Flow) -> None:
        target = self._server.get(_server_key(request, "INVITE"))
        code = 481 if target is None else 200
        tag = sip.new_tag() if target is None else target.tag
        flow.send(bytes(sip.make_response(request, code, tag=tag)))
        if target is not None:
            target.cancel()

    def forget(self, transaction: Transaction) -> None:
        """A transaction is over."""
        if isinstance(transaction, ServerTransaction):
            self._server.pop(transaction.key, None)
        else:
            self._client.pop(transaction.key, None)

    def flow_lost(self, flow: Flow) -> None:
        """A connection is gone: the requests that wait for an answer on it fail now."""
        for transaction in [each for each in self._client.values() if each.flow is flow]:
            transaction.abandon()

    def close(self) -> None:
        """End all transactions without a word."""
        for transaction in [*self._server.values(), *self._client.values()]:
            transaction.terminate()


def make_ack(request: Request, response: Response) -> Request:
    """The ACK of a final answer of 300 or more: part of the INVITE's own transaction (section 17.1.1.3)."""
    return sip.make_request(
        "ACK",
        request.uri,
        via=request.headers["Via"],
        from_=request.headers["From"],
        to=response.headers["To"],
        call_id=request.headers["Call-ID"],
        cseq=request.cseq.sequence,
        headers=[("Route", route) for route in request.headers.getlist("Route")],
    )


def make_cancel(request: Request) -> Request:
    """The CANCEL of an INVITE: same branch, same CSeq number (section 9.1)."""
    return sip.make_request(
        "CANCEL",
        request.uri,
        via=request.headers["Via"],
        from_=request.headers["From"],
        to=request.headers["To"],
        call_id=request.headers["Call-ID"],
        cseq=request.cseq.sequence,
        headers=[("Route", route) for route in request.headers.getlist("Route")],
    )


def _client_key(message: Request | Response, method: str) -> Key:
    return (sip.branch(message), method, message.headers.get("Call-ID") or "")


def _server_key(request: Request, method: str) -> Key:
    """Branch and sent-by (section 17.2.3); the Call-ID stands in where an old client's branch is not unique."""
    via = sip.vias(request)[0]
    sent_by = f"{via.host}:{via.port}"
    mark = via.parameters.get("branch") or ""
    if not mark.startswith("z9hG4bK"):
        mark += request.headers["Call-ID"] + str(request.cseq.sequence)
    return (mark, sent_by, method)
