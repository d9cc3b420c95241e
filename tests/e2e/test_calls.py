"""Calls against the lab: out and in, answered and refused, with digits and early media."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from softphone.errors import Conflict, NotFound, UsageError
from softphone.lab import Lab, LabOptions
from softphone.testing.audio import speech_like, write_wav
from tests.support.phone import Phone


@pytest.mark.parametrize("transport", ["tls", "tcp", "udp"])
def test_a_call_to_the_echo_service(act: Any, transport: str) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9196", account="901")
        view = phone.agent.call(call)
        assert (view.state, view.codec, view.direction_media, view.srtp) == ("active", "opus", "sendrecv", "")
        ended = await phone.hung_up(call)
        assert (ended["reason"], ended["by"], ended["phase"]) == ("local_hangup", "local", "active")
        assert ended["quality"]["codec"] == "opus"
        await lab.wait_for("call_ended", caller="901")

    act(scene, transport=transport)


@pytest.mark.parametrize(
    ("target", "reason", "code"), [("9486", "busy", 486), ("9404", "not_found", 404), ("999", "not_found", 404)]
)
def test_calls_that_are_refused(act: Any, target: str, reason: str, code: int) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = phone.agent.dial(target, account="901")
        ended = await phone.told("call.ended", call=call.id)
        assert (ended["reason"], ended["by"], ended["code"], ended["duration_s"]) == (reason, "remote", code, 0)
        assert ended["cause"]

    act(scene)


def test_nobody_answers(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = phone.agent.dial("9480", account="901")
        ended = await phone.told("call.ended", call=call.id)
        assert (ended["reason"], ended["code"]) == ("no_answer", 480)

    act(scene, lab=LabOptions(no_answer_s=0.5))


def test_the_ring_timeout_cancels(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = phone.agent.dial("9480", account="901", ring_timeout_s=0.5)
        ended = await phone.told("call.ended", call=call.id)
        assert (ended["reason"], ended["by"], ended["phase"]) == ("ring_timeout", "local", "ringing")

    act(scene)


def test_giving_up_while_it_rings(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = phone.agent.dial("9480", account="901")
        await phone.told("call.progress", call=call.id, code=180)
        ended = await phone.hung_up(call.id)
        assert (ended["reason"], ended["code"]) == ("cancelled", 487)

    act(scene)


def test_early_media_comes_before_the_answer(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = phone.agent.dial("9183", account="901")
        progress = await phone.told("call.progress", call=call.id, code=183)
        assert progress["early_media"]
        await phone.told("call.media", call=call.id, active=True)
        assert not phone.all("call.answered", call=call.id)
        assert phone.agent.call(call.id).early_media
        await phone.told("call.answered", call=call.id)
        await phone.hung_up(call.id)

    act(scene)


def test_the_pbx_hangs_up(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9195", account="901")
        ended = await phone.told("call.ended", call=call)
        assert (ended["reason"], ended["by"]) == ("remote_hangup", "remote")

    act(scene)


def test_one_extension_calls_the_other(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        out = phone.agent.dial("902", account="901", headers={"X-Ticket": "4711"})
        incoming = await phone.told("call.incoming", account=f"902@{lab.domain}")
        assert incoming["caller"] == f"sip:901@{lab.domain}"
        await phone.told("call.progress", call=out.id, code=180)
        phone.agent.answer(incoming["call"])
        for call in (out.id, incoming["call"]):
            await phone.told("call.answered", call=call)
        phone.agent.hang_up(incoming["call"])
        ended = await phone.told("call.ended", call=out.id)
        assert ended["reason"] == "remote_hangup"
        assert (await phone.told("call.ended", call=incoming["call"]))["reason"] == "local_hangup"

    act(scene)


@pytest.mark.parametrize(
    ("code", "seen"),
    [(486, "busy"), (603, "rejected"), (480, "no_answer"), (404, "not_found"), (488, "no_common_media")],
)
def test_refusing_with_a_code(act: Any, code: int, seen: str) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        out = phone.agent.dial("902", account="901")
        incoming = await phone.told("call.incoming")
        phone.agent.reject(incoming["call"], code)
        assert (await phone.told("call.ended", call=out.id))["reason"] == seen
        ended = await phone.told("call.ended", call=incoming["call"])
        assert (ended["by"], ended["code"]) == ("local", code)

    act(scene)


def test_the_caller_gives_up(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        out = phone.agent.dial("902", account="901")
        incoming = await phone.told("call.incoming")
        phone.agent.hang_up(out.id)
        ended = await phone.told("call.ended", call=incoming["call"])
        assert (ended["reason"], ended["by"]) == ("cancelled", "remote")

    act(scene)


def test_rules_answer_refuse_and_ring(act: Any) -> None:
    rules = [
        {"from": "901", "action": "answer", "after_s": 0.3},
        {"from": "903", "action": "reject", "code": 603},
    ]

    async def scene(lab: Lab, phone: Phone) -> None:
        out = phone.agent.dial("902", account="901")
        await phone.told("call.progress", call=out.id, code=180)
        await phone.told("call.answered", call=out.id)
        refused = phone.agent.dial("902", account="903")
        assert (await phone.told("call.ended", call=refused.id))["reason"] == "rejected"
        ringing = phone.agent.dial("902", account="904")
        await phone.told("call.progress", call=ringing.id, code=180)
        assert phone.agent.call(ringing.id).state == "ringing"

    act(scene, extensions=("901", "902", "903", "904"), incoming=rules)


def test_busy_when_full(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        first = phone.agent.dial("902", account="901")
        await phone.told("call.incoming")
        second = phone.agent.dial("902", account="903")
        assert (await phone.told("call.ended", call=second.id))["reason"] == "busy"
        assert phone.agent.call(first.id).state in ("dialing", "ringing")
        with pytest.raises(Conflict, match="max_calls"):
            phone.agent.dial("9196", account="901")

    act(scene, extensions=("901", "902", "903"), max_calls=1)


def test_an_incoming_call_that_nobody_takes(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        lab.call("901", service="9196", caller="1234")
        ended = await phone.told("call.ended")
        assert (ended["reason"], ended["code"]) == ("ring_timeout", 480)

    act(scene, extensions=("901",), calls={"answer_timeout_s": 0.5})


def test_the_longest_allowed_call(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9196", account="901")
        assert (await phone.told("call.ended", call=call))["reason"] == "max_duration"

    act(scene, calls={"max_duration_s": 0.5})


@pytest.mark.parametrize("method", ["rfc4733", "info"])
def test_digits_there_and_back(act: Any, method: str) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9199", account="901")
        phone.agent.send_digits(call, "159*0D#", method=method, duration_ms=100, pause_ms=60)
        sent = await phone.told("call.digits_sent", call=call)
        assert (sent["digits"], sent["method"]) == ("159*0D#", method)
        await phone.told("call.digit", call=call, count=6)
        digits = [e["digit"] for e in phone.all("call.digit", call=call)]
        assert "".join(digits[:6]) == "159*0D"

    act(scene)


@pytest.mark.parametrize(
    ("srtp", "keying", "suite"),
    [
        ("mandatory", "sdes", "AES_256_CM_HMAC_SHA1_80"),
        ("prefer", "sdes", "AES_256_CM_HMAC_SHA1_80"),
        ("mandatory", "dtls", "AES_CM_128_HMAC_SHA1_80"),
    ],
)
def test_encrypted_media(act: Any, tmp_path: Path, srtp: str, keying: str, suite: str) -> None:
    prompt = tmp_path / "prompt.wav"
    write_wav(prompt, speech_like(0.5))

    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9196", account="901")
        await phone.agent.play(call, str(prompt))
        await phone.told("play.ended", call=call)
        assert phone.agent.call(call).srtp == suite
        phone.agent.hang_up(call)
        quality = (await phone.told("call.ended", call=call))["quality"]
        assert quality["rx_packets"] >= 10

    act(scene, srtp=srtp, srtp_keying=keying)


def test_preferring_encryption_where_the_pbx_has_none(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9196", account="901")
        warned = await phone.told("call.unencrypted", call=call)
        assert "488" in warned["cause"]
        assert phone.agent.call(call).srtp == ""

    act(scene, srtp="prefer", lab=LabOptions(srtp="off"))


def test_insisting_on_encryption_where_the_pbx_has_none(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = phone.agent.dial("9196", account="901")
        assert (await phone.told("call.ended", call=call.id))["reason"] == "no_common_media"

    act(scene, srtp="mandatory", lab=LabOptions(srtp="off"))


@pytest.mark.parametrize(("codecs", "spoken"), [(["pcmu"], "PCMU"), (["pcma", "pcmu"], "PCMA")])
def test_the_account_says_which_codecs_are_spoken(act: Any, codecs: list[str], spoken: str) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9196", account="901")
        assert phone.agent.call(call).codec.upper() == spoken

    act(scene, codecs=codecs)


@pytest.mark.parametrize("who", ["local", "remote"])
def test_the_end_of_a_call_tells_how_it_sounded(act: Any, who: str, tmp_path: Path) -> None:
    """Nobody listened to it, and still its figures are true: nothing was lost or thrown away."""
    prompt = tmp_path / "prompt.wav"
    write_wav(prompt, speech_like(1))

    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9196" if who == "local" else "9195", account="901")
        if who == "local":
            await phone.agent.play(call, str(prompt))
            await phone.told("play.ended", call=call)
            phone.agent.hang_up(call)
        ended = await phone.told("call.ended", call=call)
        assert ended["by"] == who
        quality = ended["quality"]
        assert quality["rx_packets"] >= 30
        assert quality["tx_packets"] >= 30
        assert quality["rx_discarded"] <= 5
        assert quality["mos"] > 3.5

    act(scene, codecs=["pcmu"])


def test_twenty_calls_at_once(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        calls = [phone.agent.dial("9196", account="901").id for _ in range(20)]
        for call in calls:
            await phone.told("call.answered", call=call)
        assert phone.agent.status().calls.active == 20
        for call in calls:
            phone.agent.hang_up(call)
        await phone.told("call.ended", count=20)
        assert {e["reason"] for e in phone.all("call.ended")} == {"local_hangup"}
        assert phone.agent.calls() == []

    act(scene, extensions=("901",), max_calls=50, codecs=["pcmu"])


def test_what_makes_no_sense_is_refused_in_words(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        agent = phone.agent
        with pytest.raises(UsageError, match="cannot call"):
            agent.dial("no such number!")
        with pytest.raises(NotFound, match="there is no account 999"):
            agent.dial("9196", account="999")
        with pytest.raises(UsageError, match="Contact"):
            agent.dial("9196", headers={"Contact": "x"})
        with pytest.raises(NotFound, match="c99"):
            agent.call("c99")
        call = agent.dial("9480", account="901")
        with pytest.raises(Conflict, match="outgoing"):
            agent.answer(call.id)
        with pytest.raises(Conflict, match="must be active"):
            agent.send_digits(call.id, "1")
        ended = await phone.hung_up(call.id)
        with pytest.raises(Conflict, match="has ended"):
            agent.answer(ended["call"])
        agent.hang_up(ended["call"])
        assert agent.call(call.id).end is not None

    act(scene)


def test_an_account_that_is_not_registered_cannot_call(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        phone.agent.unregister("901")
        await phone.told("account.unregistered")
        with pytest.raises(Conflict, match="no account is registered"):
            phone.agent.dial("9196")

    act(scene, extensions=("901",))


def test_draining_lets_calls_finish_and_takes_no_new_ones(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9196", account="901")
        draining = asyncio.ensure_future(phone.agent.drain(10))
        await phone.told("agent.stopping")
        with pytest.raises(Conflict, match="draining"):
            phone.agent.dial("9196")
        busy = lab.call("901", service="9196", caller="1234")
        assert busy is not None
        await phone.told("call.ended", by="local", code=486)
        assert phone.agent.call(call).state == "active"
        await phone.hung_up(call)
        async with asyncio.timeout(5):
            await draining

    act(scene, extensions=("901",))
