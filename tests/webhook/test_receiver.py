"""The webhook receiver: who is let in, what is told, and that nothing is lost."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from softphone.config.secrets import Secret
from softphone.config.webhook import Webhook
from softphone.errors import ConfigError
from softphone.kavkom.webhook import OUR_FIELDS, WebhookEvent, WebhookMapping
from softphone.lab.certificates import make_certificates
from softphone.webhook.http import HttpLimits
from tests.webhook.door import CDR, SECRET, body, post, run


def test_a_cdr_becomes_an_event(tmp_path: Path) -> None:
    async def scene() -> None:
        async with post(tmp_path) as there:
            reply = await there.send(body(extension="901", note="x", api_token="hush"))
            assert (reply.status_code, reply.json()) == (200, {"received": True})
            (event,) = there.all("pbx.cdr")
            wanted = {"call_uuid": "u1", "number": "9196", "duration_s": 12, "account": "901@pbx.example"}
            assert {name: event[name] for name in wanted} == wanted
            assert (event["delivery"], event["replayed"]) == (1, False)
            assert event["extra"] == {"note": "x", "api_token": "***"}
            assert there.receiver.status().received == 1

    run(scene())


def test_a_mapping_and_names_of_its_own(tmp_path: Path) -> None:
    async def scene() -> None:
        settings = {"mapping": {"call.id": "call_uuid", "kind": "event"}, "events": {"hangup": "cdr"}}
        async with post(tmp_path, **settings) as there:
            await there.send({"call": {"id": "u7"}, "kind": "hangup"})
            await there.send({"call": {"id": "u8"}, "kind": "call", "state": "ringing"})
            assert there.all("pbx.cdr")[0]["call_uuid"] == "u7"
            assert there.all("pbx.webhook_call")[0]["state"] == "ringing"

    run(scene())


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"secret": "Bearer wrong"}, 401),
        ({"secret": ""}, 401),
        ({"secret": "Bearer \u00e9"}, 401),
        ({"path": "/webhooks"}, 404),
        ({"content": b"{"}, 400),
        ({"content": b"[1]"}, 400),
        ({"content": b""}, 400),
        ({"content": b"\xff\xfe"}, 400),
        ({"content": {"event": "cdr"}}, 400),
        ({"content": b"[" * 5000}, 400),
        ({"content": b" " * 70_000}, 413),
        ({"content": {"event": "test", "callUuid": "x"}}, 200),
    ],
)
def test_what_is_not_taken_tells_why_and_is_no_call(tmp_path: Path, request_: dict[str, Any], status: int) -> None:
    async def scene() -> None:
        async with post(tmp_path) as there:
            if "secret" in request_:
                request_["secret"] = request_["secret"].encode("latin-1")
            reply = await there.send(**request_)
            assert reply.status_code == status
            if status != 200:
                assert reply.json()["status"] == status
                assert SECRET not in reply.text
            assert not there.all("pbx.cdr")
            assert (await there.send()).status_code == 200  # and the door stays open

    run(scene())


def test_only_posts(tmp_path: Path) -> None:
    async def scene() -> None:
        async with post(tmp_path) as there:
            for method in ("GET", "HEAD", "PUT"):
                reply = await there.client.request(method, "/webhooks/calls", headers={"Authorization": SECRET})
                assert (reply.status_code, reply.headers["allow"]) == (405, "POST")

    run(scene())


def test_what_the_pbx_sends_twice_is_told_once(tmp_path: Path) -> None:
    async def scene() -> None:
        async with post(tmp_path) as there:
            replies = await asyncio.gather(*(there.send(body(callUuid=f"u{i % 10}")) for i in range(60)))
            assert {reply.status_code for reply in replies} == {200}
            assert sorted(event["call_uuid"] for event in there.all("pbx.cdr")) == sorted(f"u{i}" for i in range(10))
            status = there.receiver.status()
            assert (status.received, status.duplicates) == (10, 50)

    run(scene())


def test_a_restart_tells_what_nobody_had_dealt_with_and_nothing_else(tmp_path: Path) -> None:
    kept = False

    async def settled() -> bool:
        return kept

    async def scene() -> None:
        nonlocal kept
        async with post(tmp_path, settled=settled) as there:
            for i in range(5):
                await there.send(body(callUuid=f"u{i}"))
            assert there.receiver.status().waiting == 5
        async with post(tmp_path, settled=settled) as there:
            events = there.all("pbx.cdr")
            assert [(e["call_uuid"], e["delivery"], e["replayed"]) for e in events] == [
                (f"u{i}", i + 1, True) for i in range(5)
            ]
            assert (await there.send(body(callUuid="u3"))).status_code == 200
            assert len(there.all("pbx.cdr")) == 5  # known from before the restart
            kept = True
        async with post(tmp_path, settled=settled) as there:
            assert there.all("pbx.cdr") == []
            await there.send(body(callUuid="u4"))
            assert there.receiver.status().duplicates == 1
            await there.send(body(callUuid="u9"))
            assert there.all("pbx.cdr")[0]["delivery"] == 6

    run(scene())


def test_a_slow_consumer_holds_up_nobody_and_loses_nothing(tmp_path: Path) -> None:
    """Whoever reads events slowly reads on from where it was; the sender has its answer meanwhile."""

    async def scene() -> None:
        async with post(tmp_path, requests_per_s=10_000) as there:
            with there.bus.subscribe(("pbx.cdr",), limit=5000) as slow:
                for i in range(0, 300, 50):
                    replies = [there.send(body(callUuid=f"u{i + k}")) for k in range(50)]
                    assert {reply.status_code for reply in await asyncio.gather(*replies)} == {200}
                found = [(await slow.get()).as_dict() for _ in range(300)]
            assert [event["delivery"] for event in found] == list(range(1, 301))

    run(scene())


def test_a_journal_that_cannot_be_written_is_told_and_loses_no_news(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("no folder")

    async def scene() -> None:
        async with post(tmp_path) as there:
            assert (await there.send()).status_code == 200
            assert len(there.all("pbx.cdr")) == 1
            assert there.all("pbx.webhook_dropped")
            assert there.receiver.status().state == "failed"

    run(scene())


def test_wrong_secrets_are_soon_not_looked_at(tmp_path: Path) -> None:
    async def scene() -> None:
        async with post(tmp_path) as there:
            codes = [(await there.send(secret=f"Bearer {i}")).status_code for i in range(15)]
            assert codes[:10] == [401] * 10
            assert codes[-1] == 429
            assert (await there.send()).status_code == 429  # of the same address
            assert len(there.all("pbx.webhook_unreadable")) == 1  # told once in a while

    run(scene())


def test_more_than_the_rate_allows(tmp_path: Path) -> None:
    async def scene() -> None:
        async with post(tmp_path, requests_per_s=1) as there:
            replies = [await there.send(body(callUuid=f"u{i}")) for i in range(12)]
            refused = [reply for reply in replies if reply.status_code == 429]
            assert refused
            assert int(refused[0].headers["retry-after"]) >= 0
            assert len(there.all("pbx.cdr")) == 12 - len(refused) >= 5

    run(scene())


def test_a_proxy_s_word_is_taken_where_it_is_trusted(tmp_path: Path) -> None:
    async def wrong(there: Any, client: str) -> int:
        return int((await there.send(secret="no", headers={"X-Forwarded-For": client})).status_code)

    async def scene(trusted: list[str], expected: int) -> None:
        async with post(tmp_path, trusted_proxies=trusted) as there:
            for i in range(11):
                assert await wrong(there, "203.0.113.7, nonsense, 198.51.100.1" if i % 2 else "198.51.100.1") in (
                    401,
                    429,
                )
            assert await wrong(there, "198.51.100.2") == expected

    run(scene(["127.0.0.0/8"], 401))
    run(scene([], 429))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["event", "callUuid", "state", "duration", "data", "createdEpoch"]) | st.text(max_size=5),
        inner, max_size=5,
    ),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_body_breaks_it(tmp_path: Path, content: bytes) -> None:
    async def scene() -> None:
        async with post(tmp_path) as there:
            assert (await there.send(content)).status_code in (200, 400)
            for event in there.told:
                json.dumps(event)
            assert len(there.told) <= 1

    run(scene())


async def raw(port: int, *parts: bytes, pause_s: float = 0.0) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST /webhooks/calls HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 4000 + b"\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nX: " + b"y" * 20_000, b"431"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", b"408"),
        (b"POST / HT", b"408"),
        (b"", b""),
    ],
)  # fmt: skip
def test_bytes_that_are_no_request(tmp_path: Path, sent: bytes, answer: bytes) -> None:
    async def scene() -> None:
        limits = HttpLimits(request_timeout_s=0.3, idle_timeout_s=0.3)
        async with post(tmp_path, limits=limits) as there:
            heard = await raw(there.receiver.port, sent)
            assert heard.split(b" ")[1:2] == ([answer] if answer else [])
            assert (await there.send()).status_code == 200

    run(scene())


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=4))
def test_no_bytes_break_it(tmp_path: Path, parts: list[bytes]) -> None:
    async def scene() -> None:
        limits = HttpLimits(request_timeout_s=0.05, idle_timeout_s=0.05)
        async with post(tmp_path, limits=limits) as there:
            await raw(there.receiver.port, *parts)
            assert (await there.send()).status_code == 200

    run(scene())


def test_a_sender_that_waits_to_be_asked_for_its_body(tmp_path: Path) -> None:
    async def scene() -> None:
        async with post(tmp_path) as there:
            content = json.dumps(CDR).encode()
            head = (
                f"POST /webhooks/calls HTTP/1.1\r\nHost: x\r\nAuthorization: {SECRET}\r\nExpect: 100-continue\r\n"
                f"Connection: close\r\nContent-Length: {len(content)}\r\n\r\n"
            )
            heard = await raw(there.receiver.port, head.encode(), content, pause_s=0.2)
            assert heard.startswith(b"HTTP/1.1 100 ")
            assert b"HTTP/1.1 200 " in heard

    run(scene())


def test_too_many_connections(tmp_path: Path) -> None:
    async def scene() -> None:
        async with post(tmp_path, limits=HttpLimits(max_connections=3)) as there:
            held = [await asyncio.open_connection("127.0.0.1", there.receiver.port) for _ in range(3)]
            with pytest.raises(httpx.TransportError):
                await there.send()
            for _, writer in held:
                writer.close()
                await writer.wait_closed()
            async with asyncio.timeout(10):
                while True:
                    try:
                        assert (await there.send()).status_code == 200
                        break
                    except httpx.TransportError:
                        await asyncio.sleep(0.01)

    run(scene())


def test_https_with_a_certificate_of_ours(tmp_path: Path) -> None:
    files = make_certificates(tmp_path, ("127.0.0.1",))

    async def scene() -> None:
        door = {"certificate": str(files.certificate), "key": str(files.key)}
        async with post(tmp_path, **door) as there:
            context = ssl.create_default_context(cafile=files.ca)
            async with httpx.AsyncClient(verify=context, trust_env=False) as client:
                url = f"https://127.0.0.1:{there.receiver.port}/webhooks/calls"
                reply = await client.post(url, json=CDR, headers={"Authorization": SECRET})
                assert reply.status_code == 200

    run(scene())


@pytest.mark.parametrize("what", ["certificate", "key"])
def test_a_certificate_that_cannot_be_used(tmp_path: Path, what: str) -> None:
    files = make_certificates(tmp_path, ("127.0.0.1",))
    (tmp_path / "nonsense").write_text("nonsense")
    door = {"certificate": str(files.certificate), "key": str(files.key)} | {what: str(tmp_path / "nonsense")}

    async def scene() -> None:
        with pytest.raises(ConfigError, match=r"webhook.certificate"):
            async with post(tmp_path, **door):
                pass

    run(scene())


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"listen": "0.0.0.0:8481"}, "proxy on this machine"),
        ({"secret": Secret("short")}, "too short"),
        ({"mapping": {"a": "nonsense"}}, "mapping"),
        ({"header": "a b"}, "name of an HTTP header"),
        ({"path": "calls"}, "expected a path"),
        ({"trusted_proxies": ["proxy"]}, "address or a network"),
        ({"key": __file__}, "without a `certificate`"),
    ],
)
def test_settings_that_make_no_sense(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Webhook.model_validate({"listen": "127.0.0.1:0", "secret": Secret(SECRET)} | wrong)


def test_the_fields_that_can_be_mapped_are_those_of_the_parser() -> None:
    assert set(OUR_FIELDS) <= set(WebhookEvent.model_fields)
    assert set(WebhookMapping().paths()) == set(OUR_FIELDS)


def test_a_mapping_that_makes_no_sense(tmp_path: Path) -> None:
    async def scene() -> None:
        with pytest.raises(ConfigError, match=r"webhook.mapping"):
            async with post(tmp_path, mapping={"a": "number", "b": "number"}):
                pass

    run(scene())


def test_no_secret_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        with caplog.at_level(logging.DEBUG):
            async with post(tmp_path) as there:
                await there.send()
                await there.send(secret="Bearer almost-a-secret-of-some-length")
                texts = [json.dumps(there.told), caplog.text, repr(there.receiver.status())]
                texts += [path.read_text() for path in (tmp_path / "journal").iterdir()]
                assert all("a-secret-of" not in text for text in texts)

    run(scene())
