"""All checks, in an order in which the later ones can use what the earlier ones found."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from softphone.cli.doctor.configuration import read_configuration
from softphone.cli.doctor.findings import Area, Finding, side_by_side
from softphone.config import Config, ResolvedAccount

SERVER_LIMIT_S = 25.0
SHOWN_SERVERS = 10

Work = Callable[[], Iterable[Finding]]
Doing = Callable[[str], None]


def examine(config_file: str | None, socket: Path | None, default_socket: Path, doing: Doing) -> Iterator[Finding]:
    """Findings as they come. `doing(text)` says what is being looked at now."""
    from softphone.cli.doctor.build import check_build
    from softphone.cli.doctor.machine import check_machine, check_sound

    findings, config = read_configuration(config_file)
    yield from findings
    doing("this machine and the native build")
    local: tuple[Work, ...] = (
        lambda: check_machine(config),
        lambda: check_build(config),
        lambda: check_sound(config, os.environ),
    )
    yield from _all(local, ("machine", "native build", "sound"))
    if config is not None:
        yield from _network(config, doing)
    doing("the phone that runs now")
    from softphone.cli.doctor.running import check_running

    yield from check_running(socket or (config.control.socket if config is not None else default_socket))


def _network(config: Config, doing: Doing) -> Iterator[Finding]:
    from softphone.cli.doctor.api import API, check_api, check_clock
    from softphone.cli.doctor.nat import NAT, check_nat

    doing("the PBX's API, the clock, and STUN and TURN servers")
    accounts: list[ResolvedAccount] = []

    def api() -> Iterable[Finding]:
        findings, selection = check_api(config)
        accounts.extend(selection.accounts)
        return findings

    yield from _all((api, lambda: check_clock(config), lambda: check_nat(config)), (API.name, "clock", NAT.name))
    if (provider := config.provider) is not None and provider.live is not None:
        from softphone.cli.doctor.live import LIVE, check_live

        doing("the PBX's live events")
        yield from _all((lambda: check_live(provider, accounts),), (LIVE.name,))
    yield from _registrars(accounts, doing)


def _registrars(accounts: Sequence[ResolvedAccount], doing: Doing) -> Iterator[Finding]:
    from softphone.cli.doctor.registrar import check_registrar, servers_of

    servers = servers_of(accounts)
    shown = servers[:SHOWN_SERVERS]
    doing("the way to " + ", ".join(server.host for server in shown))
    work: list[Work] = [lambda server=server: check_registrar(server) for server in shown]  # type: ignore[misc]
    yield from _all(work, [server.area.name for server in shown])
    if len(servers) > SHOWN_SERVERS:
        text = f"{len(servers) - SHOWN_SERVERS} more are not looked at"
        yield Area("registrars").info("others", text)


def _all(work: Sequence[Work], areas: Sequence[str]) -> Iterator[Finding]:
    """Runs them side by side; the findings come in the given order."""

    def late(index: int) -> list[Finding]:
        text = f"no result within {SERVER_LIMIT_S:g} s"
        return [Area(areas[index]).fail("time", text, "look at the name servers and at the load of this machine")]

    for found in side_by_side([lambda w=w: list(w()) for w in work], limit_s=SERVER_LIMIT_S, late=late):  # type: ignore[misc]
        yield from found
