"""The account that the cases are tried with: the lab's, or a real one that the environment names."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from softphone.config import Provider, load
from softphone.lab import Lab, LabOptions
from softphone.lab.service_options import ServiceOptions
from tests.lab.phone import phone, sdp
from tests.support.lab_account import lab_account
from tests.support.lab_elsewhere import lab_beside

T = TypeVar("T")

CONFIG = "SOFTPHONE_CONTRACT_CONFIG"
CALL = "SOFTPHONE_CONTRACT_CALL"
ORDER_LINE = "SOFTPHONE_CONTRACT_ORDER_LINE"
ORDER_DID = "SOFTPHONE_CONTRACT_ORDER_DID"


@dataclass(frozen=True)
class Number:
    """The number that may be ordered."""

    country: str
    location: str
    extension: str
    identity: str = ""


@dataclass(frozen=True)
class Switches:
    """What may be done beyond reading. `config`: the real account's configuration file; None: the lab."""

    config: Path | None = None
    call: tuple[str, str] | None = None
    order_line: Mapping[str, int] = field(default_factory=dict)
    order_did: Number | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Switches:
        """What the environment says. Without an account it is the lab, where everything may be done."""
        if CONFIG not in environ:
            return cls(None, ("901", "9196"), {"starter": 1}, Number("FR", "Paris", "901"))
        source, _, destination = environ.get(CALL, "").partition(" ")
        option, _, quantity = environ.get(ORDER_LINE, "").partition("=")
        place = environ.get(ORDER_DID, "").split("/")
        return cls(
            Path(environ[CONFIG]),
            (source, destination) if destination else None,
            {option: int(quantity)} if quantity else {},
            Number(*place) if len(place) > 2 else None,
        )

    @property
    def allowed(self) -> frozenset[str]:
        """The names that cases ask for by `@pytest.mark.contract(...)`."""
        live = self.config is None or _provider(self.config).live is not None
        given = {"call": self.call, "order_line": self.order_line, "order_did": self.order_did, "live": live}
        return frozenset(name for name, value in given.items() if value)


@dataclass(frozen=True)
class Account:
    """`patience_s`: how long a live connection is watched; longer than the service waits for a pong."""

    provider: Provider
    switches: Switches
    patience_s: float
    lab: Lab | None = None

    @asynccontextmanager
    async def phone_of_the_source(self) -> AsyncIterator[None]:
        """Somebody answers at the call's source extension. On a real account that is for its owner to see to."""
        assert self.switches.call is not None
        if self.lab is None:
            yield
            return
        async with phone(self.lab, self.switches.call[0]) as source:
            await source.register()
            answering = asyncio.ensure_future(_answer(source))
            yield
            await answering


async def _answer(source: Any) -> None:
    invite = await source.expect("INVITE", timeout_s=20)
    source.reply(invite, 200, body=sdp(4000))
    await source.expect("ACK", timeout_s=20)
    source.reply(await source.expect("BYE", timeout_s=20), 200)


@contextmanager
def account_of(switches: Switches, folder: Path) -> Iterator[Account]:
    """The account; a lab is started for it where none is named."""
    if switches.config is not None:
        yield Account(_provider(switches.config), switches, patience_s=90)
        return
    service = ServiceOptions(live_ping_s=0.3, live_pong_s=1.0, first_line=960)
    extensions = ("901", "902", "903", "904", "905")
    with lab_beside(LabOptions(extensions=extensions, service=service, api_https=True)) as lab:  # as the real one is
        yield Account(_provider(lab_account(lab, folder)), switches, patience_s=1.8, lab=lab)


def _provider(config: Path) -> Provider:
    provider = load(config).provider
    assert provider is not None, f"{config} has no `provider:`"
    return provider


def run(work: Coroutine[Any, Any, T]) -> T:
    """To its end, within two minutes."""

    async def limited() -> T:
        async with asyncio.timeout(115):
            return await work

    return asyncio.run(limited())


def switches() -> Switches:
    """Those of this run."""
    return Switches.of(os.environ)
