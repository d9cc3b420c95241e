"""Bodies that come in pieces, too large, too late, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from starlette.datastructures import Headers
from starlette.types import Message, Receive

from softphone.listening.bodies import Answering, Bodies, ClientGone, Refused, replay

CHUNKED = Headers({"transfer-encoding": "chunked"})


@dataclass(frozen=True)
class Small:
    max_body_bytes: int = 8
    body_timeout_s: float = 30.0


def giving(messages: Iterable[Message]) -> Receive:
    left = list(messages)

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    return receive


def piece(body: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def read(headers: Headers, *messages: Message, limits: Small | None = None) -> bytes:
    return asyncio.run(Bodies(limits or Small()).read(headers, giving(messages)))


def test_pieces_are_put_together() -> None:
    assert read(CHUNKED, piece(b"ab", more=True), piece(b"cd", more=False)) == b"abcd"


def test_no_body_is_waited_for_where_none_is_announced() -> None:
    assert read(Headers({"content-length": "0"})) == b""
    assert read(Headers({})) == b""


def test_a_body_may_be_as_large_as_the_limit() -> None:
    assert read(Headers({"content-length": "8"}), piece(b"12345678", more=False)) == b"12345678"


def test_an_announced_size_is_refused_before_anything_is_read() -> None:
    with pytest.raises(Refused) as caught:
        read(Headers({"content-length": "9"}))
    assert caught.value.problem.kind.status == 413


def test_what_grows_too_large_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        read(CHUNKED, piece(b"12345", more=True), piece(b"6789", more=True))
    assert caught.value.problem.kind.status == 413
    assert caught.value.problem.detail == "a body may have 8 bytes at most"


def test_a_body_that_does_not_come_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        read(CHUNKED, piece(b"1", more=True), limits=Small(body_timeout_s=0.01))
    assert caught.value.problem.kind.status == 408
    assert caught.value.problem.detail == "the body was not complete within 0.01 s"


def test_nobody_is_answered_where_the_client_left() -> None:
    with pytest.raises(ClientGone):
        read(CHUNKED, piece(b"1", more=True), {"type": "http.disconnect"})


def test_the_body_is_given_once_and_then_the_connection() -> None:
    async def both() -> tuple[Message, Message]:
        again = replay(b"it", giving([{"type": "http.disconnect"}]))
        return await again(), await again()

    assert asyncio.run(both()) == (piece(b"it", more=False), {"type": "http.disconnect"})


def test_an_answer_has_begun_with_its_first_message() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def answer() -> tuple[bool, bool]:
        answering = Answering(send)
        before = answering.started
        await answering(piece(b"", more=False))
        return before, answering.started

    assert asyncio.run(answer()) == (False, True)
    assert sent == [piece(b"", more=False)]
