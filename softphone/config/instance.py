"""Who this phone is to registrars, whatever its address: an instance id (RFC 5626 section 4.1)."""

from __future__ import annotations

import socket
from pathlib import Path
from uuid import UUID, uuid5

_NAMESPACE = UUID("0b6f3c0e-6d5b-4d0e-9a5b-5a2f8b1f7c31")  # made for this purpose, once
_MACHINE_ID = Path("/etc/machine-id")


def instance_urn(given: UUID | None, control_socket: Path, machine_id: Path = _MACHINE_ID) -> str:
    """`urn:uuid:...`: as given, else the same at every start of this phone on this machine, and at no other's.

    The control socket tells phones of one machine apart; the host name, machines that were copied with their id.
    """
    if given is not None:
        return given.urn
    try:
        machine = machine_id.read_text().strip()
    except OSError:
        machine = ""
    return uuid5(_NAMESPACE, "\n".join((machine, socket.gethostname(), str(control_socket.absolute())))).urn
