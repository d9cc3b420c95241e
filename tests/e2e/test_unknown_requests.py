"""Requests that no call of ours is about get the answer of the RFCs, and ACK gets none."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support import hostile
from tests.support.besieged import besieged
from tests.support.hostile import Stranger
from tests.support.procfs import listening

TAKEN = {"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "UPDATE", "PRACK", "INFO", "REFER", "NOTIFY"}
OUT_OF_DIALOG = {
    "BYE": 481,  # RFC 3261 section 15.1.2
    "INFO": 481,  # RFC 6086 section 4.2.2
    "UPDATE": 481,  # RFC 3311 section 5.2
    "PRACK": 481,  # RFC 3262 section 3
    "NOTIFY": 481,  # RFC 6665 section 4.1.3
    "CANCEL": 481,  # RFC 3261 section 9.2
    "REFER": 405,  # only within a call
    "MESSAGE": 405,  # RFC 3261 section 8.2.1, as all that follow
    "SUBSCRIBE": 405,
    "PUBLISH": 405,
    "REGISTER": 405,
    "NEWMETHOD": 501,  # RFC 3261 section 21.5.2
    "OPTIONS": 200,
}
EXTRA = {
    "REFER": "Refer-To: <sip:x@127.0.0.1:9>\r\n",
    "NOTIFY": "Event: dialog\r\nSubscription-State: active\r\n",
    "SUBSCRIBE": "Event: presence\r\n",
    "PRACK": "RAck: 1 1 INVITE\r\n",
}


def told(stranger: Stranger, number: int, header: str) -> set[str]:
    """The values of a header in the answer to a request."""
    answer = next(data for data in stranger.received if b"-%d\r\n" % number in data).decode()
    values = re.findall(rf"(?m)^{header}: *(.*?)\r$", answer)
    return {value.strip() for each in values for value in each.split(",")}


async def answers(stranger: Stranger, **options: Any) -> dict[str, int]:
    """What each method gets."""
    asked = {method: stranger.ask(method, extra=EXTRA.get(method, ""), **options) for method in OUT_OF_DIALOG}
    return {method: await stranger.answered(number) for method, number in asked.items()}


def test_requests_without_a_call(tmp_path: Path) -> None:
    async def play() -> None:
        async with AsyncExitStack() as held, besieged(tmp_path) as target:
            stranger = await Stranger.at("127.0.0.1", target.sip)
            held.callback(stranger.close)
            assert await answers(stranger) == OUT_OF_DIALOG
            unknown = dict.fromkeys(OUT_OF_DIALOG, 481) | {"MESSAGE": 405, "REGISTER": 405}
            assert await answers(stranger, to_tag="never") == unknown
            refused = stranger.ask("SUBSCRIBE", extra=EXTRA["SUBSCRIBE"])
            await stranger.answered(refused)
            assert told(stranger, refused, "Allow") == TAKEN
            options = stranger.ask("OPTIONS")
            await stranger.answered(options)
            assert told(stranger, options, "Allow") == TAKEN
            assert not {each for each in told(stranger, options, "Accept") if "xml" in each or "text" in each}

    asyncio.run(play())


def test_extensions_that_are_required_and_not_there(tmp_path: Path) -> None:
    async def play() -> None:
        async with AsyncExitStack() as held, besieged(tmp_path) as target:
            stranger = await Stranger.at("127.0.0.1", target.sip)
            held.callback(stranger.close)
            for method in ("OPTIONS", "INVITE", "INFO", "NEWMETHOD"):
                body = hostile.SDP if method == "INVITE" else ""
                number = stranger.ask(method, extra="Require: timer, foo\r\nRequire: bar\r\n", body=body)
                assert await stranger.answered(number) == 420, method
                assert told(stranger, number, "Unsupported") >= {"foo"}
            assert await stranger.answered(stranger.ask("OPTIONS", extra="Require: timer\r\n")) == 200

    asyncio.run(play())


def test_a_message_within_a_call_is_refused_and_the_call_goes_on(tmp_path: Path) -> None:
    """So no XML of a far end is parsed: the notices of typing that come by MESSAGE are the only one that could be."""

    async def play() -> None:
        async with besieged(tmp_path) as target:
            [leg] = target.lab.switch.endpoint._legs.values()
            kind = ("Content-Type", "application/im-iscomposing+xml")
            assert (await leg.request("MESSAGE", headers=[kind], body=b"<a>" * 4000)).code == 405

    asyncio.run(play())


@pytest.mark.parametrize("to_tag", ["", "never"])
def test_ack_is_never_answered(tmp_path: Path, to_tag: str) -> None:
    async def play() -> None:
        async with AsyncExitStack() as held, besieged(tmp_path) as target:
            stranger = await Stranger.at("127.0.0.1", target.sip)
            held.callback(stranger.close)
            for extra in ("", "Require: foo\r\n"):
                stranger.ask("ACK", to_tag=to_tag, extra=extra)
            last = stranger.ask("OPTIONS")
            assert await stranger.answered(last) == 200  # by now the ACKs have been taken
            assert set(stranger.finals) == {last}

    asyncio.run(play())


def test_no_socket_waits_for_dns(tmp_path: Path) -> None:
    """PJSIP's own resolver would have one, to which anybody may send answers."""

    async def play() -> None:
        async with besieged(tmp_path) as target:
            await target.daemon.ask("POST", "/v1/calls", {"target": "sip:x@nowhere.invalid", "account": "902"})
            await target.daemon.told("call.ended")
            assert set(listening(target.daemon.pid, "udp")) == {target.sip, *target.media}

    asyncio.run(play())
