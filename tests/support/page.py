"""A phone with the page for browsers, against the lab, all in the test's own loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softphone.config.secrets import Secret
from softphone.config.web import Web
from softphone.lab import Lab
from softphone.web import WebServer
from softphone.web.limits import Limits
from tests.support.phone import Phone, running

TOKEN = "a token that only the test knows"


@dataclass
class Served:
    """What a test holds of it."""

    lab: Lab
    phone: Phone
    server: WebServer
    """Whoever puts another one here starts it; it is stopped at the end."""
    folder: Path

    @property
    def url(self) -> str:
        return self.server.view().url

    @property
    def certificate(self) -> Path:
        return self.folder / "web" / "certificate.pem"


@asynccontextmanager
async def page_of_phone(
    folder: Path,
    *,
    extensions: tuple[str, ...] = ("901", "902"),
    limits: Limits | None = None,
    web: Mapping[str, Any] | None = None,
    **account: Any,
) -> AsyncIterator[Served]:
    """The lab, a phone that is registered there, and its page on a free port."""
    settings = Web.model_validate({"port": 0, "token": Secret(TOKEN)} | dict(web or {}))
    async with Lab() as lab, running(lab.agent_config(list(extensions), **account), folder) as phone:
        await phone.registered(len(extensions))
        served = Served(lab, phone, WebServer(phone.agent, settings, folder / "web", limits=limits), folder)
        await served.server.start()
        try:
            yield served
        finally:
            await served.server.stop()
