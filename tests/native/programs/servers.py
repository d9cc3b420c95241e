"""Listens by TCP and TLS; prints how many connections may wait, and whether a taken port is told.

python -m tests.native.programs.servers
"""

import json
import os
import socket
import struct
from pathlib import Path

import pjsua2 as pj

from ..bench import quiet_endpoint

WAITING_LIMIT = 28  # place of tcpi_sacked in struct tcp_info: of a listening socket, its backlog (tcp(7), sock_diag)


def backlogs() -> list[int]:
    """Of each socket that this process listens on."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(name))) as copy:
                if copy.type == socket.SOCK_STREAM and copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    info = copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
                    found.append(struct.unpack_from("=I", info, WAITING_LIMIT)[0])
        except OSError:
            continue  # no socket
    return found


def refused(endpoint: pj.Endpoint, kind: int, port: int) -> bool:
    config = pj.TransportConfig()
    config.boundAddress, config.port = "127.0.0.1", port
    try:
        endpoint.transportCreate(kind, config)
    except pj.Error:
        return True
    return False


def main() -> dict[str, object]:
    with quiet_endpoint() as endpoint:
        for kind in (pj.PJSIP_TRANSPORT_TCP, pj.PJSIP_TRANSPORT_TLS):
            config = pj.TransportConfig()
            config.boundAddress = "127.0.0.1"
            endpoint.transportCreate(kind, config)
        waiting = backlogs()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            told = {
                "tcp": refused(endpoint, pj.PJSIP_TRANSPORT_TCP, port),
                "tls": refused(endpoint, pj.PJSIP_TRANSPORT_TLS, port),
            }
    limit = int(Path("/proc/sys/net/core/somaxconn").read_text())
    return {"servers": len(waiting), "waiting": min(waiting), "limit": limit, "taken_port_is_told": told}


if __name__ == "__main__":
    print(json.dumps(main()))
