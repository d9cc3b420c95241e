"""The phone registers with Asterisk 22: provisioned from the API, by each transport, refused, cut off, moved."""

import pytest

from softphone.testing.audio import heard_share, speech_like
from tests.interop.peers import certificates
from tests.interop.peers.asterisk import numbers
from tests.interop.peers.asterisk.server import Asterisk
from tests.interop.peers.kavkom_api import KavkomApi
from tests.interop.peers.ports import free_port
from tests.interop.peers.relay import TcpRelay
from tests.interop.phone import Phones

QUICK = {"retry_min_s": 0.5, "retry_max_s": 2}


@pytest.mark.parametrize("transport", ["tls", "tcp", "udp"])
def test_registers_what_the_api_lists_and_leaves_at_the_end(asterisk: Asterisk, phones: Phones, transport: str) -> None:
    with phones.provisioned("901", "902", transport=transport, expires_s=600) as phone:
        phone.registered("901", "902")
        contacts = asterisk.registrations()
        assert {contact.extension for contact in contacts} == {"901", "902"}
        assert all(contact.user_agent.startswith("softphone/") for contact in contacts)
        assert all(590 <= contact.expires_s <= 600 for contact in contacts)
        assert all(contact.via in contact.uri for contact in contacts)
        assert phone.control.status()["ready"]
    asterisk.wait_for("ContactStatus", count=2, ContactStatus="Removed")
    assert asterisk.registrations() == []


def test_registers_with_sha_256(asterisk: Asterisk, phones: Phones) -> None:
    with phones.provisioned("914") as phone:
        phone.registered("914")
        assert "algorithm=SHA-256" in asterisk.test_log()


def test_refreshes_before_the_registration_expires(asterisk: Asterisk, phones: Phones) -> None:
    """The PBX grants ten seconds only; in twelve it must have heard twice more, and never lost the contact."""
    with phones.provisioned("916") as phone:
        phone.registered("916")
        assert phone.control.account("916")["expires_s"] in (9, 10)
        asterisk.wait_for("SuccessfulAuth", count=3, AccountID="916", timeout_s=20)
        assert [contact.extension for contact in asterisk.registrations()] == ["916"]
        assert len(phone.all("account.registered")) == 1


def test_answers_the_options_of_the_pbx(asterisk: Asterisk, phones: Phones) -> None:
    with phones.provisioned("918") as phone:
        phone.registered("918")
        asterisk.wait_for("ContactStatus", AOR="918", ContactStatus="Reachable")


def test_a_password_that_the_pbx_refuses(asterisk: Asterisk, api: KavkomApi, phones: Phones) -> None:
    """The stored secret is refused: the API is asked once more, then the refusal is told in words; a new one works."""
    api.change("901", password="wrong")
    with phones.provisioned("901", "902") as phone:
        phone.registered("902")
        failed = phone.told("account.failed", account="901@pbx.test")
        assert failed["code"] in (401, 403)
        assert "password" in failed["cause"]
        assert "password" in failed["advice"]
        asked = [request for request in api.requests() if request.query["filter[search_query]"] == "901"]
        assert len(asked) == 2
        asterisk.wait_for("ChallengeResponseFailed", AccountID="901")
        assert phone.control.account("901")["state"] == "failed"
        api.change("901", password=asterisk.users["901"].password)
        phone.control.refresh_provider()
        phone.registered("901")


def test_a_disabled_extension_stays_out(asterisk: Asterisk, api: KavkomApi, phones: Phones) -> None:
    api.change("901", enabled=False)
    with phones.provisioned("901", "902") as phone:
        phone.registered("902")
        assert [contact.extension for contact in asterisk.registrations()] == ["902"]
        api.change("901", enabled=True)
        phone.control.refresh_provider()
        phone.registered("901")


def test_an_extension_is_removed_without_touching_the_call_of_another(
    asterisk: Asterisk, api: KavkomApi, phones: Phones
) -> None:
    prompt = speech_like(2)
    with phones.provisioned("901", "902") as phone:
        phone.registered("901", "902")
        call = phone.connected(numbers.ECHO, "901")
        api.remove("902")
        phone.control.refresh_provider()
        phone.told("account.removed", account="902@pbx.test")
        asterisk.wait_for("ContactStatus", AOR="902", ContactStatus="Removed")
        assert heard_share(prompt, phone.hears(call, prompt)) == 1
        assert phone.hung_up(call)["reason"] == "local_hangup"


def test_an_api_that_is_down_at_start_is_asked_again(asterisk: Asterisk, api: KavkomApi, phones: Phones) -> None:
    api.stop()
    with phones.provisioned("901") as phone:
        failed = phone.told("provider.failed")
        assert failed["cause"]
        status = phone.control.status()
        assert (status["ready"], status["provider"]["state"]) == (False, "failed")
        api.start()
        phone.registered("901", within_s=30)


@pytest.mark.parametrize(
    ("kind", "cause", "advice"),
    [
        (certificates.WRONG_HOST, "another host name", "domain"),
        (certificates.EXPIRED, "expired", "clock"),
        (certificates.SELF_SIGNED, "signed by itself", "tls.ca_file"),
    ],
)
def test_a_wrong_certificate_is_refused_in_words(
    asterisk: Asterisk, phones: Phones, kind: str, cause: str, advice: str
) -> None:
    with phones.provisioned("901", registrar=f"127.0.0.1:{asterisk.ports.tls[kind]}") as phone:
        failed = phone.told("account.failed")
        assert cause in failed["cause"]
        assert advice in failed["advice"]
        assert asterisk.registrations() == []


def test_a_closed_port_is_told_in_words(asterisk: Asterisk, phones: Phones) -> None:
    with phones.provisioned("901", registrar=f"127.0.0.1:{free_port()}") as phone:
        failed = phone.told("account.failed")
        assert "nothing listens" in failed["cause"]
        assert "port" in failed["advice"]


@pytest.mark.parametrize("transport", ["tls", "wss"])
def test_a_link_that_goes_silent_is_replaced_within_40_s(asterisk: Asterisk, phones: Phones, transport: str) -> None:
    """With the default settings: nobody closes the connection, it only carries nothing any more."""
    extension, port = ("901", asterisk.tls_port) if transport == "tls" else ("931", asterisk.ports.wss)
    with TcpRelay(port) as relay:
        with phones.provisioned(extension, transport=transport, registrar=f"127.0.0.1:{relay.port}") as phone:
            phone.registered(extension)
            relay.cut()
            lost = phone.told("account.connection_lost", within_s=40)
            assert extension in lost["account"]
            phone.told("account.registered", count=2, within_s=10)
            assert relay.connections == 2
            call = phone.connected(numbers.ECHO, extension)
            phone.hung_up(call)


@pytest.mark.parametrize("transport", ["tls", "udp"])
def test_a_pbx_that_crashed_and_came_back_is_found_again(asterisk: Asterisk, phones: Phones, transport: str) -> None:
    sip = QUICK | {"probe_s": 1, "probe_timeout_s": 2}
    with phones.provisioned("901", transport=transport, sip=sip) as phone:
        phone.registered("901")
        asterisk.stop()
        phone.told("account.connection_lost")
        asterisk.start()
        phone.told("account.registered", count=2, within_s=30)
        phone.hung_up(phone.connected(numbers.ECHO, "901"))


def test_a_pbx_that_hangs_is_noticed_and_found_again(asterisk: Asterisk, phones: Phones) -> None:
    with phones.provisioned("901", sip=QUICK | {"probe_s": 1, "probe_timeout_s": 2}) as phone:
        phone.registered("901")
        asterisk.freeze()
        phone.told("account.connection_lost")
        asterisk.thaw()
        phone.told("account.registered", count=2, within_s=30)
