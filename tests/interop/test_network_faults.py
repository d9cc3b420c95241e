"""What a bad network does to registrations and calls at Asterisk: links that are down for a while, a firewall that
forgot a connection, a PBX that starts anew.

All of it lives in a network namespace. Each phone has a loopback address of its own, so that one rule of the firewall
is the fault of one phone, and the long faults are waited for together.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from softphone.testing.audio import speech_like
from tests.interop.peers.asterisk import numbers
from tests.interop.peers.asterisk.server import Asterisk
from tests.interop.peers.kavkom_api import Extension, KavkomApi
from tests.interop.phone import Phone, Phones, sounds_like
from tests.support.netns import Drop, Namespace, Networks

PROMPT = speech_like(2)
BACK_S = 40.0
"""How long a registration may need to be back once the network is."""
LONGEST_S = 120.0


@pytest.fixture
def net() -> Iterator[Namespace]:
    with Networks() as networks:
        here = networks.namespace("faults")
        with here.entered():
            yield here


@pytest.fixture
def pbx(net: Namespace) -> Iterator[Asterisk]:
    with Asterisk() as asterisk:
        yield asterisk


@pytest.fixture
def made(pbx: Asterisk, tmp_path: Path) -> Iterator[Phones]:
    users = pbx.users.values()
    with KavkomApi([Extension(user.extension, user.password, pbx.domain) for user in users]) as api:
        yield Phones(pbx, api, tmp_path)


@dataclass
class Afflicted:
    """A phone with a call, and its fault."""

    phone: Phone
    account: str
    address: str
    call: str = ""
    cut: tuple[Drop, ...] = ()
    lifted_s: float = 0.0

    def cut_off(self, net: Namespace, more: str = "") -> None:
        """Nothing goes out of this phone's address, nor to it, that also fits `more`."""
        self.cut = tuple(net.drop(f"ip {way} {self.address} {more}", chain="output") for way in ("saddr", "daddr"))

    def lift(self) -> None:
        for rule in self.cut:
            rule.lift()
        self.lifted_s = time.monotonic()

    def back_within(self) -> float:
        """Seconds from the lifting until the account was registered. Already so: 0."""
        if self.phone.control.account(self.account)["state"] == "registered":
            return 0.0
        count = len(self.phone.all("account.registered")) + 1
        self.phone.told("account.registered", count=count, within_s=BACK_S + 5)
        return time.monotonic() - self.lifted_s

    def state(self) -> str:
        return str(self.phone.control.call(self.call)["state"])

    def hears_the_echo(self, call: str) -> bool:
        return sounds_like(PROMPT, self.phone.hears(call, PROMPT))

    def can_call(self) -> bool:
        call = self.phone.connected(numbers.ECHO)
        heard = self.hears_the_echo(call)
        self.phone.hung_up(call)
        return heard


def afflict(made: Phones, account: str, address: str) -> Afflicted:
    settings: dict[str, Any] = {"sip": {"bind": address}}
    phone = made.provisioned(account, **settings)
    return Afflicted(phone, account, address)


@pytest.mark.timeout(400)
def test_links_that_are_down_for_a_while_and_a_firewall_that_forgot(
    net: Namespace, pbx: Asterisk, made: Phones
) -> None:
    """5 s and 30 s: the call goes on. 120 s: it ends, and says why. A connection whose packets vanish, on a network
    that is well: a new one takes its place. All accounts are back within 40 s of the network, and can call."""
    short, longer, longest, forgotten = (
        afflict(made, account, f"127.0.0.{i + 2}") for i, account in enumerate(("901", "902", "903", "904"))
    )
    everybody = (short, longer, longest, forgotten)
    with short.phone, longer.phone, longest.phone, forgotten.phone:
        for one in everybody:
            one.phone.registered(one.account)
            one.call = one.phone.connected(numbers.ECHO)
        ports = {contact.extension: contact.via.rpartition(":")[2] for contact in pbx.registrations()}
        began_s = time.monotonic()
        for one in (short, longer, longest):
            one.cut_off(net)
        ends = f"{{ {ports['904']}, {pbx.tls_port} }}"
        forgotten.cut_off(net, f"tcp sport {ends} tcp dport {ends}")  # this connection only, both ways

        time.sleep(max(0.0, 5 - (time.monotonic() - began_s)))
        short.lift()
        assert short.back_within() < BACK_S
        assert short.state() == "active"
        assert short.hears_the_echo(short.call)
        assert short.phone.hung_up(short.call)["by"] == "local"

        time.sleep(max(0.0, 30 - (time.monotonic() - began_s)))
        longer.lift()
        forgotten.lifted_s = began_s
        assert forgotten.back_within() < BACK_S
        assert forgotten.hears_the_echo(forgotten.call)  # its sound was never cut
        assert forgotten.phone.hung_up(forgotten.call)["by"] == "local"
        assert longer.back_within() < BACK_S
        assert longer.state() == "active"
        assert longer.hears_the_echo(longer.call)
        assert longer.phone.hung_up(longer.call)["by"] == "local"

        ended = longest.phone.ended(longest.call, within_s=LONGEST_S)
        assert (ended["reason"], ended["by"]) == ("media_timeout", "local")
        time.sleep(max(0.0, LONGEST_S - (time.monotonic() - began_s)))
        assert longest.phone.control.account("903")["state"] == "failed"
        assert longest.phone.control.account("903")["cause"]
        longest.lift()
        assert longest.back_within() < BACK_S
        for one in everybody:
            assert one.can_call(), one.account
        assert sum(rule.packets for one in everybody for rule in one.cut) > 0


def test_a_pbx_that_starts_anew_in_mid_call(pbx: Asterisk, made: Phones) -> None:
    """Its memory of the call is gone: nothing is heard any more, and hanging up tells what the PBX says of it."""
    one = afflict(made, "901", "127.0.0.2")
    with one.phone:
        one.phone.registered("901")
        one.call = one.phone.connected(numbers.ECHO)
        pbx.stop()
        one.phone.told("account.connection_lost", within_s=BACK_S)
        pbx.start()
        one.lifted_s = time.monotonic()
        assert one.back_within() < BACK_S
        ended = one.phone.hung_up(one.call)
        assert (ended["reason"], ended["by"], ended["phase"]) == ("local_hangup", "local", "active")
        assert one.can_call()
