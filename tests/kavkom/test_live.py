"""The live client against a real WebSocket server: what it tells, how it comes back, and that no token is seen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from softphone.config import Provider, Secret
from softphone.errors import ConfigError, UsageError
from softphone.kavkom import (
    AccessTokens,
    CallState,
    Confirmed,
    Connected,
    Gap,
    LiveCalls,
    LiveItem,
    LiveOptions,
    Reported,
    Trouble,
    Unreadable,
)
from softphone.kavkom.http import trust
from softphone.kavkom.livesocket import LiveAddress
from tests.kavkom.answers import DOMAIN_UUID
from tests.kavkom.live_server import FakeAuth, FakeLive

QUICK = LiveOptions(liveness_s=5.0, retry_min_s=0.02, retry_max_s=0.1, stable_s=60.0)
Item = TypeVar("Item", bound=Any)


def call(uuid: str = "abc-123", state: str = "active", **fields: Any) -> dict[str, Any]:
    """As the documentation shows it."""
    return {
        "callUuid": uuid,
        "state": state,
        "direction": "inbound",
        "number": "380501234567",
        "presenceId": "1001@contact.example.kavkom.com",
        "createdEpoch": 1710763200,
        "answeredEpoch": 1710763205,
        "duration": 120,
        **fields,
    }


class Stage:
    """Server, token service and client together."""

    def __init__(self, server: FakeLive, auth: FakeAuth, live: LiveCalls) -> None:
        self.server, self.auth, self.live = server, auth, live
        self._items = aiter(live)
        self.told: list[LiveItem] = []

    async def next(self, kind: type[Item]) -> Item:
        """The next item, which has to be of this kind."""
        async with asyncio.timeout(10):
            item = await anext(self._items)
        self.told.append(item)
        assert isinstance(item, kind), item
        return item


@asynccontextmanager
async def stage(
    *extensions: str, options: LiveOptions = QUICK, life_s: float = 3600.0, refusals: tuple[tuple[int, str], ...] = ()
) -> AsyncIterator[Stage]:
    auth = FakeAuth(life_s)
    async with FakeLive() as server, auth.api() as api:
        server.refusals = list(refusals)
        tokens = AccessTokens(api, extensions or ("1001",))
        async with LiveCalls(LiveAddress(server.url, trust(None)), tokens, options=options) as live:
            yield Stage(server, auth, live)


def acted(play: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(30):
            await play()

    asyncio.run(run())


def test_the_documented_call_event() -> None:
    async def play() -> None:
        async with stage("1001", "1002") as on:
            assert (await on.next(Connected)).again is False
            visit = await on.server.visit()
            assert (visit.token, visit.ext) == ("access-hunter2-1", "1001,1002")
            await visit.say("call", **call(colour="green", apiToken="t0p-hunter2"))
            told = await on.next(CallState)
            assert told.model_dump(exclude={"extra"}) == {
                "kind": "call",
                "call_uuid": "abc-123",
                "state": "active",
                "extension": "1001",
                "direction": "inbound",
                "number": "380501234567",
                "presence_id": "1001@contact.example.kavkom.com",
                "created_epoch_s": 1710763200.0,
                "answered_epoch_s": 1710763205.0,
                "duration_s": 120.0,
                "late": False,
                "problems": (),
            }
            assert told.extra["colour"] == "green"
            assert isinstance(told.extra["apiToken"], Secret)

    acted(play)


def test_a_ping_is_answered_with_the_same_data() -> None:
    async def play() -> None:
        async with stage() as on:
            visit = await on.server.visit()
            for data in ({"sentStamp": 1710763200000, "expiresInSec": 60}, {"more": [1, None, "é"]}, {}):
                await visit.say("ping", **data)
                assert await visit.hear() == {"event": "pong", "data": data}

    acted(play)


def test_a_ping_is_answered_while_nobody_reads_the_items() -> None:
    async def play() -> None:
        async with stage() as on:
            visit = await on.server.visit()
            for number in range(50):
                await visit.say("call", **call(f"c{number}"))
            await visit.say("ping", sentStamp=1, expiresInSec=60)
            assert (await visit.hear())["event"] == "pong"

    acted(play)


def test_news_is_told_once() -> None:
    async def play() -> None:
        async with stage() as on:
            await on.next(Connected)
            visit = await on.server.visit()
            for state in (
                "ringing",
                "ringing",
                "active",
                "ringing",
                "held",
                "active",
                "finished",
                "active",
                "finished",
            ):
                await visit.say("call", **call(state=state, duration=0))
            await visit.say("call", **call("last"))
            states = []
            while (told := await on.next(CallState)).call_uuid != "last":
                states.append(told.state)
            assert states == ["ringing", "active", "held", "active", "finished"]

    acted(play)


def test_what_comes_out_of_its_turn_is_told_as_late_and_once() -> None:
    async def play() -> None:
        async with stage() as on:
            await on.next(Connected)
            visit = await on.server.visit()
            for state in "active ringing finished held ringing held".split():
                await visit.say("call", **call(state=state, duration=0))
            await visit.say("call", **call("last"))
            told = [await on.next(CallState) for _ in range(5)]
            assert [(each.state, each.late) for each in told] == [
                ("active", False),
                ("ringing", True),
                ("finished", False),
                ("held", True),
                ("active", False),
            ]
            assert [known.call.call_uuid for known in on.live.running()] == ["last"]

    acted(play)


def test_a_call_that_a_cdr_ended_is_not_doubted_and_not_told_twice() -> None:
    async def play() -> None:
        async with stage() as on:
            await on.next(Connected)
            visit = await on.server.visit()
            await visit.say("call", **call(state="active"))
            await on.next(CallState)
            on.live.forget("abc-123")
            await visit.say("call", **call(state="active"))
            await visit.say("call", **call(state="finished"))
            assert (await on.next(CallState)).state == "finished"
            visit.socket.transport.abort()
            assert (await on.next(Gap)).unknown == ()

    acted(play)


def test_the_one_extension_that_was_asked_for_stands_in() -> None:
    async def play() -> None:
        async with stage("1001") as on:
            await on.next(Connected)
            visit = await on.server.visit()
            await visit.say("call", callUuid="a", state="ringing")
            told = await on.next(CallState)
            assert (told.extension, told.answered_epoch_s, told.duration_s) == ("1001", None, None)

    acted(play)


def test_messages_without_sense_are_named_and_do_no_harm() -> None:
    async def play() -> None:
        async with stage() as on:
            await on.next(Connected)
            visit = await on.server.visit()
            for frame in ("{", "[]", '{"event":"dance"}', '{"event":"call","data":{"state":"active"}}', b"\xff\xfe"):
                await visit.socket.send(frame)
                cause = (await on.next(Unreadable)).cause
                assert "from the live service" in cause
            assert "callUuid is missing" in [i.cause for i in on.told if isinstance(i, Unreadable)][3]
            await visit.say("call", **call(answeredEpoch="soon", number={"no": 1}))
            told = await on.next(CallState)
            assert told.problems == ("number: expected text", "answeredEpoch: expected a number")

    acted(play)


def test_an_error_about_something_else_is_told() -> None:
    async def play() -> None:
        async with stage() as on:
            await on.next(Connected)
            visit = await on.server.visit()
            await visit.say("error", message="extension 1001 is not monitored")
            assert (await on.next(Reported)).message == "extension 1001 is not monitored"
            assert on.live.connected

    acted(play)


# ---- gaps


def test_after_a_gap_states_are_unknown_until_told_again() -> None:
    async def play() -> None:
        async with stage("1001", "1002") as on:
            await on.next(Connected)
            first = await on.server.visit()
            await first.say("call", **call("a", "active"))
            await first.say("call", **call("b", "ringing"))
            await first.say("call", **call("c", "finished"))
            for _ in range(3):
                await on.next(CallState)
            first.socket.transport.abort()
            gap = await on.next(Gap)
            assert gap.extensions == ("1001", "1002")
            assert [lost.call_uuid for lost in gap.unknown] == ["a", "b"]
            assert [(known.call.call_uuid, known.sure) for known in on.live.running()] == [("a", False), ("b", False)]
            assert (await on.next(Connected)).again
            second = await on.server.visit()
            await second.say("call", **call("a", "active"))
            await second.say("call", **call("b", "active"))
            assert (await on.next(Confirmed)).call.call_uuid == "a"
            assert (await on.next(CallState)).call_uuid == "b"
            assert all(known.sure for known in on.live.running())
            on.live.forget("a")
            assert [known.call.call_uuid for known in on.live.running()] == ["b"]

    acted(play)


def test_silence_ends_a_connection() -> None:
    async def play() -> None:
        async with stage(options=LiveOptions(liveness_s=0.3, retry_min_s=0.01)) as on:
            await on.next(Connected)
            await on.server.visit()
            assert "no sign of life" in (await on.next(Gap)).cause
            assert (await on.next(Connected)).again

    acted(play)


def test_the_hint_of_a_ping_shortens_the_deadline() -> None:
    async def play() -> None:
        options = LiveOptions(liveness_s=300.0, least_liveness_s=0.2, retry_min_s=0.01)
        async with stage(options=options) as on:
            await on.next(Connected)
            visit = await on.server.visit()
            await visit.say("ping", sentStamp=1710763200000, expiresInSec=0.3)
            assert "for 0.3 s" in (await on.next(Gap)).cause

    acted(play)


def test_a_server_that_is_away_is_tried_again_with_growing_pauses() -> None:
    async def play() -> None:
        busy = [(503, "come back later")] * 4
        async with stage(options=LiveOptions(retry_min_s=0.02, retry_max_s=60.0), refusals=tuple(busy)) as on:
            troubles = [await on.next(Trouble) for _ in busy]
            assert all("HTTP 503" in each.cause and not each.refused for each in troubles)
            assert troubles[3].retry_in_s > troubles[0].retry_in_s
            assert (await on.next(Connected)).again is False

    acted(play)


def test_a_redirect_is_not_followed() -> None:
    async def play() -> None:
        async with stage(options=LiveOptions(retry_min_s=30.0), refusals=((302, "elsewhere"),)) as on:
            assert "does not speak WebSocket (HTTP 302)" in (await on.next(Trouble)).cause
            assert len(on.server.asked) == 1

    acted(play)


# ---- tokens and parameters, refused in both ways


@pytest.mark.parametrize("text", ["", "Invalid token"])
@pytest.mark.parametrize("status", [401, 403])
def test_a_token_refused_at_the_handshake_is_replaced_once_at_once(status: int, text: str) -> None:
    async def play() -> None:
        async with stage(refusals=((status, text), (status, text))) as on:
            first, second = await on.next(Trouble), await on.next(Trouble)
            assert (first.retry_in_s, first.refused, first.status) == (0.0, False, status)
            assert second.retry_in_s > 0
            assert second.refused
            await on.next(Connected)
            assert [visit.partition("&")[0][-1] for visit in on.server.asked] == ["1", "2", "3"]

    acted(play)


@pytest.mark.parametrize("text", ["Invalid token", "401", "token expired"])
def test_a_token_refused_by_a_frame_is_replaced(text: str) -> None:
    async def play() -> None:
        async with stage() as on:
            await on.next(Connected)
            visit = await on.server.visit()
            await visit.say("error", message=text)
            assert text in (await on.next(Gap)).cause
            await on.next(Connected)
            assert (await on.server.visit()).token == "access-hunter2-2"
            async with asyncio.timeout(10):
                await visit.over.wait()

    acted(play)


def test_a_token_refused_by_the_close_frame_is_replaced() -> None:
    async def play() -> None:
        async with stage() as on:
            await on.next(Connected)
            await (await on.server.visit()).socket.close(1008, "Invalid token")
            assert "1008 Invalid token" in (await on.next(Gap)).cause
            assert (await on.server.visit()).token == "access-hunter2-2"

    acted(play)


def test_a_missing_parameter_at_the_handshake() -> None:
    async def play() -> None:
        async with stage(refusals=((406, "&ext parameter is missing"),)) as on:
            trouble = await on.next(Trouble)
            assert (trouble.status, trouble.refused) == (406, True)
            assert "&ext parameter is missing" in trouble.cause
            assert on.auth.made == 1

    acted(play)


def test_a_missing_parameter_by_a_frame() -> None:
    async def play() -> None:
        async with stage() as on:
            await on.next(Connected)
            await (await on.server.visit()).say("error", message="&t parameter is missing")
            assert "&t parameter is missing" in (await on.next(Gap)).cause
            await on.next(Connected)
            assert on.auth.made == 1

    acted(play)


def test_a_new_token_takes_over_without_a_gap() -> None:
    async def play() -> None:
        async with stage(life_s=0.4) as on:
            await on.next(Connected)
            first = await on.server.visit()
            await first.say("call", **call("a", "ringing"))
            second = await on.server.visit()
            assert (first.token, second.token) == ("access-hunter2-1", "access-hunter2-2")
            on.auth.life_s = 3600
            await second.say("call", **call("a", "ringing"))
            await second.say("call", **call("a", "active"))
            assert [(await on.next(CallState)).state for _ in range(2)] == ["ringing", "active"]
            async with asyncio.timeout(10):
                await first.over.wait()
            assert not any(isinstance(item, Gap | Trouble) for item in on.told)

    acted(play)


def test_a_slow_reader_loses_nothing_when_a_new_token_takes_over() -> None:
    async def play() -> None:
        async with stage(life_s=0.4, options=LiveOptions(waiting_items=1)) as on:
            first = await on.server.visit()
            for number in range(20):
                await first.say("call", **call(f"c{number}"))
            on.auth.life_s = 3600
            await on.server.visit()
            await on.next(Connected)
            assert [(await on.next(CallState)).call_uuid for _ in range(20)] == [f"c{n}" for n in range(20)]

    acted(play)


def test_a_token_that_is_extended_keeps_its_connection() -> None:
    async def play() -> None:
        async with stage(life_s=0.4) as on:
            await on.next(Connected)
            on.auth.extend, on.auth.life_s = True, 3600
            visit = await on.server.visit()
            async with asyncio.timeout(10):
                await on.auth.verified.wait()
            await visit.say("call", **call())
            await on.next(CallState)
            assert (on.auth.made, len(on.server.asked)) == (1, 1)

    acted(play)


# ---- who may be followed


@pytest.mark.parametrize("extensions", [("door",), ("1001", "0901"), ("1001,1002",), ("-5",), ("١٠٠١",), ()])
def test_extensions_that_are_no_numbers_are_refused_early(extensions: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=r"plain numbers|no extension"):
        LiveCalls.of(_provider(), extensions)


def test_without_credentials_it_says_what_is_needed() -> None:
    with pytest.raises(ConfigError, match="refresh_token"):
        LiveCalls.of(_provider().model_copy(update={"live": None}), ["1001"])


def _provider() -> Provider:
    live = {"refresh_token": Secret("refresh-hunter2"), "user_uuid": Secret("user-hunter2")}
    return Provider.model_validate({"domain_uuid": DOMAIN_UUID, "token": Secret("hunter2"), "live": live})


def test_many_extensions_share_several_connections() -> None:
    async def play() -> None:
        async with stage("1", "2", "3", "4", "5", options=LiveOptions(per_connection=2)) as on:
            visits = [await on.server.visit() for _ in range(3)]
            assert sorted(visit.ext for visit in visits) == ["1,2", "3,4", "5"]
            assert {visit.token for visit in visits} == {"access-hunter2-1"}
            for _ in visits:
                await on.next(Connected)
            assert on.live.connected

    acted(play)


def test_closing_ends_the_iteration_and_the_connection() -> None:
    async def play() -> None:
        async with stage() as on:
            await on.next(Connected)
            visit = await on.server.visit()
            await on.live.aclose()
            assert [item async for item in on.live] == []
            async with asyncio.timeout(10):
                await visit.over.wait()

    acted(play)


# ---- the token is in the address


def test_no_token_reaches_a_log_or_a_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def play() -> None:
        echo = "you sent t=TOKEN"
        async with stage(refusals=((401, echo), (302, echo), (404, echo), (500, echo), (200, echo))) as on:
            for _ in range(5):
                await on.next(Trouble)
            await on.next(Connected)
            visit = await on.server.visit()
            await visit.say("error", message=f"hm, {visit.token}")
            await on.next(Reported)
            await visit.say("error", message=f"Invalid token {visit.token}")
            await on.next(Gap)
            await on.next(Connected)
            visit = await on.server.visit()
            await visit.socket.close(1008, f"no {visit.token}")
            await on.next(Gap)
            assert "hunter2" not in repr(on.told)

    acted(play)
    # The server of this test logs what it gets; the client must not
    ours = [record for record in caplog.records if record.name != "websockets.server"]
    assert ours
    assert not [record for record in ours if "hunter2" in record.getMessage() + str(record.exc_info)]


@pytest.mark.parametrize("room", range(185, 201, 4))
def test_no_part_of_a_token_is_left_where_a_long_text_is_cut(room: int) -> None:
    async def play() -> None:
        async with stage(refusals=((500, "x" * room + "TOKEN"),)) as on:
            assert "acc" not in (await on.next(Trouble)).cause

    acted(play)


def test_an_address_that_is_no_live_service_is_explained_without_the_token() -> None:
    async def play() -> None:
        async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
            writer.close()

        listening = await asyncio.start_server(rude, "127.0.0.1", 0)
        async with listening, FakeAuth().api() as api:
            url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
            address = LiveAddress(url, trust(None), 5.0)
            async with LiveCalls(address, AccessTokens(api, ["1001"]), options=QUICK) as live:
                trouble = await anext(aiter(live))
        assert isinstance(trouble, Trouble)
        assert "is not HTTP" in trouble.cause
        assert "hunter2" not in trouble.cause

    acted(play)
