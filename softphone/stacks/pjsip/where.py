"""Where a registrar is: names looked up off the SIP thread, and our own address on the way there."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from ipaddress import ip_address

from softphone.errors import SipError


@dataclass(frozen=True, slots=True)
class Target:
    """A first hop: numeric address, port, and the local address that packets to it leave from."""

    address: str
    port: int
    local: str


class LookupFailed(SipError):
    """The name leads nowhere. `cause` and `advice` are for people."""

    def __init__(self, cause: str, advice: str) -> None:
        super().__init__(f"{cause}; {advice}")
        self.cause = cause
        self.advice = advice


async def look_up(host: str) -> str:
    """The numeric address of a host, IPv4 first. Raises LookupFailed."""
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _not_found(host, error) from None
    families = [socket.AF_INET, socket.AF_INET6]
    usable = sorted((f for f in found if f[0] in families), key=lambda f: families.index(f[0]))
    if not usable:
        raise LookupFailed(f"the name {host} has no address", "check the domain or registrar of the account")
    return str(usable[0][4][0])


def _not_found(host: str, error: OSError | UnicodeError) -> LookupFailed:
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return LookupFailed(
            f"the name {host} cannot be looked up: no DNS server answers",
            "check the network connection and the DNS servers of this machine",
        )
    return LookupFailed(
        f"the name {host} is not known to DNS", "check the spelling of the domain or registrar of the account"
    )


def local_address(address: str, port: int) -> str:
    """Our own address on the way to `address`; '' if there is no route. Sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, port or 5060))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def may_listen(address: str, port: int) -> bool:
    """Whether a TCP server could bind here now. PJSIP's TLS transport does not tell when it could not."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True
