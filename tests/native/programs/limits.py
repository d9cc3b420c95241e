"""Goes to the limits that are compiled in: accounts, mixer ports, sockets.

python -m tests.native.programs.limits
"""

import json
import resource
import socket

import pjsua2 as pj

from ..bench import DEADLINE_S, quiet_endpoint

CALLS = 1000
ACCOUNTS = 1000
SOCKETS = 1300  # more than select() can wait for (1,024)
OPTIONS = (
    "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK{n}\r\nMax-Forwards: 70\r\n"
    "From: <sip:a@127.0.0.1>;tag={n}\r\nTo: <sip:127.0.0.1>\r\nCall-ID: {n}\r\nCSeq: 1 OPTIONS\r\n"
    "Contact: <sip:a@127.0.0.1>\r\nContent-Length: 0\r\n\r\n"
)


def listen(endpoint: pj.Endpoint) -> int:
    """A UDP and a TCP transport; the port of the latter."""
    transport = pj.TransportConfig()
    transport.boundAddress = "127.0.0.1"
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
    tcp = endpoint.transportCreate(pj.PJSIP_TRANSPORT_TCP, transport)
    return int(endpoint.transportGetInfo(tcp).localName.rsplit(":", 1)[1])


def answered_connections(port: int, count: int) -> int:
    """How many connections at once are served."""
    connections = []
    for n in range(count):
        connections.append(socket.create_connection(("127.0.0.1", port), DEADLINE_S))
        connections[-1].sendall(OPTIONS.format(n=n).encode())
        if not connections[-1].recv(4096).startswith(b"SIP/2.0 "):
            break
    for connection in connections:
        connection.close()
    return len(connections)


def main() -> dict[str, object]:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def full(config: pj.EpConfig) -> None:
        config.uaConfig.maxCalls = CALLS
        config.medConfig.maxMediaPorts = 4000

    with quiet_endpoint(full) as endpoint:
        port = listen(endpoint)
        accounts = []
        for n in range(ACCOUNTS):
            config = pj.AccountConfig()
            config.idUri = f"sip:{n}@127.0.0.1"
            accounts.append(pj.Account())
            accounts[-1].create(config)
        result = {
            "version": endpoint.libVersion().full,
            "calls": endpoint.libGetState() == pj.PJSUA_STATE_RUNNING and CALLS,
            "accounts": sum(account.isValid() for account in accounts),
            "mixer_ports": endpoint.mediaMaxPorts(),
            "sockets": answered_connections(port, SOCKETS),
        }
        for account in accounts:
            account.shutdown()
    return result


if __name__ == "__main__":
    print(json.dumps(main()))
