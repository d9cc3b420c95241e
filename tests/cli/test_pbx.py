"""`softphone pbx` against the lab: what each command asks for, prints and ends with. No phone runs."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from softphone.cli import exits
from softphone.lab import Lab, LabOptions
from softphone.lab.service_options import ServiceOptions
from tests.cli.shell import COMMAND, DEADLINE_S, Ended, finish, softphone, start
from tests.lab.phone import phone, sdp
from tests.support.lab_account import lab_account
from tests.support.lab_elsewhere import lab_beside

REFRESH, TOKEN, PASSWORD = "refresh-hunter2", "api-hunter2", "sip-hunter2"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    options = LabOptions(
        extensions=("901", "902", "903"),
        passwords={"901": PASSWORD},
        refresh_token=REFRESH,
        api_token=TOKEN,
        service=ServiceOptions(first_line=950),
    )
    with lab_beside(options) as running:
        yield running


@pytest.fixture
def file(lab: Lab, tmp_path: Path) -> Path:
    return lab_account(lab, tmp_path)


def pbx(file: Path, *args: str) -> Ended:
    ended = softphone("pbx", *args, "--config", str(file))
    assert "hunter2" not in ended.out + ended.err
    return ended


# ---- extensions


def test_extensions_as_a_table_without_passwords(file: Path) -> None:
    lines = pbx(file, "extensions").out.splitlines()
    assert lines[0].split() == ["EXTENSION", "DOMAIN", "ENABLED", "PASSWORD", "DESCRIPTION"]
    assert lines[1].split()[:4] == ["901", "pbx.lab.test", "yes", "yes"]
    assert [line.split()[2] for line in lines if line.startswith("909")] == ["no"]


def test_extensions_as_json(file: Path) -> None:
    found = pbx(file, "extensions", "--search", "90", "--descending", "--with-user", "--json").json
    names = [each["extension"] for each in found["extensions"]]
    assert names == sorted(names, reverse=True)
    assert {"901", "902", "903", "909"} <= set(names)
    first = found["extensions"][-1]
    assert (first["has_password"], first["user_context"], first["enabled"]) == (True, "pbx.lab.test", True)
    assert first["extra"]["user"]["user_uuid"]
    assert "password" not in first


def test_one_page_and_the_lightweight_list(file: Path) -> None:
    page = pbx(file, "extensions", "--page", "2", "--limit", "1", "--json").json
    assert [each["extension"] for each in page["extensions"]] == ["902"]
    assert "901" in pbx(file, "extensions", "--limited").out


@pytest.mark.parametrize("wrong", [["--limit", "5"], ["--limited", "--search", "9"], ["--sort", "colour"]])
def test_options_that_do_not_go_together(file: Path, wrong: list[str]) -> None:
    assert pbx(file, "extensions", *wrong).code == exits.USAGE


def test_a_long_listing_shows_how_far_it_is(lab: Lab, tmp_path: Path) -> None:
    file = lab_account(lab, tmp_path, page_size=1)
    code, shown = on_a_terminal("pbx", "extensions", "--config", str(file))
    assert code == 0
    assert "1 extension so far" in shown
    assert "3 extensions so far" in shown


# ---- what goes wrong


def test_the_configuration_may_be_named_before_the_command(file: Path) -> None:
    assert softphone("pbx", "--config", str(file), "extensions").code == 0


def test_without_a_provider_it_says_what_is_needed(tmp_path: Path) -> None:
    file = tmp_path / "none.yaml"
    file.write_text("accounts: []\n")
    ended = pbx(file, "extensions")
    assert ended.code == exits.CONFIG
    assert "provider" in ended.err


def test_a_refused_token_is_code_4(lab: Lab, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.touch(0o600)
    wrong.write_text("wrong-hunter2")
    ended = pbx(lab_account(lab, tmp_path, token={"file": str(wrong)}), "extensions")
    assert ended.code == exits.REFUSED
    assert "provider.token" in ended.err


def test_nobody_there_is_code_1(lab: Lab, tmp_path: Path) -> None:
    ended = pbx(lab_account(lab, tmp_path, billing_url="http://127.0.0.1:1"), "did-orders")
    assert ended.code == exits.FAILED
    assert "connection refused" in ended.err


# ---- orders


def test_lines_are_ordered(file: Path) -> None:
    ended = pbx(file, "order-line", "starter=2", "--yes", "--json")
    assert (ended.code, ended.json["outcome"]) == (0, "ordered")
    assert ended.json["order_number"]
    names = {each["extension"] for each in pbx(file, "extensions", "--json").json["extensions"]}
    assert {"950", "951"} <= names


def test_a_number_is_ordered_and_listed(file: Path) -> None:
    order = ("order-did", "--country", "FR", "--location", "Paris", "--extension", "901")
    ended = pbx(file, *order, "--description", "Sales line", "--yes")
    assert ended.code == 0
    number = ended.out.split()[1]
    listed = pbx(file, "did-orders", "--orderby", "order_date", "--desc", "--json").json["orders"]
    assert [(o["country"], o["location"], o["description"]) for o in listed if o["id"] == number] == [
        ("FR", "Paris", "Sales line")
    ]
    assert "Sales line" in pbx(file, "did-orders").out


def test_an_order_that_is_refused_is_code_4(file: Path) -> None:
    order = ("order-did", "--country", "FR", "--location", "Atlantis", "--extension", "901", "--yes")
    assert pbx(file, *order).code == exits.REFUSED
    assert pbx(file, "order-line", "unheard-of=1", "--yes").code == exits.REFUSED


@pytest.mark.parametrize("wrong", ["starter", "starter=", "starter=x", "=2", "starter=-1"])
def test_an_order_without_sense(file: Path, wrong: str) -> None:
    assert pbx(file, "order-line", wrong, "--yes").code == exits.USAGE


def test_nothing_is_ordered_where_nobody_can_be_asked(file: Path) -> None:
    before = pbx(file, "extensions", "--json").json
    ended = pbx(file, "order-line", "starter=1")
    assert ended.code == exits.USAGE
    assert "Order 1 x starter" in ended.err
    assert "--yes" in ended.err
    assert pbx(file, "extensions", "--json").json == before


def test_a_person_is_asked_and_may_say_no(file: Path) -> None:
    before = pbx(file, "extensions", "--json").json
    code, shown = on_a_terminal("pbx", "order-line", "starter=1", "--config", str(file), typed="n\n")
    assert code == 1
    assert "This costs money. [y/N]" in shown
    assert pbx(file, "extensions", "--json").json == before


def test_an_order_of_unknown_outcome_is_code_6(lab: Lab, tmp_path: Path) -> None:
    with cutting_orders(lab) as url:
        file = lab_account(lab, tmp_path, billing_url=url)
        words = pbx(file, "order-did", "--country", "FR", "--location", "Paris", "--extension", "901", "--yes")
        assert words.code == exits.UNKNOWN
        assert "the outcome of this order is unknown" in words.err
        ended = pbx(file, "order-line", "starter=1", "--yes", "--json")
        assert ended.code == exits.UNKNOWN
        assert (ended.json["outcome"], ended.json["appeared"]) == ("unknown", [])


# ---- calls


def test_a_call_is_refused_in_the_switchs_words(file: Path) -> None:
    ended = pbx(file, "click-to-call", "901", "902", "--auto-answer", "--caller-id", "5550123")
    assert ended.code == exits.REFUSED
    assert "-ERR USER_NOT_REGISTERED" in ended.err
    assert "does not exist on this domain" in pbx(file, "click-to-call", "999", "902").err
    assert pbx(file, "kill", "a1b2c3d4-e5f6-7890-abcd-ef1234567890").code == exits.REFUSED


def test_a_call_is_started_followed_and_hung_up(lab: Lab, file: Path) -> None:
    async def play() -> tuple[str, str, Ended]:
        async with phone(lab, "902") as source:
            await source.register()
            following = start("pbx", "live", "902", "--count", "3", "--config", str(file))
            assert following.stderr is not None
            assert "events of 1 extension arrive" in await asyncio.to_thread(following.stderr.readline)
            call = asyncio.ensure_future(
                asyncio.to_thread(pbx, file, "click-to-call", "902", "9196", "--auto-answer", "--json")
            )
            invite = await source.expect("INVITE", timeout_s=20)
            source.reply(invite, 200, body=sdp(4000))
            await source.expect("ACK", timeout_s=20)
            call_uuid = (await call).json["call_uuid"]
            killed = asyncio.ensure_future(asyncio.to_thread(pbx, file, "kill", call_uuid))
            source.reply(await source.expect("BYE", timeout_s=20), 200)
            return call_uuid, (await killed).out, await asyncio.to_thread(finish, following)

    call_uuid, killed, followed = asyncio.run(play())
    assert killed.startswith(call_uuid)
    lines = [line.split() for line in followed.out.splitlines()]
    assert [(line[1], line[2], line[-1]) for line in lines] == [
        ("902", state, call_uuid) for state in ("ringing", "active", "finished")
    ]


# ---- tokens and live events


def test_a_token_is_acquired_verified_and_revoked(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "access"
    ended = pbx(file, "token", "acquire", "901", "902", "--out", str(out), "--json")
    assert ended.code == 0
    assert ended.json["life_s"] > 100
    assert "token" not in ended.json
    assert out.stat().st_mode & 0o777 == 0o600
    assert out.read_text().strip() not in ended.out + ended.err
    assert pbx(file, "token", "verify", "--token-file", str(out), "--json").json["valid"] is True
    assert pbx(file, "token", "revoke", "--token-file", str(out)).out == "the access token is revoked\n"
    assert pbx(file, "token", "verify", "--token-file", str(out)).code == exits.REFUSED


def test_a_token_is_printed_only_when_asked_for(file: Path, tmp_path: Path) -> None:
    assert pbx(file, "token", "acquire", "901").code == exits.USAGE
    assert pbx(file, "token", "acquire", "901", "--show", "--json").json["token"]
    (tmp_path / "there").touch()
    assert "File exists" in pbx(file, "token", "acquire", "901", "--out", str(tmp_path / "there")).err


def test_extensions_that_are_no_numbers_are_refused(file: Path) -> None:
    assert pbx(file, "token", "acquire", "door", "--show").code == exits.USAGE
    assert pbx(file, "live", "door").code == exits.USAGE
    assert "name the extensions to follow" in pbx(file, "live").err


def test_revoking_says_what(file: Path) -> None:
    assert pbx(file, "token", "revoke").code == exits.USAGE
    assert "--yes" in pbx(file, "token", "revoke", "--refresh").err


def test_live_events_are_followed_until_ctrl_c(file: Path) -> None:
    process = start("pbx", "live", "901", "902", "--json", "--config", str(file))
    try:
        assert process.stdout is not None
        first: Any = json.loads(process.stdout.readline())
        assert (first["kind"], first["extensions"], first["again"]) == ("connected", ["901", "902"], False)
        process.send_signal(signal.SIGINT)
        ended = finish(process)
    finally:
        process.kill()
    assert ended.code == exits.INTERRUPTED
    assert ended.err == ""


def test_live_events_that_are_refused_are_code_4(lab: Lab, tmp_path: Path) -> None:
    file = lab_account(lab, tmp_path)
    (tmp_path / "refresh").write_text("wrong-hunter2")
    ended = pbx(file, "live", "901")
    assert ended.code == exits.REFUSED
    assert "provider.live.refresh_token" in ended.err


# ---- helpers


@contextmanager
def cutting_orders(lab: Lab) -> Iterator[str]:
    """A way to the lab's billing on which every order is lost."""

    class Way(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            request = urllib.request.Request(lab.api_url + self.path, headers={"X-API-TOKEN": TOKEN})
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
                body = answer.read()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Way) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def on_a_terminal(*args: str, typed: str = "") -> tuple[int, str]:
    """Runs a command as a person does; returns its code and all that stood on the screen."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([*COMMAND, *args], stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        os.write(ours, typed.encode())
        shown = b""
        with suppress(OSError):  # the other end is closed
            while data := os.read(ours, 4096):
                shown += data
        os.close(ours)
        return process.wait(DEADLINE_S), shown.decode()
