"""The listener: what it serves, to whom, and what it withstands."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from softphone.config import Config
from softphone.config.secrets import Secret
from softphone.config.web import Web
from softphone.errors import ConfigError
from softphone.lab.certificates import make_certificates
from softphone.web import WebServer
from softphone.web.certificates import names_of, own_certificate
from softphone.web.guard import SECURITY_HEADERS
from softphone.web.limits import Limits
from tests.web.harness import TOKEN, FakePhone, headers_of, listening

# ---- the page's files


def test_the_page_and_its_parts_are_served_with_every_header_that_keeps_it_safe(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web:
            page = await web.http.get("/")
            assert page.status_code == 200
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            for name, value in SECURITY_HEADERS.items():
                assert page.headers[name] == value
            assert "unsafe" not in page.headers["content-security-policy"]
            for part in ("app.js", "calls.js", "handset.js", "wire.js"):
                assert (await web.http.get(f"/{part}")).headers["content-type"].startswith("text/javascript")
            assert (await web.http.get("/app.css")).headers["content-type"].startswith("text/css")
            again = await web.http.get("/", headers={"If-None-Match": page.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")

    asyncio.run(scene())


def test_the_page_has_no_script_or_style_of_its_own(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web:
            text = (await web.http.get("/")).text
            assert "<style" not in text
            assert " style=" not in text
            assert " on" + "click=" not in text
            assert "<script>" not in text

    asyncio.run(scene())


@pytest.mark.parametrize("path", ["/../app.py", "/%2e%2e/app.py", "/static/app.js", "/app.py", "/v1", "/v1/whip/"])
def test_nothing_else_is_served(tmp_path: Path, path: str) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web:
            answer = await web.exchange(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            assert headers_of(answer)[""].split()[1] == "404"

    asyncio.run(scene())


# ---- token and sessions


def test_the_token_opens_a_session_that_no_script_reads_and_no_other_site_sends(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web:
            assert (await web.http.get("/v1/session")).json() == {"logged_in": False}
            answer = await web.log_in()
            assert answer.status_code == 204
            cookie = answer.headers["set-cookie"].lower()
            assert "httponly" in cookie
            assert "samesite=strict" in cookie
            assert TOKEN not in cookie
            assert (await web.http.get("/v1/session")).json() == {"logged_in": True}
            assert (await web.http.post("/v1/logout")).status_code == 204
            assert (await web.http.get("/v1/session")).json() == {"logged_in": False}

    asyncio.run(scene())


def test_a_session_that_was_ended_is_void_whoever_kept_its_cookie(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web:
            cookie = (await web.log_in()).headers["set-cookie"].partition(";")[0]
            await web.http.post("/v1/logout")
            web.http.cookies.clear()
            kept = await web.http.get("/v1/session", headers={"Cookie": cookie})
            assert kept.json() == {"logged_in": False}

    asyncio.run(scene())


def test_a_restarted_phone_knows_its_sessions_and_another_token_ends_them(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web:
            name, _, value = (await web.log_in()).headers["set-cookie"].partition(";")[0].partition("=")
            port = web.port
        for token, known in ((TOKEN, True), ("another token of good length", False)):
            async with listening(tmp_path, port=port, token=Secret(token)) as web:
                found = await web.http.get("/v1/session", headers={"Cookie": f"{name}={value}"})
                assert found.json() == {"logged_in": known}

    asyncio.run(scene())


@pytest.mark.parametrize("forged", ["", ".", "9999999999.x.", "9999999999.x.00", "x", "é.ü.ö", "." * 2000])
def test_a_forged_session_is_none(tmp_path: Path, forged: str) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web:
            cookie = f"softphone-{web.port}={forged}".encode()
            found = await web.http.get("/v1/session", headers={b"Cookie": cookie})
            assert found.json() == {"logged_in": False}

    asyncio.run(scene())


def test_who_guesses_tokens_is_not_listened_to_for_a_while(tmp_path: Path) -> None:
    async def scene() -> None:
        limits, clock = Limits(wrong_tokens=3), [1_000_000.0]
        async with listening(tmp_path, limits=limits) as web:
            web.server._access._now = lambda: clock[0]
            for _ in range(3):
                assert (await web.log_in("a wrong token of good length")).status_code == 401
            late = await web.log_in()
            assert late.status_code == 429
            assert int(late.headers["retry-after"]) >= 1
            bearer = await web.http.delete("/v1/whip/h1", headers={"Authorization": f"Bearer {TOKEN}"})
            assert bearer.status_code == 429
            clock[0] += limits.wrong_window_s
            assert (await web.log_in()).status_code == 204

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b'{"token": 7}', "application/json", 400),
        (b'"text"', "application/json", 400),
        (b'{"token": "x"}', "text/plain", 415),
        (b"x" * 70_000, "application/json", 413),
        (b'{"token": "\\ud800"}', "application/json", 401),
    ],
)
def test_a_login_that_makes_no_sense_is_told_so(tmp_path: Path, body: bytes, kind: str, status: int) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web:
            answer = await web.http.post("/v1/login", content=body, headers={"Content-Type": kind})
            assert answer.status_code == status
            assert answer.json()["detail"]
            assert answer.headers["x-content-type-options"] == "nosniff"

    asyncio.run(scene())


# ---- origins


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1.evil.example"]
)
def test_a_page_of_another_origin_is_refused(tmp_path: Path, origin: str) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web:
            answer = await web.http.post("/v1/login", json={"token": TOKEN}, headers={"Origin": origin})
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers
            assert "set-cookie" not in answer.headers

    asyncio.run(scene())


def test_own_page_and_allowed_ones_are_let_in(tmp_path: Path) -> None:
    async def scene() -> None:
        other = "https://desk.example.com"
        async with listening(tmp_path, origins=[other]) as web:
            own = await web.http.post("/v1/login", json={"token": TOKEN}, headers={"Origin": web.origin})
            assert own.status_code == 204
            assert "access-control-allow-origin" not in own.headers
            asked = await web.http.options("/v1/whip", headers={"Origin": other})
            assert asked.headers["access-control-allow-origin"] == other
            assert "POST" in asked.headers["access-control-allow-methods"]

    asyncio.run(scene())


# ---- TLS


def test_it_makes_its_own_certificate_once_and_tells_its_fingerprint(tmp_path: Path) -> None:
    async def scene() -> None:
        fingerprints = []
        for _ in range(2):
            async with listening(tmp_path, tls=True) as web:
                answer = await web.log_in()
                assert "__Host-softphone" in answer.headers["set-cookie"]
                assert "Secure" in answer.headers["set-cookie"]
                fingerprints.append(web.server.view().fingerprint)
                assert [view.url for view in web.phone.listeners] == [web.url]
        assert fingerprints[0] == fingerprints[1]
        assert len(fingerprints[0].split(":")) == 32

    asyncio.run(scene())
    assert (tmp_path / "web" / "key.pem").stat().st_mode & 0o777 == 0o600


def test_another_name_needs_another_certificate(tmp_path: Path) -> None:
    web = Web(token=Secret(TOKEN), bind="0.0.0.0")
    first = own_certificate(tmp_path, names_of(web)).certificate.read_bytes()
    assert own_certificate(tmp_path, names_of(web)).certificate.read_bytes() == first
    named = Web(token=Secret(TOKEN), bind="0.0.0.0", names=("phone.example.com",))
    assert own_certificate(tmp_path, names_of(named)).certificate.read_bytes() != first


def test_a_given_certificate_is_used_and_read_anew_when_told(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    first, second = (make_certificates(folder, ["127.0.0.1"]) for folder in folders)

    async def scene() -> None:
        web = Web(token=Secret(TOKEN), port=0, certificate=first.certificate, key=first.key)
        server = WebServer(FakePhone(), web, tmp_path / "web")
        await server.start()
        try:
            await asyncio.to_thread(_shake_hands, server, first.ca)
            first.certificate.write_bytes(second.certificate.read_bytes())
            first.key.write_bytes(second.key.read_bytes())
            await server.renew()
            await asyncio.to_thread(_shake_hands, server, second.ca)
            first.certificate.write_text("no certificate")
            with pytest.raises(ConfigError, match=r"web\.certificate"):
                await server.renew()
            await asyncio.to_thread(_shake_hands, server, second.ca)
        finally:
            await server.stop()

    asyncio.run(scene())


def _shake_hands(server: WebServer, ca: Path) -> None:
    port = int(server.view().url.rstrip("/").rpartition(":")[2])
    context = ssl.create_default_context(cafile=str(ca))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as tls,
    ):
        assert tls.version() == "TLSv1.3"


@pytest.mark.parametrize("spoil", ["certificate", "key", "foreign key"])
def test_a_certificate_that_cannot_be_used_ends_the_start_and_names_the_key(tmp_path: Path, spoil: str) -> None:
    files = make_certificates(tmp_path, ["127.0.0.1"])
    if spoil == "foreign key":
        (tmp_path / "other").mkdir()
        files.key.write_bytes(make_certificates(tmp_path / "other", ["127.0.0.1"]).key.read_bytes())
    else:
        getattr(files, spoil).write_text("nonsense")
    web = Web(token=Secret(TOKEN), port=0, certificate=files.certificate, key=files.key)

    async def scene() -> None:
        with pytest.raises(ConfigError, match=r"^web\.certificate: "):
            await WebServer(FakePhone(), web, tmp_path / "web").start()

    asyncio.run(scene())


# ---- the address


def test_a_port_that_is_taken_ends_the_start_and_names_the_key(tmp_path: Path) -> None:
    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            web = Web(token=Secret(TOKEN), tls=False, port=other.getsockname()[1])
            with pytest.raises(ConfigError, match=r"^web\.port: .* in use"):
                await WebServer(FakePhone(), web, tmp_path / "web").start()
        with pytest.raises(ConfigError, match=r"^web\.bind: "):
            await WebServer(FakePhone(), Web(token=Secret(TOKEN), bind="192.0.2.1"), tmp_path / "web").start()

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"bind": "0.0.0.0", "tls": False}, "would send the token"),
        ({"certificate": "there.pem"}, "belong together"),
        ({"token": "in the clear"}, "not written into the configuration"),
        ({"origins": ["https://x.example/page"]}, "expected an origin"),
        ({"port": 70000}, "equal to 65535"),
        ({"max_sessions": 0}, "equal to 1"),
    ],
)
def test_a_configuration_that_is_not_safe_is_refused(tmp_path: Path, settings: dict[str, Any], expected: str) -> None:
    (tmp_path / "there.pem").touch()
    given = {key: str(tmp_path / value) if key == "certificate" else value for key, value in settings.items()}
    with pytest.raises(ValueError, match=expected):
        Config.model_validate({"web": {"token": Secret(TOKEN)} | given})


def test_a_short_token_is_refused() -> None:
    with pytest.raises(ValueError, match="16 characters or more"):
        Config.model_validate({"web": {"token": Secret("short")}})


# ---- what it withstands


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01\x00\x00", b"GET / HTTP/9\r\n\r\n", b"\r\n" * 40_000, b"A: " + b"x" * 40_000]
)
def test_what_is_no_request_is_answered_and_done_with(tmp_path: Path, data: bytes) -> None:
    async def scene() -> None:
        async with listening(tmp_path, limits=Limits(head_timeout_s=0.5)) as web:
            answer = await web.exchange(data)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
            assert (await web.http.get("/")).status_code == 200

    asyncio.run(scene())


def test_who_sends_too_slowly_loses_the_connection(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(tmp_path, limits=Limits(head_timeout_s=0.3, body_timeout_s=0.3)) as web:
            head = await web.exchange(b"GET / HTTP/1.1\r\nHost: x\r\n")
            assert headers_of(head)[""].split()[1] == "408"
            body = await web.exchange(
                b"POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{"
            )
            assert headers_of(body)[""].split()[1] == "408"

    asyncio.run(scene())


def test_only_so_many_connections_are_held(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(tmp_path, limits=Limits(max_connections=3)) as web:
            held = [await asyncio.open_connection("127.0.0.1", web.port) for _ in range(3)]
            refused = await web.exchange(b"")
            assert headers_of(refused)[""].split()[1] == "503"
            for _, writer in held:
                writer.close()

    asyncio.run(scene())


def test_after_the_stop_nobody_is_answered(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web:
            async with web.page() as page:
                await page.until("hello")
                await web.server.stop()
                await page.socket.wait_closed()
                assert page.socket.close_code == 1001
            with pytest.raises(httpx.ConnectError):
                await web.http.get("/")
            await web.server.stop()

    asyncio.run(scene())
