"""Our ends of SIP: one for UDP and one for TCP of each IP version, and those for TLS as accounts ask for them."""

from __future__ import annotations

import logging
from typing import Any

import pjsua2 as pj

from softphone.addresses import HostPort
from softphone.config.resolved import ResolvedAccount
from softphone.errors import ConfigError, SoftphoneError
from softphone.stacks.pjsip.failures import status_fault
from softphone.stacks.pjsip.settings import StackOptions, bind_address, tls_config, transport_config
from softphone.stacks.pjsip.where import may_listen

log = logging.getLogger(__name__)

_KINDS = {
    ("udp", 4): pj.PJSIP_TRANSPORT_UDP,
    ("udp", 6): pj.PJSIP_TRANSPORT_UDP6,
    ("tcp", 4): pj.PJSIP_TRANSPORT_TCP,
    ("tcp", 6): pj.PJSIP_TRANSPORT_TCP6,
    ("tls", 4): pj.PJSIP_TRANSPORT_TLS,
    ("tls", 6): pj.PJSIP_TRANSPORT_TLS6,
}


class Transports:
    """PJSIP's numbers of them."""

    def __init__(self, options: StackOptions) -> None:
        self._options = options
        self._endpoint: Any = None
        self._plain: dict[tuple[str, int], int] = {}
        self._tls: dict[tuple[str, bool, int], int] = {}
        self._tunnels: int | None = None
        self.versions: tuple[int, ...] = ()
        """The IP versions that we speak: 4, 6 or both."""

    def open(self, endpoint: Any) -> None:
        """Opens UDP and TCP. Raises ConfigError where an address or port cannot be had."""
        self._endpoint = endpoint
        self.versions = tuple(v for v in (4, 6) if self._wanted(v))
        sip = self._options.sip
        for name, port in (("udp", sip.udp_port), ("tcp", sip.tcp_port)):
            for version in self.versions:
                self._plain[name, version] = self._open(name, version, port)

    def close(self) -> None:
        """Lets go of the endpoint: nobody may keep it once it has ended."""
        self._endpoint = None

    def _wanted(self, version: int) -> bool:
        """Whether to speak this version. That "::" is not there is no fault: many a machine has no IPv6."""
        address = bind_address(self._options, version)
        if address == "::" and len(self._options.sip.bind) > 1 and not may_listen(address, 0):
            log.info("this machine has no IPv6: IPv4 only")
            return False
        return bool(address)

    def _open(self, name: str, version: int, port: int) -> int:
        address = bind_address(self._options, version)
        try:
            return int(self._endpoint.transportCreate(_KINDS[name, version], transport_config(address, port)))
        except pj.Error as error:
            fault = status_fault(error.status)
            raise ConfigError(
                f"cannot listen on {name} {HostPort(address, port)}: {fault.cause}; {fault.advice}",
                key=f"sip.{name}_port",
            ) from None

    def of(self, account: ResolvedAccount, version: int) -> int:
        """The transport for this account. Raises SoftphoneError where there can be none."""
        if account.transport == "wss":
            return self._to_tunnels()
        if account.transport != "tls":
            return self._plain[account.transport, version]
        key = (str(account.tls.ca_file or ""), account.tls.verify, version)
        if key not in self._tls:
            self._tls[key] = self._open_tls(account, version)
        return self._tls[key]

    def _to_tunnels(self) -> int:
        """For the way to our own ends of WebSockets, whatever addresses we otherwise use."""
        if self._tunnels is None:
            self._tunnels = int(self._endpoint.transportCreate(_KINDS["tcp", 4], transport_config("127.0.0.1", 0)))
        return self._tunnels

    def _open_tls(self, account: ResolvedAccount, version: int) -> int:
        address = bind_address(self._options, version)
        first = not any(known[2] == version for known in self._tls)
        port = self._options.sip.tls_port if first else 0
        if port and not may_listen(address, port):
            raise SoftphoneError(f"cannot listen on tls {HostPort(address, port)}: the local port is in use")
        try:
            return int(self._endpoint.transportCreate(_KINDS["tls", version], tls_config(address, account, port)))
        except pj.Error as error:
            raise SoftphoneError(f"TLS cannot be set up for {account.id}: {status_fault(error.status).cause}") from None
