"""Registers over TCP with a server that only listens; prints the options of PJSIP's connection.

python -m tests.native.programs.tcp_options
"""

import json
import os
import socket

import pjsua2 as pj

from ..bench import DEADLINE_S, quiet_endpoint


def descriptor_of(port: int) -> int:
    """Our descriptor that is connected to `port`."""
    for name in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(name))) as copy:
                if copy.type == socket.SOCK_STREAM and copy.getpeername()[1] == port:
                    return int(name)
        except OSError:
            continue  # no socket, or one without a peer
    raise LookupError(f"no connection to {port}")


def main() -> dict[str, object]:
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(DEADLINE_S)
    port = server.getsockname()[1]
    with quiet_endpoint() as endpoint:
        endpoint.transportCreate(pj.PJSIP_TRANSPORT_TCP, pj.TransportConfig())
        config = pj.AccountConfig()
        config.idUri = "sip:caller@127.0.0.1"
        config.regConfig.registrarUri = f"sip:127.0.0.1:{port};transport=tcp"
        account = pj.Account()
        account.create(config)
        connection, _ = server.accept()
        with socket.socket(fileno=os.dup(descriptor_of(port))) as copy:
            no_delay = copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        connection.close()
        account.shutdown()
    server.close()
    return {"no_delay": bool(no_delay)}


if __name__ == "__main__":
    print(json.dumps(main()))
