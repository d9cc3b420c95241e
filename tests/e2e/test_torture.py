"""RFC 4475: each torture message over UDP and TCP to a phone that has a call and accounts. The phone lives, the call is
heard, the accounts stay registered, and what is valid gets the answer that the RFC names."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support import torture
from tests.support.besieged import Target, besieged
from tests.support.torture import MESSAGES, Message

ANSWER_ALL = ({"from": "*", "action": "answer"},)
PATIENCE_S = 0.2  # for an answer that may not come
DEADLINE_S = 10.0  # for one that must


class Torturer:
    """Sends messages and takes the final answers; calls that get answered are acknowledged and hung up."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._finals: dict[str, int] = {}
        self._news = asyncio.Event()

    def send(self, message: bytes) -> None:
        self._send(message)

    async def final(self, word: str, within_s: float) -> int | None:
        """The final code for the request whose Call-ID begins with `word`; None if none comes."""
        try:
            async with asyncio.timeout(within_s):
                while word not in self._finals:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return None
        return self._finals[word]

    def heard(self, data: bytes) -> None:
        """A response, whole."""
        text = data.decode("latin-1")
        status = re.match(r"SIP/2\.0 (\d{3}) ", text)
        about = re.search(r"(?im)^Call-ID: *([^.\r]*)", text)
        if not status or not about or int(status[1]) < 200:
            return
        if re.search(r"(?im)^CSeq: *\d+ +INVITE\r", text):
            self._take_leave(text, int(status[1]) < 300)
        self._finals.setdefault(about[1], int(status[1]))
        self._news.set()

    def _take_leave(self, answer: str, accepted: bool) -> None:
        headers = {name: value for name, value in re.findall(r"(?m)^([\w-]+): *(.*?)\r$", answer.split("\r\n\r\n")[0])}
        number = int(headers["CSeq"].split()[0])
        for method, cseq in (("ACK", number), ("BYE", number + 1)) if accepted else (("ACK", number),):
            via = headers["Via"] if not accepted else headers["Via"] + method
            self._send(
                f"{method} sip:phone@127.0.0.1 SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {headers['From']}\r\n"
                f"To: {headers['To']}\r\nCall-ID: {headers['Call-ID']}\r\nCSeq: {cseq} {method}\r\n"
                "Content-Length: 0\r\n\r\n".encode("latin-1")
            )


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard: Callable[[bytes], None] = lambda data: None

    def datagram_received(self, data: bytes, _: object) -> None:
        self.heard(data)


class Stream(asyncio.Protocol):
    """Cuts what comes into messages."""

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self._heard = heard
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            length = re.search(rb"(?im)^Content-Length: *(\d+)", self._data[:end])
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._data) < whole:
                return
            message, self._data = self._data[:whole].lstrip(b"\r\n"), self._data[whole:]
            self._heard(message)


@asynccontextmanager
async def by_udp(target: Target) -> AsyncIterator[Torturer]:
    loop = asyncio.get_running_loop()
    transport, datagrams = await loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
    torturer = Torturer(lambda data: transport.sendto(data, ("127.0.0.1", target.sip)))
    datagrams.heard = torturer.heard
    try:
        yield torturer
    finally:
        transport.close()


@asynccontextmanager
async def by_tcp(target: Target) -> AsyncIterator[Torturer]:
    """A connection of its own: after some of the messages nobody can tell where the next one begins."""
    loop = asyncio.get_running_loop()
    torturer = Torturer(lambda data: transport.write(data))
    transport, _ = await loop.create_connection(lambda: Stream(torturer.heard), "127.0.0.1", target.plain_tcp)
    try:
        yield torturer
    finally:
        transport.abort()


def verdict(message: Message, answer: int | None) -> str:
    """Nothing, or what is wrong."""
    if answer in message.answers:
        return ""
    return f"RFC 4475 section {message.section}, {message.name}: {answer or 'no answer'}, not one of {message.answers}"


@pytest.mark.parametrize("way", [by_udp, by_tcp], ids=["udp", "tcp"])
def test_a_phone_under_torture(tmp_path: Path, way: Callable[..., object]) -> None:
    async def put(target: Target, message: Message) -> str:
        async with way(target) as torturer:  # type: ignore[attr-defined]
            word = f"{message.name}x"
            torturer.send(message.answerable(word))
            answer = await torturer.final(word, PATIENCE_S if None in message.answers else DEADLINE_S)
            assert target.daemon.alive, f"{message.name} ended the daemon:\n{target.daemon.log[-2000:]}"
            await target.goes_on()
            return verdict(message, answer)

    async def play() -> None:
        async with besieged(tmp_path, ANSWER_ALL) as target:
            wrong = [await put(target, message) for message in MESSAGES]
            assert not any(wrong), "\n".join(filter(None, wrong))

    asyncio.run(play())


def test_all_of_the_rfc_is_there() -> None:
    assert len({message.section for message in MESSAGES}) == 49
    assert len(torture.VALID) == 13
