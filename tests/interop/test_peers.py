"""The peers themselves, proven on each other without the product: what they say about it can then be believed."""

import re
import socket
import ssl
import time
from http import HTTPStatus

import httpx
import pytest

from softphone.testing.audio import find, heard_share, read_wav, silence_share, speech_like, strongest_tone
from tests.interop.peers import certificates
from tests.interop.peers.asterisk import numbers, sounds
from tests.interop.peers.asterisk.server import Asterisk
from tests.interop.peers.kavkom_api import PATH, Extension, KavkomApi, Reply
from tests.interop.peers.relay import TcpRelay
from tests.interop.peers.rtp import RtpEnd
from tests.interop.peers.sipp import called, caller
from tests.interop.peers.sipp.run import Sipp, SippError, SippRun
from tests.interop.peers.sipp.scenario import Scenario


def call_from_trunk(sipp: Sipp, asterisk: Asterisk, scenario: Scenario, number: str, **options: object) -> SippRun:
    """A SIPp call to a number of the plan, without a password."""
    port = asterisk.udp_port
    target = f"sip:{number}@127.0.0.1:{port}"
    return sipp.start(scenario, port, target=target, callee=number, **options)  # type: ignore[arg-type]


def register(sipp: Sipp, asterisk: Asterisk, extension: str) -> int:
    """Registers an extension from a SIPp port, and returns the port."""
    run = sipp.start(
        caller.registers(extension, asterisk.users[extension].password), asterisk.udp_port, callee=extension
    )
    run.wait()
    return run.port


# --- Asterisk ------------------------------------------------------------------------------------


def test_a_second_pbx_starts_beside_the_first_in_seconds(asterisk: Asterisk) -> None:
    began = time.monotonic()
    with Asterisk() as second:
        assert time.monotonic() - began < 20
        assert second.cli("core show version").startswith("Asterisk 22")
        assert {second.udp_port, second.tls_port}.isdisjoint({asterisk.udp_port, asterisk.tls_port})
        folder = second.run_dir
        assert (folder / "etc" / "pjsip.conf").exists()
    assert not folder.exists()


def test_it_comes_back_on_its_ports_after_a_crash(asterisk: Asterisk, sipp: Sipp) -> None:
    asterisk.stop()
    asterisk.start()
    register(sipp, asterisk, "901")
    asterisk.wait_for("ContactStatus", AOR="901")


def test_a_frozen_pbx_answers_nobody_until_thawed(asterisk: Asterisk, sipp: Sipp) -> None:
    asterisk.freeze()
    with sipp.start(caller.registers("901", "pw-901"), asterisk.udp_port, callee="901") as run:
        with pytest.raises(SippError):
            run.wait_for("SIP/2.0", timeout_s=1)
    asterisk.thaw()
    register(sipp, asterisk, "901")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_registers_with_digest(asterisk: Asterisk, sipp: Sipp, transport: str) -> None:
    port = asterisk.udp_port if transport == "udp" else asterisk.tcp_port
    run = sipp.start(caller.registers("901", "pw-901"), port, transport=transport, callee="901")
    assert run.wait().successful == 1
    asterisk.wait_for("ContactStatus", AOR="901", ContactStatus="NonQualified")
    if transport == "tcp":  # the contact goes with its connection
        asterisk.wait_for("ContactStatus", AOR="901", ContactStatus="Removed")
        return
    (contact,) = asterisk.registrations()
    assert (contact.extension, contact.user_agent) == ("901", "SIPp")
    assert contact.via == f"127.0.0.1:{run.port}"
    assert 290 <= contact.expires_s <= 300


def test_a_wrong_password_gets_401_again_and_a_security_event(asterisk: Asterisk, sipp: Sipp) -> None:
    run = sipp.start(caller.registers("901", "wrong"), asterisk.udp_port, callee="901")
    with pytest.raises(SippError, match="401"):
        run.wait()
    asterisk.wait_for("ChallengeResponseFailed", AccountID="901")
    assert asterisk.registrations() == []


def test_a_user_may_take_sha256_alone(asterisk: Asterisk, sipp: Sipp) -> None:
    run = sipp.start(caller.registers("914", "pw-914"), asterisk.udp_port, callee="914")
    with pytest.raises(SippError):  # SIPp has MD5 only
        run.wait()
    (challenge,) = run.received("SIP/2.0 401")
    assert re.search("algorithm=SHA-256", challenge.header("WWW-Authenticate") or "")


def test_echo_sends_back_what_was_said(asterisk: Asterisk, sipp: Sipp, rtp: RtpEnd) -> None:
    prompt = speech_like(2)
    run = sipp.start(
        caller.calls_as("901", "pw-901"),
        asterisk.udp_port,
        pause_s=2.5,
        rtp_port=rtp.port,
        target=f"sip:{numbers.ECHO}@pbx.test",
        callee=numbers.ECHO,
    )
    rtp.play(run.remote_media(), prompt).join()
    run.wait()
    assert find(prompt, rtp.heard()).score > 0.95
    assert heard_share(prompt, rtp.heard()) == 1
    asterisk.wait_for("Hangup", CallerIDNum="901")


def test_tone_and_recording(asterisk: Asterisk, sipp: Sipp, rtp: RtpEnd) -> None:
    run = call_from_trunk(sipp, asterisk, caller.CALL, numbers.TONE, pause_s=1, rtp_port=rtp.port)
    rtp.play(run.remote_media(), speech_like(0.5)).join()
    run.wait()
    assert strongest_tone(rtp.heard()).frequency_hz == pytest.approx(1004, abs=2)

    prompt = speech_like(2, seed=5)
    run = call_from_trunk(sipp, asterisk, caller.CALL, numbers.RECORD, pause_s=2.5, rtp_port=rtp.port)
    rtp.play(run.remote_media(), prompt).join()
    run.wait()
    asterisk.wait_for("Hangup", Exten=numbers.RECORD)
    recording = read_wav(asterisk.recording(numbers.TRUNK))
    assert recording.rate_hz == 16_000
    assert find(prompt, recording).score > 0.95


def test_digits_are_read_reported_and_sent_back(asterisk: Asterisk, sipp: Sipp, rtp: RtpEnd) -> None:
    run = call_from_trunk(sipp, asterisk, caller.CALL_ENDED_BY_PHONE, numbers.DTMF_READ_BACK, rtp_port=rtp.port)
    media = run.remote_media()
    rtp.play(media, speech_like(0.2)).join()
    for digit in "49*0#":
        rtp.send_digit(media, digit)
    (report,) = asterisk.wait_for("Digits")
    assert (report["Digits"], report["Status"]) == ("49*0", "OK")
    run.wait()
    assert "".join(digit.digit for digit in rtp.digits()) == "49*0"


@pytest.mark.parametrize("code", sorted(numbers.REFUSALS))
def test_the_plan_has_a_number_for_each_refusal(asterisk: Asterisk, sipp: Sipp, code: int) -> None:
    run = call_from_trunk(sipp, asterisk, caller.CALL, numbers.refuses_with(code))
    (answer,) = run.wait_for(f"SIP/2.0 {code}")
    assert answer.header("CSeq") == "1 INVITE"


def test_ringing_early_media_and_hang_up_by_the_pbx(asterisk: Asterisk, sipp: Sipp, rtp: RtpEnd) -> None:
    run = call_from_trunk(sipp, asterisk, caller.CALL, numbers.RING_THEN_ECHO)
    run.wait()
    assert run.received("SIP/2.0 180")

    run = call_from_trunk(sipp, asterisk, caller.CALL, numbers.EARLY_MEDIA_THEN_403, rtp_port=rtp.port)
    assert run.wait_for("SIP/2.0 183")
    assert run.wait_for("SIP/2.0 403")
    assert find(sounds.notice(), rtp.heard()).heard

    run = call_from_trunk(sipp, asterisk, caller.CALL_ENDED_BY_PHONE, numbers.hangs_up_after(1))
    run.wait()


@pytest.mark.parametrize("kind", certificates.KINDS)
def test_each_tls_port_has_the_certificate_it_says(asterisk: Asterisk, kind: str) -> None:
    context = ssl.create_default_context(cafile=asterisk.ca_file)
    refusals = {
        certificates.WRONG_HOST: "Hostname mismatch",
        certificates.EXPIRED: "certificate has expired",
        certificates.SELF_SIGNED: "self[- ]signed certificate",
    }
    with socket.create_connection(("127.0.0.1", asterisk.ports.tls[kind]), timeout=5) as link:
        if kind in refusals:
            with pytest.raises(ssl.SSLCertVerificationError, match=refusals[kind]):
                context.wrap_socket(link, server_hostname=asterisk.domain)
            return
        with context.wrap_socket(link, server_hostname=asterisk.domain) as session:
            assert session.version() == "TLSv1.2"


# --- SIPp as caller and called, with Asterisk in the phone's place -----------------------------------


@pytest.mark.parametrize(
    "scenario",
    [
        caller.CALL,
        caller.LATE_OFFER,
        caller.BYE_AT_ONCE,
        caller.INVITE_REPEATED,
        caller.LATE_ACK,
        caller.sends_info("7"),
    ],
    ids=lambda scenario: scenario.name,
)
def test_calls_that_are_answered(asterisk: Asterisk, sipp: Sipp, scenario: Scenario) -> None:
    run = call_from_trunk(sipp, asterisk, scenario, numbers.RING_THEN_ECHO, pause_s=0.3)
    assert run.wait().successful == 1
    asterisk.wait_for("Hangup")
    assert len(asterisk.wait_for("Newchannel")) == 1
    tags = {answer.header("To") for answer in run.received("SIP/2.0 ") if "tag=" in (answer.header("To") or "")}
    assert len(tags) == 1


@pytest.mark.parametrize("scenario", [caller.CANCEL, caller.BYE_WHILE_RINGING], ids=lambda scenario: scenario.name)
def test_calls_that_end_while_ringing(asterisk: Asterisk, sipp: Sipp, scenario: Scenario) -> None:
    call_from_trunk(sipp, asterisk, scenario, numbers.RING_FOR_EVER, pause_s=0.3).wait()
    asterisk.wait_for("Hangup")


def test_twenty_calls_at_once(asterisk: Asterisk, sipp: Sipp) -> None:
    run = call_from_trunk(sipp, asterisk, caller.CALL, numbers.ECHO, pause_s=2, calls=20)
    asterisk.wait_for("Newstate", count=20, ChannelStateDesc="Up")
    assert len(asterisk.channels()) == 20
    assert run.wait().successful == 20


@pytest.mark.parametrize(
    ("scenario", "cause"),
    [
        (called.BUSY, "17"),
        (called.NOT_FOUND, "1"),
        (called.UNAVAILABLE, "19"),
        (called.OVERLOADED, "34"),
        (called.MOVED, "0"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_sipp_refuses(asterisk: Asterisk, sipp: Sipp, scenario: Scenario, cause: str) -> None:
    port = register(sipp, asterisk, "902")
    run = sipp.start(scenario, port=port)
    asterisk.originate("902", numbers.ECHO)
    run.wait()
    ended = asterisk.wait_for("Hangup")[0]
    if scenario is not called.MOVED:  # what Asterisk makes of a redirection is its own affair
        assert ended["Cause"] == cause


@pytest.mark.parametrize(
    "scenario",
    [called.ANSWERS_AND_HANGS_UP, called.ANSWERS_TWICE],
    ids=lambda scenario: scenario.name,
)
def test_sipp_answers_and_ends(asterisk: Asterisk, sipp: Sipp, scenario: Scenario) -> None:
    port = register(sipp, asterisk, "902")
    run = sipp.start(scenario, port=port)
    asterisk.originate("902", numbers.ECHO)
    run.wait()
    asterisk.wait_for("Hangup")


@pytest.mark.parametrize("scenario", [called.ANSWERS, called.EARLY_MEDIA], ids=lambda scenario: scenario.name)
def test_sipp_answers_and_the_pbx_ends(asterisk: Asterisk, sipp: Sipp, rtp: RtpEnd, scenario: Scenario) -> None:
    port = register(sipp, asterisk, "902")
    run = sipp.start(scenario, port=port, pause_s=0.5, rtp_port=rtp.port)
    asterisk.originate("902", numbers.ANNOUNCEMENT)
    run.wait_for("ACK")
    rtp.play(run.remote_media(), speech_like(0.5)).join()
    run.wait()
    assert heard_share(sounds.announcement(), rtp.heard()) == 1
    assert silence_share(rtp.heard()) < 0.3


def test_sipp_does_not_answer(asterisk: Asterisk, sipp: Sipp) -> None:
    port = register(sipp, asterisk, "902")
    run = sipp.start(called.NO_ANSWER, port=port)
    asterisk.originate("902", numbers.ECHO)
    run.wait_for("INVITE")
    asterisk.wait_for("Newstate", ChannelStateDesc="Ringing")
    asterisk.hang_up("902")
    run.wait()


def test_a_failed_run_tells_the_story(asterisk: Asterisk, sipp: Sipp) -> None:
    run = call_from_trunk(sipp, asterisk, caller.CALL, numbers.refuses_with(404))
    with pytest.raises(SippError) as failure:
        run.wait()
    assert "<- SIP/2.0 404 Not Found" in str(failure.value)
    assert "-> INVITE sip:9404@" in str(failure.value)


# --- the API and the relay ------------------------------------------------------------------------


@pytest.fixture
def rows() -> list[Extension]:
    return [Extension(str(number), f"pw-{number}", "pbx.test") for number in range(901, 931)]


def test_the_api_pages_filters_and_refuses(rows: list[Extension]) -> None:
    with KavkomApi(rows) as api, httpx.Client(base_url=api.url) as client:

        def get(token: str = api.token, **query: str) -> httpx.Response:
            return client.get(PATH, params=query, headers={"X-API-TOKEN": token})

        domain = {"domain_uuid": api.domain_uuid}
        pages = [get(**domain, page=str(page), limit="20").json()["data"] for page in (1, 2, 3)]
        assert [len(page) for page in pages] == [20, 10, 0]
        assert len(get(**domain).json()["data"]) == 15
        (row,) = get(**domain, **{"filter[search_query]": "915"}).json()["data"]
        assert (row["password"], row["user_context"], row["enabled"]) == ("pw-915", "pbx.test", "true")
        last = get(**domain, **{"sort[0]": "extension", "sort[1]": "DESC"}, limit="1").json()["data"][0]
        assert last["extension"] == "930"

        assert get(token="wrong", **domain).status_code == 401
        assert get(domain_uuid="another").status_code == 403
        assert "domain_uuid" in get().json()["validationErrors"]
        assert get(**domain, limit="0").status_code == 422
        api.answer_always(Reply(HTTPStatus.SERVICE_UNAVAILABLE, b"<html>", "text/html"))
        assert get(**domain).text == "<html>"
        assert len(api.wait_requests(11)) == 11


def test_the_api_changes_and_comes_back(rows: list[Extension]) -> None:
    with KavkomApi(rows) as api:
        query = {"domain_uuid": api.domain_uuid, "filter[search_query]": "901", "with_user": "1"}
        headers = {"X-API-TOKEN": api.token}
        api.change("901", password="new", enabled=False)
        (row,) = httpx.get(api.url + PATH, params=query, headers=headers).json()["data"]
        assert (row["password"], row["enabled"], row["user"]["username"]) == ("new", "false", "user-901")
        url = api.url
        api.stop()
        with pytest.raises(httpx.ConnectError):
            httpx.get(url + PATH)
        api.start()
        api.remove("901")
        api.add(Extension("9010", "x", "pbx.test"))
        (row,) = httpx.get(url + PATH, params=query, headers=headers).json()["data"]
        assert row["extension"] == "9010"


def test_a_cut_link_is_silent_and_a_new_one_works() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, TcpRelay(server.getsockname()[1]) as relay:
        first = socket.create_connection(("127.0.0.1", relay.port), timeout=0.5)
        behind_first, _ = server.accept()
        first.sendall(b"one")
        assert behind_first.recv(10) == b"one"
        relay.cut()
        behind_first.sendall(b"lost")
        with pytest.raises(TimeoutError):
            first.recv(10)

        second = socket.create_connection(("127.0.0.1", relay.port), timeout=5)
        behind_second, _ = server.accept()
        behind_second.sendall(b"two")
        assert second.recv(10) == b"two"
        relay.down()
        third = socket.create_connection(("127.0.0.1", relay.port), timeout=5)
        assert third.recv(10) == b""
        for link in (first, behind_first, second, behind_second, third):
            link.close()
