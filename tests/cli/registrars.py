"""Servers that stand where a registrar should: some answer OPTIONS, some do what they should not."""

from __future__ import annotations

import http
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

Talk = Callable[[socket.socket], None]

OK = b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"


def says(data: bytes) -> Talk:
    """Waits for a request, then says this."""

    def talk(link: socket.socket) -> None:
        link.recv(65_536)
        link.sendall(data)

    return talk


def tls_context(folder: Path, kind: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{kind}.crt", folder / f"{kind}.key")
    return context


@contextmanager
def listening(talk: Talk, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of a server that talks so to whoever connects."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    plain, _ = server.accept()
                    with plain, suppress(OSError):
                        link = tls.wrap_socket(plain, server_side=True) if tls else plain
                        with link:
                            talk(link)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@contextmanager
def websocket(folder: Path, path: str = "/", *, answers: bool = True) -> Iterator[int]:
    """The port of a server for SIP over secure WebSocket at this path, which answers requests or closes."""

    def talk(link: ServerConnection) -> None:
        link.recv(timeout=10)
        if answers:
            link.send("\r\n\r\n")
            link.send(OK.decode())

    def where(link: ServerConnection, request: Request) -> Response | None:
        return None if request.path == path else link.respond(http.HTTPStatus.NOT_FOUND, "")

    tls = tls_context(folder, "good")
    with serve(talk, "127.0.0.1", 0, ssl=tls, subprotocols=[Subprotocol("sip")], process_request=where) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
    thread.join(10)


@contextmanager
def udp(*answers_: bytes) -> Iterator[int]:
    """The port of a UDP server that gives these answers, one a request; b'' is silence."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)

        def serve() -> None:
            with suppress(OSError):
                for answer in answers_:
                    _, source = server.recvfrom(65_536)
                    if answer:
                        server.sendto(answer, source)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
    thread.join(10)
