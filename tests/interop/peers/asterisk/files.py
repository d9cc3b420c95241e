"""What Asterisk reads in one run: its configuration, certificates and sounds, in a folder of the run's own."""

import ipaddress
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.interop.peers import certificates
from tests.interop.peers.asterisk import numbers, sounds
from tests.interop.peers.ports import free_ports, media_range

_TEMPLATES = Path(__file__).parent / "templates"
_FOLDERS = ("etc", "lib", "cache", "spool", "run", "log", "recordings")
# What Asterisk looks for and complains about when it is not there.
_EMPTY = ("acl.conf", "ccss.conf", "features.conf", "udptl.conf")
_RTP_PORTS = 400


@dataclass(frozen=True)
class Ports:
    """Where the PBX listens: SIP on its address, the manager on 127.0.0.1."""

    udp: int
    tcp: int
    tls: dict[str, int]  # by kind of certificate
    ws: int
    wss: int
    manager: int
    rtp_first: int
    rtp_last: int

    @classmethod
    def choose(cls) -> Self:
        """Ports that are free now."""
        udp, tcp, ws, wss, manager, *tls = free_ports(5 + len(certificates.KINDS))
        by_kind = dict(zip(certificates.KINDS, tls, strict=True))
        first = media_range(_RTP_PORTS)
        return cls(udp, tcp, by_kind, ws, wss, manager, first, first + _RTP_PORTS - 1)


@dataclass(frozen=True)
class RunFiles:
    """The folder of a run inside the root."""

    root: Path
    folder: Path
    ports: Ports
    manager_secret: str
    address: str = "127.0.0.1"

    def write(self, domain: str, users: dict[str, numbers.User]) -> None:
        """Writes everything; the templates' @NAMES@ are filled in."""
        for name in _FOLDERS:
            (self.folder / name).mkdir(parents=True)
        certificates.write_certificates(self.folder / "etc", domain)
        sounds.write_sounds(self.folder / "sounds")
        values = self._values() | {"USERS": numbers.user_sections(users)}
        for template in _TEMPLATES.iterdir():
            (self.folder / "etc" / template.name).write_text(_filled(template.read_text(), values))
        for name in _EMPTY:
            (self.folder / "etc" / name).touch()

    @property
    def inside(self) -> str:
        """The folder as Asterisk sees it."""
        return f"/{self.folder.relative_to(self.root)}"

    def _values(self) -> dict[str, str]:
        ports = self.ports
        modules = next(self.root.glob("usr/lib/*/asterisk/modules"))
        return {
            "RUN": self.inside,
            "MODULES": f"/{modules.relative_to(self.root)}",
            "ADDRESS": self.address,
            "UDP": str(ports.udp),
            "TCP": str(ports.tcp),
            "WS": str(ports.ws),
            "WSS": str(ports.wss),
            "AMI": str(ports.manager),
            "AMI_SECRET": self.manager_secret,
            "RTP_FIRST": str(ports.rtp_first),
            "RTP_LAST": str(ports.rtp_last),
            "TLS": "\n".join(self._tls_transport(kind, port) for kind, port in ports.tls.items()),
            "REFUSALS": numbers.refusal_lines(),
            "ICE_HOSTS": _ice_hosts() if ipaddress.ip_address(self.address).is_loopback else "",
        }

    def _tls_transport(self, kind: str, port: int) -> str:
        files = f"{self.inside}/etc/{kind}"
        return (
            f"[tls-{kind}]\ntype = transport\nprotocol = tls\nbind = {self.address}:{port}\nmethod = tlsv1_2\n"
            f"cert_file = {files}.crt\npriv_key_file = {files}.key\n"
        )


def _ice_hosts() -> str:
    """Asterisk offers no loopback address for ICE: it offers the machine's others, under the name of 127.0.0.1."""
    shown = subprocess.run(["ip", "-j", "-4", "address", "show", "scope", "global"], capture_output=True, check=True)
    # addresses of another scope are shown without anything in them
    addresses = [each.get("local") for link in json.loads(shown.stdout) for each in link.get("addr_info", ())]
    return "\n".join(f"{address} => 127.0.0.1" for address in dict.fromkeys(addresses) if address)


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text
