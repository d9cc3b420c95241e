"""One page's WebSocket: what it is told, what it may ask, and what no message can do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus

from softphone.engine.views import AudioRoute
from softphone.errors import Conflict, MediaError, SipError
from softphone.events import AudioGain, HandsetClosed
from softphone.web import messages
from softphone.web.limits import Limits
from tests.control.fakes import ended_event
from tests.support.until import until
from tests.web.harness import OFFER, TOKEN, FakePhone, Listening, listening

# ---- who gets in


def test_a_page_needs_a_session_or_the_token(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web:
            for bearer in (None, "a wrong token of good length"):
                with pytest.raises(InvalidStatus) as refused:
                    await _open(web, bearer=bearer)
                assert refused.value.response.status_code == 401
            cookie = (await web.log_in()).headers["set-cookie"].partition(";")[0]
            async with web.page(bearer=None, cookie=cookie, origin=web.origin) as page:
                assert (await page.next())["type"] == "hello"

    asyncio.run(scene())


def test_a_foreign_page_does_not_get_in_even_with_the_session(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web:
            cookie = (await web.log_in()).headers["set-cookie"].partition(";")[0]
            with pytest.raises(InvalidStatus) as refused:
                await _open(web, bearer=None, cookie=cookie, origin="https://evil.example")
            assert refused.value.response.status_code == 403

    asyncio.run(scene())


def test_another_version_of_the_messages_is_refused(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web:
            with pytest.raises(InvalidStatus) as refused:
                await _open(web, subprotocols=["softphone.v9"])
            assert refused.value.response.status_code == 400

    asyncio.run(scene())


def test_only_so_many_pages_are_open_at_once(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(tmp_path, max_sessions=1) as web:
            async with web.page() as first:
                await first.until("hello")
                with pytest.raises(InvalidStatus) as refused:
                    await _open(web)
                assert refused.value.response.status_code == 503
            await until(lambda: not len(web.server._sessions))
            async with web.page() as next_one:
                await next_one.until("hello")

    asyncio.run(scene())


async def _open(web: Listening, **how: Any) -> None:
    async with web.page(**how):
        pass


# ---- what a page is told


def test_it_learns_how_things_stand_and_then_what_happens(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web:
            call = web.phone.add_call(state="active")
            async with web.page() as page, web.page() as other:
                for each in (page, other):
                    hello = await each.next()
                    assert hello["version"] == messages.VERSION
                    assert [a["id"] for a in hello["accounts"]] == ["901@pbx.example", "902@pbx.example"]
                    assert [c["id"] for c in hello["calls"]] == [call.id]
                web.phone.hold(call.id)
                for each in (page, other):
                    event = await each.until("event")
                    assert event["event"]["type"] == "call.hold"
                    assert (await each.until("call"))["call"]["held_by"] == ["local"]

    asyncio.run(scene())


def test_what_is_gone_is_told_as_gone(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web, web.page() as page:
            await page.until("hello")
            web.phone.bus.publish(ended_event("c99"))
            assert await page.until("call") == {"type": "call", "gone": "c99"}
            web.phone.bus.publish(HandsetClosed(handset="h1", reason="lost", cause="x"))
            assert await page.until("handsets") == {"type": "handsets", "handsets": []}

    asyncio.run(scene())


def test_levels_and_quality_come_while_they_are_wanted(tmp_path: Path) -> None:
    async def scene() -> None:
        phone = FakePhone()
        call = phone.add_call(state="active", quality={"mos": 4.2, "loss_percent": 0.5, "jitter_ms": float("nan")})
        async with listening(tmp_path, phone=phone, limits=Limits(figures_s=0.01)) as web, web.page() as page:
            await page.send("figures", on=True)
            told = (await page.until("figures"))["calls"][call.id]
            assert (told["mos"], told["loss_percent"], told["jitter_ms"]) == (4.2, 0.5, None)
            assert told["far_dbfs"] == -96.0
            await page.send("figures", id=2, on=False)
            await page.send("devices", id=3)

    asyncio.run(scene())


def test_a_page_that_does_not_read_loses_its_own_connection_only(tmp_path: Path) -> None:
    async def scene() -> None:
        limits = Limits(stall_timeout_s=0.3, queue=50)
        async with listening(tmp_path, limits=limits) as web, web.page() as good:
            await good.until("hello")
            writer = await _unread(web)
            for _ in range(400):
                for _ in range(20):
                    web.phone.bus.publish(AudioGain(call="c" + "1" * 5000, account="x", input_db=0, output_db=0))
                for _ in range(20):
                    await good.until("event")
                if len(web.server._sessions) == 1:
                    break
            await until(lambda: len(web.server._sessions) == 1)
            writer.transport.abort()
            assert (await good.send("devices", id=9))["type"] == "answer"

    asyncio.run(scene())


async def _unread(web: Listening) -> asyncio.StreamWriter:
    """A page that shakes hands and then reads nothing at all."""
    _, writer = await asyncio.open_connection("127.0.0.1", web.port, limit=1)
    lines = (
        "GET /v1/ws HTTP/1.1", f"Host: 127.0.0.1:{web.port}", "Connection: Upgrade", "Upgrade: websocket",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        f"Sec-WebSocket-Protocol: {messages.SUBPROTOCOL}", f"Authorization: Bearer {TOKEN}",
    )  # fmt: skip
    writer.write("\r\n".join((*lines, "", "")).encode())
    await until(lambda: len(web.server._sessions) == 2)
    return writer


# ---- what a page may ask


@pytest.mark.parametrize(
    ("message", "command"),
    [
        ({"do": "reject", "call": "c1"}, ("reject", "c1", 486, "")),
        ({"do": "hangup", "call": "c1"}, ("hang_up", "c1")),
        ({"do": "hold", "call": "c1", "on": True}, ("hold", "c1")),
        ({"do": "hold", "call": "c1", "on": False}, ("resume", "c1")),
        ({"do": "mute", "call": "c1", "on": True}, ("mute", "c1")),
        ({"do": "mute", "call": "c1", "on": False}, ("unmute", "c1")),
        ({"do": "digits", "call": "c1", "digits": "1a#"}, ("send_digits", "c1", "1A#", "auto", 160, 80)),
        ({"do": "transfer", "call": "c1", "target": "902"}, ("transfer", "c1", "902", None)),
        ({"do": "transfer_to", "call": "c1", "other": "c2"}, ("transfer_to", "c1", "c2", None)),
        ({"do": "handset_attach", "call": "c1", "handset": "h1"}, ("attach_handset", "h1", "c1", "talk", False)),
        (
            {"do": "handset_attach", "call": "c1", "handset": "h1", "mode": "whisper", "take_over": True},
            ("attach_handset", "h1", "c1", "whisper", True),
        ),
        ({"do": "audio", "call": "c1", "route": "null"}, ("set_audio", "c1", AudioRoute())),
        (
            {"do": "audio", "call": "c1", "route": "device", "input": "Mic", "output": "Box"},
            ("set_audio", "c1", AudioRoute(route="device", input="Mic", output="Box")),
        ),
        ({"do": "handset_detach", "call": "c1", "handset": "h1"}, ("detach_handset", "h1", "c1")),
        ({"do": "handset_close", "handset": "h1"}, ("close_handset", "h1")),
        ({"do": "register", "account": "901"}, ("register", "901@pbx.example")),
        ({"do": "dnd", "account": "901", "on": True}, ("set_dnd", "901@pbx.example", True)),
    ],
)
def test_every_command_is_a_method_of_the_phone(
    tmp_path: Path, message: dict[str, Any], command: tuple[Any, ...]
) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web, web.page() as page:
            web.phone.add_call(state="active")
            web.phone.add_call(state="active")
            await page.send("handset_open", id=8, sdp=OFFER)
            answer = await page.send(message.pop("do"), id=7, **message)
            assert answer["type"] == "answer"
            assert web.phone.commands[-1] == command

    asyncio.run(scene())


def test_a_call_is_dialled_and_answered_with_the_sound_in_the_handset(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web, web.page() as page:
            opened = (await page.send("handset_open", sdp=OFFER, name="Chrome"))["result"]
            assert opened["sdp"].startswith("v=0")
            handset = opened["handset"]["id"]
            call = (await page.send("dial", id=2, target="9196", account="902", handset=handset))["result"]
            assert web.phone.commands[-1] == ("attach_handset", handset, call["id"], "talk", False)
            caller = web.phone.add_call(state="incoming", direction="in")
            await page.send("answer", id=3, call=caller.id, handset=handset)
            assert [c[0] for c in web.phone.commands[-2:]] == ["attach_handset", "answer"]
            missing = await page.send("dial", id=4, target="9196", handset="h9")
            assert missing["error"]["detail"] == "there is no handset h9"
            assert web.phone.commands[-1][0] == "answer"  # nobody was called

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("error", "kind"),
    [(Conflict("it has ended"), "conflict"), (MediaError("no card"), "media"), (SipError("no", code=486), "sip")],
)
def test_what_the_phone_refuses_is_answered_with_its_words(tmp_path: Path, error: Exception, kind: str) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web, web.page() as page:
            web.phone.add_call()
            web.phone.failure = error
            told = await page.send("hangup", call="c1")
            assert told["error"]["type"].endswith(f":{kind}")
            assert told["error"]["detail"] == str(error)
            assert (await page.send("hangup", id=2, call="c1"))["type"] == "answer"

    asyncio.run(scene())


def test_a_fault_of_ours_costs_one_command_and_tells_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web, web.page() as page:
            web.phone.failure = ZeroDivisionError("secret text")
            told = await page.send("handset_open", sdp=OFFER)
            assert told["error"]["status"] == 500
            assert "secret" not in json.dumps(told)
            assert (await page.send("devices", id=2))["type"] == "answer"

    asyncio.run(scene())


def test_only_so_much_work_of_one_page_runs_at_once(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(tmp_path, limits=Limits(max_running=2)) as web, web.page() as page:
            web.phone.slow.clear()
            for number in range(3):
                await page.socket.send(json.dumps({"id": number, "do": "handset_open", "sdp": OFFER}))
            busy = await page.until("error")
            assert (busy["re"], busy["error"]["status"]) == (2, 503)
            web.phone.slow.set()
            assert {(await page.until("answer"))["re"] for _ in range(2)} == {0, 1}

    asyncio.run(scene())


# ---- what no message can do


@pytest.mark.parametrize(
    ("text", "re", "detail"),
    [
        ("", None, "the message is not JSON"),
        ("{", None, "the message is not JSON"),
        ("[" * 100_000, None, "the message is not JSON"),
        ("[]", None, "a message is a JSON object"),
        ("{}", None, "`do` is needed"),
        ('{"id": 1}', 1, "`do` is needed"),
        ('{"id": 1, "do": "explode"}', 1, "there is no such command"),
        ('{"do": "devices"}', None, "`id`: this is needed"),
        ('{"id": -1, "do": "devices"}', None, "`id`"),
        ('{"id": true, "do": "devices"}', None, "`id`"),
        ('{"id": 1, "do": "hold", "call": "c1"}', 1, "`on`: this is needed"),
        ('{"id": 1, "do": "hold", "call": "c1", "on": "yes"}', 1, "`on`"),
        ('{"id": 1, "do": "dial", "target": "9\\r\\nVia: x"}', 1, "`target`"),
        ('{"id": 1, "do": "digits", "call": "c1", "digits": "9x"}', 1, "`digits`"),
        ('{"id": 1, "do": "devices", "more": 1}', 1, "`more`: there is no such key"),
        ('{"id": 1, "do": "hangup", "call": "\\ud800"}', 1, "`call`"),
        ('{"id": 1, "do": "devices", "\\ud800": 1}', 1, ""),
        ('{"id": 1, "do": "hangup", "call": "c1"}', 1, "there is no call"),
        ('{"id": 1, "do": "handset_open", "sdp": "nonsense"}', 1, "the offer is no SDP"),
    ],
)
def test_a_bad_message_gets_a_clear_answer_and_closes_nothing(
    tmp_path: Path, text: str, re: int | None, detail: str
) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web, web.page() as page:
            told = await page.raw(text)
            assert told["re"] == re
            assert detail in told["error"]["detail"]
            assert (await page.send("devices", id=2))["type"] == "answer"

    asyncio.run(scene())


def test_what_is_sent_wrongly_is_not_repeated(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web, web.page() as page:
            told = await page.raw(json.dumps({"id": 1, "do": "hangup", "call": {"token": "hush"}, "sdp": "hush"}))
            assert "hush" not in json.dumps(told)

    asyncio.run(scene())


@pytest.mark.parametrize("message", [b"\x00\x01", "x" * 200_000])
def test_what_is_no_message_at_all_ends_this_page_alone(tmp_path: Path, message: str | bytes) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web, web.page() as good:
            async with web.page() as bad:
                await bad.until("hello")
                with pytest.raises(ConnectionClosed):
                    await bad.raw(message)
            assert (await good.send("devices"))["type"] == "answer"

    asyncio.run(scene())


class _Phone:
    """A listener for many examples: its loop runs while one of them does."""

    def __init__(self, folder: Path) -> None:
        self._runner = asyncio.Runner()
        self._context = listening(folder)
        self._web = self._run(self._context.__aenter__())
        self._web.phone.add_call(state="active")
        self._open = self._web.page()
        self._page = self._run(self._open.__aenter__())

    def _run(self, work: Any) -> Any:
        return self._runner.run(work)

    def judge(self, text: str) -> None:
        """One message: at most one answer, and the page lives."""
        self._run(self._judge(text))

    async def _judge(self, text: str) -> None:
        await self._page.socket.send(text)
        assert (await self._page.send("devices", id=2**50))["type"] == "answer"

    def post(self, body: bytes, query: str) -> int:
        return int(self._run(self._post(body, query)))

    async def _post(self, body: bytes, query: str) -> int:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/sdp"}
        answer = await self._web.http.post("/v1/whip", content=body, params={"call": query}, headers=headers)
        assert answer.status_code < 500, answer.text
        return int(answer.status_code)

    def close(self) -> None:
        self._run(self._open.__aexit__(None, None, None))
        self._run(self._context.__aexit__(None, None, None))
        self._runner.close()


@pytest.fixture
def fuzzed(tmp_path: Path) -> Iterator[_Phone]:
    phone = _Phone(tmp_path)
    yield phone
    phone.close()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_NAMES = sorted(get_args(kind.model_fields["do"].annotation)[0] for kind in get_args(messages.AnyCommand))
_KEYS = ("call", "target", "account", "handset", "on", "digits", "other", "route", "input", "sdp", "mode", "take_over")
_ALMOST = st.fixed_dictionaries(
    {"do": st.sampled_from(_NAMES) | _JSON, "id": st.integers(0, 99) | _JSON},
    optional={key: st.sampled_from(["c1", "h1", "901", True, OFFER]) | _JSON for key in _KEYS},
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(message=_ALMOST | _JSON)
def test_whatever_is_sent_the_page_lives(fuzzed: _Phone, message: Any) -> None:
    fuzzed.judge(json.dumps(message))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=400) | st.text(max_size=200).map(str.encode), query=st.text(max_size=20))
def test_whatever_is_offered_by_whip_is_answered(fuzzed: _Phone, body: bytes, query: str) -> None:
    assert fuzzed.post(body, query) >= 400
