"""The way to a registrar: each thing that can be wrong is named, with what to do about it."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from softphone.addresses import HostPort
from softphone.cli.doctor import certificate, options, registrar
from softphone.cli.doctor.findings import Area, Finding
from softphone.cli.doctor.registrar import Server, check_registrar
from softphone.config import ResolvedAccount, Secret
from softphone.lab.certificates import make_certificates
from tests.cli.registrars import OK, listening, says, tls_context, udp, websocket
from tests.interop.peers.certificates import EXPIRED, GOOD, SELF_SIGNED, WRONG_HOST, write_certificates

HOST = "pbx.test"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    write_certificates(folder, HOST)
    return folder


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is judged after half a second here."""
    monkeypatch.setattr(registrar, "NETWORK_LIMIT_S", 0.5)
    monkeypatch.setattr(options, "NETWORK_LIMIT_S", 0.5)
    monkeypatch.setattr(options, "RESEND_S", 0.05)


def server(
    port: int, transport: str = "tls", ca_file: Path | None = None, *, verify: bool = True, host: str = "127.0.0.1"
) -> Server:
    return Server(host, port, transport, HOST, HOST, ca_file, verify)


def look(server: Server) -> dict[str, Finding]:
    return {finding.title: finding for finding in check_registrar(server)}


# ---- TLS


def test_all_is_well(folder: Path) -> None:
    with listening(says(OK), tls_context(folder, GOOD)) as port:
        found = look(server(port, ca_file=folder / "ca.crt"))
    assert {f.state for f in found.values()} == {"ok"}
    assert list(found) == ["name", "connection", "TLS", "certificate", "SIP"]
    assert f"for {HOST}, localhost, 127.0.0.1, by Interop test CA, 29 days left" in found["certificate"].text
    assert found["SIP"].text == "OPTIONS is answered: 200 OK"


@pytest.mark.parametrize(
    ("kind", "text", "cure"),
    [
        (WRONG_HOST, "it is for other.test, not for pbx.test", "tls.server_name"),
        (EXPIRED, "it expired on ", "renew it at the PBX"),
        (SELF_SIGNED, "it is signed by itself (pbx.test, localhost, 127.0.0.1)", "tls.ca_file"),
    ],
)
def test_a_certificate_that_is_refused(folder: Path, kind: str, text: str, cure: str) -> None:
    with listening(says(OK), tls_context(folder, kind)) as port:
        found = look(server(port, ca_file=folder / "ca.crt"))
    assert found["certificate"].state == "fail"
    assert text in found["certificate"].text
    assert cure in found["certificate"].cure
    assert "SIP" not in found


def test_an_authority_that_nobody_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registrar, "SYSTEM_CA_FILE", make_certificates(tmp_path, ("elsewhere.test",)).ca)
    with listening(says(OK), tls_context(folder, GOOD)) as port:
        found = look(server(port))["certificate"]
    assert found.text == "its issuer, Interop test CA, is not among the authorities of this system"
    assert "name it with tls.ca_file" in found.cure


def test_an_authority_that_was_made_anew(folder: Path, tmp_path: Path) -> None:
    old = write_certificates(tmp_path, HOST)
    with listening(says(OK), tls_context(folder, GOOD)) as port:
        found = look(server(port, ca_file=old))["certificate"]
    assert (
        found.text
        == f"its issuer, Interop test CA, is among the authorities in {old}, but with another key: it was made anew"
    )


def test_without_verification_the_certificate_is_a_warning(folder: Path) -> None:
    with listening(says(OK), tls_context(folder, SELF_SIGNED)) as port:
        findings = list(check_registrar(server(port, verify=False)))
    assert [f.state for f in findings if f.title == "certificate"] == ["warn", "ok"]
    assert findings[-1].state == "ok"


def test_a_certificate_that_ends_soon(folder: Path) -> None:
    der = ssl.PEM_cert_to_DER_cert((folder / f"{GOOD}.crt").read_text())
    (found,) = certificate.judge(Area("x"), der, verified=True, now=datetime.now(UTC) + timedelta(days=20))
    assert (found.state, "9 days left" in found.text) == ("warn", True)


def test_what_is_no_certificate_is_no_crash() -> None:
    assert list(certificate.judge(Area("x"), b"\x30\x00junk", verified=True)) == []


def test_a_port_that_does_not_speak_tls() -> None:
    with listening(says(b"SIP/2.0 400 Bad Request\r\n\r\n")) as port:
        found = look(server(port, verify=False))["TLS"]
    assert (found.state, found.text) == ("fail", "what listens there does not speak TLS")
    assert "transport: tcp" in found.cure


# ---- connection and name


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    found = look(server(port, "tcp"))["connection"]
    assert found.text == f"127.0.0.1 port {port} refuses it: nothing listens there"


def test_a_name_without_an_address() -> None:
    found = look(server(5061, host="no-such-host.invalid"))
    assert found["name"].state == "fail"
    assert "no-such-host.invalid is not known to DNS" in found["name"].text


# ---- SIP


def test_tcp_that_answers() -> None:
    with listening(says(b"\r\n\r\nSIP/2.0 100 Trying\r\n\r\n".replace(b"100 Trying", b"401 Unauthorized"))) as port:
        assert look(server(port, "tcp"))["SIP"].text == "OPTIONS is answered: 401 Unauthorized"


def test_tcp_that_says_nothing(folder: Path) -> None:
    with listening(lambda link: (link.recv(65_536), link.recv(1), None)[-1]) as port:
        found = look(server(port, "tcp"))["SIP"]
    assert found.text == "OPTIONS is not answered within 0.5 s"
    assert "fail2ban" in found.cure


def test_tcp_that_closes() -> None:
    with listening(says(b"")) as port:
        assert "the connection was closed" in look(server(port, "tcp"))["SIP"].text


def test_udp_is_asked_again_when_an_answer_is_lost() -> None:
    with udp(b"", b"SIP/2.0 100 Trying\r\n\r\n", OK) as port:
        assert look(server(port, "udp"))["SIP"].text == "OPTIONS is answered: 200 OK"


def test_udp_where_nobody_is() -> None:
    with udp() as port:
        pass
    assert look(server(port, "udp"))["SIP"].state == "fail"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", None),
        (b"\r\n\r\n", None),
        (b"SIP/2.0 200 OK\r\n", None),
        (b"SIP/2.0 180 Ringing\r\n\r\n", None),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", None),
        (b"\xff\xfe\x00", None),
        (b"\r\n\r\nSIP/2.0 200 OK\r\nA: b\r\n\r\n", "200 OK"),
    ],
)
def test_answers(data: bytes, status: str | None) -> None:
    assert options.status_of(data) == status


def test_the_request_is_complete_sip() -> None:
    head, _, body = options.request("2001:db8::7", "TLS", HostPort("::1", 5061)).decode().partition("\r\n\r\n")
    assert head.splitlines()[0] == "OPTIONS sip:[2001:db8::7] SIP/2.0"
    assert "Via: SIP/2.0/TLS [::1]:5061;branch=z9hG4bK" in head
    assert body == ""


def test_accounts_of_one_server_are_one_check() -> None:
    def account(name: str, **more: object) -> ResolvedAccount:
        return ResolvedAccount(username=name, domain=HOST, password=Secret("x"), auth_username=name, **more)  # type: ignore[arg-type]

    servers = registrar.servers_of([account("1"), account("2"), account("3", registrar=(HostPort("other.test", 7),))])
    assert [(s.host, s.port, s.tls_name) for s in servers] == [(HOST, 5061, HOST), ("other.test", 7, HOST)]


# ---- WebSocket


def test_a_websocket_is_opened_and_asked(folder: Path) -> None:
    with websocket(folder) as port:
        found = look(server(port, "wss", folder / "ca.crt"))
    assert {f.state for f in found.values()} == {"ok"}
    assert list(found) == ["name", "connection", "TLS", "certificate", "WebSocket", "SIP"]
    assert found["SIP"].text == "OPTIONS is answered: 200 OK"


def test_a_websocket_at_another_path(folder: Path) -> None:
    with websocket(folder, path="/ws") as port:
        refused = look(server(port, "wss", folder / "ca.crt"))["WebSocket"]
    assert (refused.state, "404 Not Found" in refused.text, "websocket_path" in refused.cure) == ("fail", True, True)


def test_a_websocket_that_knows_no_sip(folder: Path) -> None:
    with websocket(folder, answers=False) as port:
        found = look(server(port, "wss", folder / "ca.crt"))
    assert (found["WebSocket"].state, found["SIP"].state) == ("ok", "fail")
