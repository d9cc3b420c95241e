"""A phone that hears everything the lab says of its calls: live events and webhooks, joined into timelines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from softphone.config import Config, Context
from softphone.lab import Lab
from softphone.lab.directory import Tenant
from softphone.lab.service_options import WebhookOptions
from softphone.webhook.doors import Doors
from softphone.wiring import build
from tests.support.phone import Phone, local

SECRET = "Bearer webhook-secret-of-the-test"


def hearing(lab: Lab, folder: Path, tenant: Tenant | None = None, **account: Any) -> dict[str, Any]:
    """A configuration with live events, webhooks and timelines; `extensions` and `sections` are taken apart."""
    tenant = tenant or lab.tenant
    sections = account.pop("sections", {})
    extensions = account.pop("extensions", None)
    secrets = {"refresh": tenant.refresh_token, "user": tenant.user_uuid, "webhook": SECRET}
    folder.mkdir(parents=True, exist_ok=True)
    for name, secret in secrets.items():
        (folder / name).write_text(secret + "\n")
        (folder / name).chmod(0o600)
    config = lab.agent_config(extensions, tenant=tenant, **account)
    config["provider"] |= {
        "live_url": lab.api_url,
        "live": {"refresh_token": {"file": str(folder / "refresh")}, "user_uuid": {"file": str(folder / "user")}},
    }
    own = {
        "timeline": {"enabled": True, "file": str(folder / "timeline.sqlite")},
        "webhook": {
            "listen": "127.0.0.1:0",
            "secret": {"file": str(folder / "webhook")},
            "journal": str(folder / "journal"),
        },
    }
    return config | {name: own.get(name, {}) | sections.get(name, {}) for name in own.keys() | sections.keys()}


@asynccontextmanager
async def phone_with_ears(
    lab: Lab, folder: Path, tenant: Tenant | None = None, **account: Any
) -> AsyncIterator[tuple[Phone, Doors]]:
    """Starts it as the daemon does, and tells the lab where to post."""
    tenant = tenant or lab.tenant
    raw = local(hearing(lab, folder, tenant, **account), folder)
    config = Config.model_validate(raw, context=Context(base=folder))
    agent = build(config)
    phone = Phone(agent)
    doors = Doors(agent, config)
    try:
        await agent.start()
        await doors.start()
        if doors.webhook is not None:
            url = f"http://127.0.0.1:{doors.webhook.port}/webhooks/calls"
            tenant.webhook = WebhookOptions(url=url, headers={"Authorization": SECRET}, retry_s=0.1)
        yield phone, doors
    finally:
        await doors.stop()
        await agent.stop()
