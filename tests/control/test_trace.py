"""SIP messages over HTTP: forms, filters, waiting, and the switch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import httpx
import pytest

from softphone import events
from softphone.tracing.message import SipMessage
from tests.control.fakes import FakeAgent
from tests.control.harness import serving
from tests.tracing.samples import message, request, response

ACCOUNT = "901@pbx.example"
Scene = Callable[[FakeAgent, httpx.AsyncClient], Awaitable[None]]


def act(scene: Scene) -> None:
    async def run() -> None:
        async with serving() as served:
            await scene(served.agent, served.http)

    asyncio.run(run())


def now(data: bytes, *, sent: bool = True) -> SipMessage:
    return replace(message(data, sent=sent), time_us=time.time_ns() // 1000)


def a_call(agent: FakeAgent) -> None:
    """Two messages of c1, and one that belongs to nobody."""
    agent.tracing.switch(True)
    agent.add_call(sip_call_id="one@phone")
    agent.bus.publish(events.CallDialing(call="c1", account=ACCOUNT, target="sip:9196@x", sip_call_id="one@phone"))
    agent.wire.pass_by(
        now(request("INVITE", 'Authorization: Digest username="901", response="secret"')),
        now(response(486, "Busy Here"), sent=False),
        now(request("OPTIONS", call_id="two").replace(b"901@pbx", b"nobody@else")),
    )


def test_each_form_of_a_calls_messages() -> None:
    async def scene(agent: FakeAgent, http: httpx.AsyncClient) -> None:
        a_call(agent)
        found = (await http.get("/v1/calls/c1/trace")).json()
        assert [m["first_line"] for m in found["messages"]] == ["INVITE sip:9196@pbx.example SIP/2.0",
                                                                "SIP/2.0 486 Busy Here"]  # fmt: skip
        first = found["messages"][0]
        assert (first["seq"], first["direction"], first["transport"]) == (1, "sent", "udp")
        assert (first["local"], first["remote"]) == ("192.0.2.7:41000", "198.51.100.1:5060")
        assert (first["call"], first["account"], first["sip_call_id"]) == ("c1", ACCOUNT, "one@phone")
        assert 'response="******"' in first["text"]
        assert found["last"] == 2
        types = {}
        for form in ("text", "ladder", "svg", "pcap"):
            answer = await http.get("/v1/calls/c1/trace", params={"format": form})
            types[form] = answer.headers["content-type"]
            assert b"486 Busy Here" in answer.content
            assert b"secret" not in answer.content
        assert types == {
            "text": "text/plain; charset=utf-8",
            "ladder": "text/plain; charset=utf-8",
            "svg": "image/svg+xml",
            "pcap": "application/vnd.tcpdump.pcap",
        }
        ladder = (await http.get("/v1/calls/c1/trace", params={"format": "ladder", "width": 70})).text
        assert max(map(len, ladder.splitlines())) <= 70

    act(scene)


def test_of_an_account_and_of_all() -> None:
    async def scene(agent: FakeAgent, http: httpx.AsyncClient) -> None:
        a_call(agent)
        assert len((await http.get("/v1/accounts/901/trace")).json()["messages"]) == 2
        assert (await http.get("/v1/accounts/902/trace")).json() == {"messages": [], "last": 0}
        everything = (await http.get("/v1/trace")).json()
        assert [m["account"] for m in everything["messages"]] == [ACCOUNT, ACCOUNT, ""]
        assert [m["seq"] for m in (await http.get("/v1/trace", params={"after": 2})).json()["messages"]] == [3]

    act(scene)


def test_waiting_for_the_next_message() -> None:
    async def scene(agent: FakeAgent, http: httpx.AsyncClient) -> None:
        a_call(agent)
        nothing = await http.get("/v1/calls/c1/trace", params={"after": 3, "wait_s": 0.05})
        assert nothing.json() == {"messages": [], "last": 3}
        asyncio.get_running_loop().call_later(0.1, agent.wire.pass_by, now(request("BYE")))
        found = (await http.get("/v1/calls/c1/trace", params={"after": 3, "wait_s": 20})).json()
        assert [m["first_line"] for m in found["messages"]] == ["BYE sip:9196@pbx.example SIP/2.0"]

    act(scene)


def test_the_switch() -> None:
    async def scene(agent: FakeAgent, http: httpx.AsyncClient) -> None:
        refused = await http.get("/v1/trace")
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:softphone:problem:conflict")
        assert "softphone trace on" in refused.json()["detail"]
        assert agent.wire.receiver is None
        status = (await http.put("/v1/trace", json={"on": True, "account": "901"})).json()
        assert (status["on"], status["accounts"]) == (False, [ACCOUNT])
        agent.wire.pass_by(now(request()), now(request(call_id="2").replace(b"901@", b"902@")))
        status = (await http.put("/v1/trace", json={"on": True})).json()
        assert (status["on"], status["messages"]) == (True, 1)
        status = (await http.put("/v1/trace", json={"on": False})).json()
        assert (status["on"], status["accounts"], status["messages"]) == (False, [], 1)
        assert agent.wire.receiver is None
        assert len((await http.get("/v1/trace")).json()["messages"]) == 1  # what is kept stays
        assert (await http.delete("/v1/trace")).status_code == 204
        assert (await http.get("/v1/trace")).status_code == 409
        assert (await http.get("/v1/trace/status")).json()["messages"] == 0

    act(scene)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/calls/c9/trace", None, 404),
        ("GET", "/v1/accounts/nobody/trace", None, 404),
        ("GET", "/v1/trace?format=docx", None, 422),
        ("GET", "/v1/trace?width=10", None, 422),
        ("GET", "/v1/trace?after=-1", None, 422),
        ("PUT", "/v1/trace", {"on": "yes"}, 422),
        ("PUT", "/v1/trace", {"on": True, "account": "nobody"}, 404),
    ],
)
def test_what_makes_no_sense_is_refused(method: str, path: str, body: object, status: int) -> None:
    async def scene(agent: FakeAgent, http: httpx.AsyncClient) -> None:
        answer = await http.request(method, path, json=body)
        assert answer.status_code == status
        assert agent.wire.receiver is None

    act(scene)
