"""Bodies, read whole before a route sees the request (they are small), so that no route ever waits for one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Send

from softphone.listening.limits import BodyLimits
from softphone.listening.problems import LATE, TOO_LARGE, Problem

CLOSE: Mapping[str, str] = {"Connection": "close"}


class Refused(Exception):
    """The request is answered by a problem before it reaches a route."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class ClientGone(Exception):
    """The client left in the middle of its request: there is nobody to answer."""


class Bodies:
    """Reads bodies within the listener's limits. `problem`: how the listener words what it refuses."""

    def __init__(self, limits: BodyLimits, problem: type[Problem] = Problem) -> None:
        self._limits, self._problem = limits, problem

    async def read(self, headers: Headers, receive: Receive) -> bytes:
        """The whole body. Raises Refused, ClientGone."""
        announced = headers.get("content-length", "0")
        if "transfer-encoding" not in headers and announced == "0":
            return b""
        self._check_size(int(announced) if announced.isdecimal() else 0)
        try:
            async with asyncio.timeout(self._limits.body_timeout_s):
                return await self._read(receive)
        except TimeoutError:
            seconds = self._limits.body_timeout_s
            raise Refused(self._problem(LATE, f"the body was not complete within {seconds:g} s")) from None

    async def _read(self, receive: Receive) -> bytes:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            body += message.get("body", b"")
            self._check_size(len(body))
            if not message.get("more_body", False):
                return bytes(body)

    def _check_size(self, size: int) -> None:
        if size > self._limits.max_body_bytes:
            raise Refused(self._problem(TOO_LARGE, f"a body may have {self._limits.max_body_bytes} bytes at most"))


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body that was read, then goes on with the connection."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


class Answering:
    """A `send` that knows whether the answer has begun: from then on no other one can be given."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        self.started = True
        await self._send(message)
