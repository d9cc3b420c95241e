"""The client against real sockets: servers that are away, slow, rude, endless, or not who they should be."""

import asyncio
import datetime
import gzip
import ipaddress
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from softphone.config import Secret
from softphone.errors import ConfigError, ProviderDown
from softphone.kavkom import Endpoint, ExtensionList, PbxApi, Retry
from tests.kavkom.answers import DOMAIN_UUID, TOKEN, page, record

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
BODY = json.dumps(page([record()])).encode()


def http(body: bytes, *, head: bytes = b"", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (size, head, body)


def says(data: bytes) -> Serve:
    """A server that answers every request with these bytes and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()

    return serve


@asynccontextmanager
async def server(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away, as some tests want
        finally:
            writer.close()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


def ask(
    serve: Serve,
    *,
    timeout_s: float = 5.0,
    attempts: int = 1,
    tls: ssl.SSLContext | None = None,
    ca_file: Path | None = None,
    host: str = "127.0.0.1",
) -> ExtensionList:
    async def run() -> ExtensionList:
        async with server(serve, tls) as port:
            url = f"{'https' if tls else 'http'}://{host}:{port}"
            endpoint = Endpoint(url, Secret(TOKEN), timeout_s, ca_file, 100_000, Retry(attempts, 0.01))
            async with PbxApi(endpoint, DOMAIN_UUID) as api:
                return await api.extensions()

    return asyncio.run(run())


def failure(serve: Serve, **options: object) -> str:
    with pytest.raises(ProviderDown) as caught:
        ask(serve, **options)  # type: ignore[arg-type]
    text = str(caught.value)
    assert "127.0.0.1" in text or "localhost" in text
    assert "/api/pbx/v1/extension/list" in text
    assert TOKEN not in text
    assert caught.value.__context__ is None  # httpx's error would carry the request, and with it the token
    return text


def test_a_plain_answer() -> None:
    assert ask(says(http(BODY))).extensions[0].extension == "901"


def test_a_compressed_answer() -> None:
    assert ask(says(http(gzip.compress(BODY), head=b"Content-Encoding: gzip\r\n"))).extensions[0].extension == "901"


def test_a_compressed_answer_that_blows_up() -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    assert "sends more than" in failure(says(http(bomb, head=b"Content-Encoding: gzip\r\n")))


def test_a_compressed_answer_that_is_broken() -> None:
    assert "cannot be unpacked" in failure(says(http(b"junk" * 9, head=b"Content-Encoding: gzip\r\n")))


def test_an_answer_cut_in_the_middle() -> None:
    assert "cut off" in failure(says(http(BODY[:50], length=len(BODY))))


def test_a_truncated_body_under_a_right_length() -> None:
    assert "JSON that ends too early" in failure(says(http(BODY[:50])))


def test_something_that_is_not_http() -> None:
    assert "not HTTP" in failure(says(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"))


def test_a_server_that_hangs_up_without_a_word() -> None:
    assert "cut off" in failure(says(b""))


def test_a_server_that_never_answers() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    assert "timed out after 0.2 s" in failure(mute, timeout_s=0.2)


def test_a_server_that_drips() -> None:
    """Each byte comes in time, the answer does not: the deadline is for the whole of it."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(http(b"", length=len(BODY)))
        for octet in BODY:
            writer.write(bytes([octet]))
            await writer.drain()
            await asyncio.sleep(0.05)

    assert "timed out after 0.3 s" in failure(drip, timeout_s=0.3)


def test_a_body_without_end() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b" " * 4096 + b"\r\n")
            await writer.drain()

    assert "sends more than 97 KiB" in failure(endless)


def test_a_header_without_end() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-More: " + b"x" * 4096 + b"\r\n")
            await writer.drain()

    assert "not HTTP" in failure(endless)


def test_a_connection_refused() -> None:
    with socket.socket() as holder:  # bound and not listening: nobody else can take the port meanwhile
        holder.bind(("127.0.0.1", 0))

        async def run() -> ExtensionList:
            url = f"http://127.0.0.1:{holder.getsockname()[1]}"
            async with PbxApi(Endpoint(url, Secret(TOKEN), retry=Retry(2, 0.01)), DOMAIN_UUID) as api:
                return await api.extensions()

        with pytest.raises(ProviderDown, match="connection refused") as caught:
            asyncio.run(run())
    assert caught.value.status is None


def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*arguments: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    async def run() -> ExtensionList:
        endpoint = Endpoint("https://no-such-host.invalid", Secret(TOKEN), retry=Retry(1))
        async with PbxApi(endpoint, DOMAIN_UUID) as api:
            return await api.extensions()

    with pytest.raises(ProviderDown, match=r"name no-such-host\.invalid not found"):
        asyncio.run(run())


def test_a_broken_connection_is_tried_again() -> None:
    answers = iter([b"", http(BODY)])

    async def second_time(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await says(next(answers))(reader, writer)

    assert len(ask(second_time, attempts=2).extensions) == 1


def certificate(folder: Path, *names: str, days: int = 1) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context with a certificate that only its own file vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    alternatives = [
        x509.IPAddress(ipaddress.ip_address(text)) if text[0].isdigit() else x509.DNSName(text) for text in names
    ]
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=30))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, key_pem = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key_pem)
    return context, pem


def test_a_private_authority_by_ca_file(tmp_path: Path) -> None:
    tls, pem = certificate(tmp_path, "127.0.0.1")
    assert len(ask(says(http(BODY)), tls=tls, ca_file=pem).extensions) == 1


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    tls, _ = certificate(tmp_path, "127.0.0.1")
    text = failure(says(http(BODY)), tls=tls)
    assert "the certificate of 127.0.0.1 is refused: self-signed certificate" in text
    assert "provider.ca_file" in text


def test_a_certificate_of_another_name(tmp_path: Path) -> None:
    tls, pem = certificate(tmp_path, "pbx.example")
    text = failure(says(http(BODY)), tls=tls, ca_file=pem)
    assert "check the host name in provider.api_url" in text


def test_a_certificate_out_of_date(tmp_path: Path) -> None:
    tls, pem = certificate(tmp_path, "127.0.0.1", days=-2)
    text = failure(says(http(BODY)), tls=tls, ca_file=pem)
    assert "certificate has expired" in text
    assert "clock" in text


def test_https_to_a_port_without_tls(tmp_path: Path) -> None:
    _, pem = certificate(tmp_path, "127.0.0.1")

    async def greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await reader.read()

    async def greeted() -> ExtensionList:
        async with server(greets) as port:
            endpoint = Endpoint(f"https://127.0.0.1:{port}", Secret(TOKEN), 5.0, pem, retry=Retry(1))
            async with PbxApi(endpoint, DOMAIN_UUID) as api:
                return await api.extensions()

    with pytest.raises(ProviderDown, match="the TLS handshake failed .*is it an https port"):
        asyncio.run(greeted())


@pytest.mark.parametrize("content", ["", "no certificates here\n", None])
def test_a_ca_file_that_is_none(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match="holds no certificates in PEM form"):
        PbxApi(Endpoint("https://127.0.0.1:1", Secret(TOKEN), ca_file=path), DOMAIN_UUID)


def test_cancelling_leaves_nothing_behind() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def run() -> None:
        async with server(mute) as port:
            endpoint = Endpoint(f"http://127.0.0.1:{port}", Secret(TOKEN), 30.0)
            async with PbxApi(endpoint, DOMAIN_UUID) as api:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await api.extensions()

    asyncio.run(run())
