"""The agent against the embedded lab, both in one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from softphone.lab import Lab, LabOptions
from tests.support.phone import Phone, running

pytestmark = pytest.mark.e2e

Scene = Callable[[Lab, Phone], Awaitable[None]]


OVER = pytest.mark.parametrize("transport", ["tls", "wss"], indirect=True)
"""The same test over TLS, and over WebSocket with media as WebRTC has it.

The lab answers each end of a WebRTC call itself (as Asterisk does), so what one phone hears of the other's re-INVITE,
redirection or reports is tested over TLS here, and over WebSocket with Asterisk and Kamailio.
"""


@pytest.fixture
def transport(request: pytest.FixtureRequest) -> str:
    """How the phones of `act` speak SIP."""
    return str(getattr(request, "param", "tls"))


@pytest.fixture
def act(tmp_path: Path, transport: str) -> Callable[..., None]:
    """Runs a scene with a lab and a phone that has registered its extensions.

    act(scene, extensions=("901",), lab=LabOptions(...), sip={...}, calls={...}, **account settings)
    """

    def run(
        scene: Scene,
        *,
        extensions: tuple[str, ...] = ("901", "902"),
        lab: LabOptions | None = None,
        register: bool = True,
        sip: dict[str, Any] | None = None,
        calls: dict[str, Any] | None = None,
        media: dict[str, Any] | None = None,
        **account: Any,
    ) -> None:
        async def play() -> None:
            async with Lab(lab or LabOptions()) as pbx:
                config = pbx.agent_config(list(extensions), **{"transport": transport} | account)
                config |= {"sip": sip or {}, "calls": calls or {}, "media": media or {}}
                async with running(config, tmp_path) as phone:
                    if register:
                        await phone.registered(len(extensions))
                    await scene(pbx, phone)

        asyncio.run(play())

    return run
