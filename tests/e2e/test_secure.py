"""Encrypted calls. The phone calls itself here, from one account to another, so that both ends are seen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from softphone.config.accounts import SrtpSuite
from tests.interop.peers.ports import free_port
from tests.support.far_end import ready
from tests.support.phone import Phone, running

pytestmark = pytest.mark.e2e

DTLS_SUITES = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_256_GCM", "AEAD_AES_128_GCM")
Settings = dict[str, Any]


def account(name: str, port: int, **settings: Any) -> Settings:
    """An account whose calls come back to us."""
    common = {"username": name, "domain": "127.0.0.1", "password": {"env": "SECRET"}, "transport": "udp"}
    here = {"registrar": f"127.0.0.1:{port}", "register": False, "incoming": [{"action": "answer"}]}
    return common | here | settings


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """mirror(scene, caller={...}, called={...}): runs a scene with the accounts `caller` and `called`."""
    monkeypatch.setenv("SECRET", "s3cret")

    def run(scene: Callable[[Phone], Awaitable[None]], caller: Settings, called: Settings, **config: Any) -> None:
        async def play() -> None:
            port = free_port()
            accounts = [account("caller", port, **caller), account("called", port, **called)]
            sip = {"udp_port": port, "bind": "127.0.0.1"}
            async with running({"accounts": accounts, "sip": sip, **config}, tmp_path) as phone:
                await ready(phone)
                await scene(phone)

        asyncio.run(play())

    return run


async def both(phone: Phone) -> tuple[str, str]:
    """A call from `caller` to `called`, with media at both ends: their ids."""
    out = phone.agent.dial("called", account="caller@127.0.0.1").id
    back = (await phone.told("call.incoming"))["call"]
    for call in (out, back):
        await phone.told("call.answered", call=call)
        await phone.told("call.media", call=call, active=True)
    return out, back


SUITES = [("sdes", suite) for suite in get_args(SrtpSuite)] + [("dtls", suite) for suite in DTLS_SUITES]


@pytest.mark.parametrize(("keying", "suite"), SUITES)
def test_every_suite(mirror: Any, keying: str, suite: str) -> None:
    async def scene(phone: Phone) -> None:
        for call in await both(phone):
            view = phone.agent.call(call)
            assert (view.srtp, view.srtp_keying) == (suite, keying)
            told = await phone.told("call.media", call=call, active=True)
            assert (told["srtp"], told["srtp_keying"]) == (suite, keying)

    wanted = {"srtp": "mandatory", "srtp_suites": [suite]}
    mirror(scene, wanted | {"srtp_keying": keying}, wanted)


@pytest.mark.parametrize("keying", ["sdes", "dtls"])
def test_preferred_and_refused(mirror: Any, keying: str) -> None:
    async def scene(phone: Phone) -> None:
        out, back = await both(phone)
        assert [phone.agent.call(call).srtp for call in (out, back)] == ["", ""]
        assert len(phone.all("call.unencrypted", call=out)) == 1
        assert not phone.all("call.unencrypted", call=back)

    mirror(scene, {"srtp": "prefer", "srtp_keying": keying}, {"srtp": "off"})


def test_a_plain_offer_where_encryption_is_preferred(mirror: Any) -> None:
    async def scene(phone: Phone) -> None:
        out, back = await both(phone)
        assert [phone.agent.call(call).srtp for call in (out, back)] == ["", ""]
        assert (await phone.told("call.unencrypted", call=back))["cause"]
        assert not phone.all("call.unencrypted", call=out)

    mirror(scene, {"srtp": "off"}, {"srtp": "prefer"})
