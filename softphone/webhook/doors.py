"""The doors that a configuration asks for, from `start` to `stop`."""

from __future__ import annotations

from typing import Protocol

from softphone.agent import Agent
from softphone.config.model import Config
from softphone.config.places import default_state, name_of
from softphone.engine.views import ListenerView
from softphone.webhook.credentials import CredentialsDoor
from softphone.webhook.receiver import WebhookReceiver


class _Door(Protocol):
    name: str

    @property
    def url(self) -> str: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Doors:
    """`webhook:` and `sip_credentials:` of one agent; either may be missing. Raises ConfigError."""

    def __init__(self, agent: Agent, config: Config) -> None:
        self.webhook = _webhook(agent, config)
        self.credentials = (
            CredentialsDoor(config.sip_credentials, agent.credentials) if config.sip_credentials else None
        )
        self._agent = agent
        self._open: list[_Door] = []

    async def start(self) -> None:
        """What an earlier run left is told on the bus; whoever wants to hear it listens already.

        Raises ConfigError where one cannot listen; then none does.
        """
        wanted: list[_Door | None] = [self.webhook, self.credentials]
        try:
            for door in wanted:
                if door is not None:
                    self._open.append(door)
                    await door.start()
                    self._agent.listeners.append(ListenerView(name=door.name, url=door.url))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Before the agent stops: what was received is still dealt with. Safe to call twice."""
        while self._open:
            await self._open.pop().stop()


def _webhook(agent: Agent, config: Config) -> WebhookReceiver | None:
    if config.webhook is None:
        return None
    folder = config.webhook.journal or default_state() / f"webhooks-{name_of(config.control.socket)}"
    receiver = WebhookReceiver(
        config.webhook, agent.bus, folder, account_of=agent.pbx.account_of, settled=agent.pbx.settled
    )
    agent.pbx.webhook_status = receiver.status
    return receiver
