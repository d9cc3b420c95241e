"""Calls that are answered without anybody's doing: by header, where a rule allows it, and announced ones."""

from __future__ import annotations

from collections.abc import Callable

from softphone.lab import Lab
from tests.support.phone import Phone

INTERCOM = {"Call-Info": "<sip:pbx>;answer-after=0"}
TRUSTED = {"incoming": [{"from": "901", "action": "answer_if_asked"}]}


def test_a_header_is_heeded_where_a_rule_allows_it(act: Callable[..., None]) -> None:
    async def scene(pbx: Lab, phone: Phone) -> None:
        phone.agent.dial("902", account="901", headers=INTERCOM)
        told = await phone.told("call.auto_answer")
        assert (told["why"], told["after_s"]) == ("asked", 0)
        assert (await phone.told("call.answered", call=told["call"]))["by"] == "local"
        await phone.told("call.answered", count=2)

    act(scene, **TRUSTED)


def test_without_the_header_it_rings(act: Callable[..., None]) -> None:
    async def scene(pbx: Lab, phone: Phone) -> None:
        await rings(phone, {})

    act(scene, **TRUSTED)


def test_without_a_rule_a_header_changes_nothing(act: Callable[..., None]) -> None:
    async def scene(pbx: Lab, phone: Phone) -> None:
        await rings(phone, INTERCOM)

    act(scene)


async def rings(phone: Phone, headers: dict[str, str]) -> None:
    call = phone.agent.dial("902", account="901", headers=headers)
    incoming = await phone.told("call.incoming")
    await phone.told("call.progress", call=call.id, code=180)
    assert phone.agent.call(incoming["call"]).state == "incoming"
    assert not phone.all("call.auto_answer")
    await phone.hung_up(call.id)


def test_an_announced_call_is_answered_once(act: Callable[..., None]) -> None:
    async def scene(pbx: Lab, phone: Phone) -> None:
        phone.agent.set_dnd("902", True)  # it was asked for: it may disturb
        expected = phone.agent.expect_call("902", caller="901", within_s=30)
        assert [view.id for view in phone.agent.expected_calls()] == [expected.id]
        call = await phone.connected("902", account="901")
        ended = await phone.told("expect.ended", expect=expected.id)
        assert (ended["reason"], phone.agent.call(ended["call"]).account) == ("met", "902@" + pbx.domain)
        assert phone.all("call.auto_answer")[0]["why"] == "expected"
        await phone.hung_up(call)
        again = phone.agent.dial("902", account="901")
        assert (await phone.told("call.ended", call=again.id))["reason"] == "busy"

    act(scene)
