"""The STUN and TURN servers of `nat:`: whether they answer, with sockets of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from softphone.addresses import HostPort
from softphone.cli.doctor.findings import NETWORK_LIMIT_S, Area, Finding
from softphone.config import Config
from softphone.config.nat import STUN_PORT
from softphone.nat.asking import ServerFault, ask_stun, ask_turn, bound, resolve

NAT = Area("NAT")


def check_nat(config: Config) -> Iterator[Finding]:
    """One finding for each server; none where none is configured. A dead one is a warning: calls go on without it."""
    for place in config.nat.stun:
        yield _judged("STUN", asyncio.run(_stun(HostPort(place.host, place.port or STUN_PORT), config)))
    if config.nat.turn is not None:
        yield _judged("TURN", asyncio.run(_turn(config)))


def _judged(title: str, outcome: str | ServerFault) -> Finding:
    if isinstance(outcome, ServerFault):
        return NAT.warn(title, outcome.cause, outcome.advice)
    return NAT.ok(title, outcome)


async def _stun(place: HostPort, config: Config) -> str | ServerFault:
    try:
        address = HostPort(await resolve(place.host, NETWORK_LIMIT_S, binds=config.sip.bind), place.port)
        seen = await ask_stun(address, NETWORK_LIMIT_S, bind=bound(config.sip.bind, address.host))
    except ServerFault as fault:
        return fault
    return f"{place} sees us as {seen.host}"


async def _turn(config: Config) -> str | ServerFault:
    turn = config.nat.turn
    if turn is None:
        return ServerFault("no TURN server is configured", "set nat.turn")
    place = HostPort(turn.server.host, turn.port)
    try:
        address = HostPort(await resolve(place.host, NETWORK_LIMIT_S, binds=config.sip.bind), place.port)
        relay = await ask_turn(turn, address, NETWORK_LIMIT_S, bind=bound(config.sip.bind, address.host))
    except ServerFault as fault:
        return fault
    return f"{place} over {turn.transport.upper()} gives us a relay at {relay.host}"
