"""From our configuration to PJSIP's: what is decided here and would be silent if it were lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pjsua2 as pj
import pytest

from softphone.addresses import HostPort
from softphone.config.accounts import Tls
from softphone.config.model import Media, Sip
from softphone.config.resolved import ResolvedAccount
from softphone.config.secrets import Secret
from softphone.stacks.pjsip import settings
from softphone.stacks.pjsip.settings import StackOptions, Way

PIN = 7


def options(**sip: Any) -> StackOptions:
    return StackOptions(sip=Sip(**sip), media=Media(), max_calls=10, clock_rate_hz=16_000)


def account(**changes: Any) -> ResolvedAccount:
    fields: dict[str, Any] = {
        "username": "901",
        "domain": "pbx.example",
        "password": Secret("pw"),
        "auth_username": "901",
        "port": 5061,
    }
    return ResolvedAccount(**(fields | changes))


def config(local: str = "192.0.2.1", **changes: Any) -> Any:
    return settings.account_config(account(**changes), options(), Way(3, local, PIN))


def route(**changes: Any) -> str:
    made = config(**changes)  # held by a name: what SWIG gives of it does not keep it alive
    return str(made.sipConfig.proxies[0])


def test_the_route_names_the_certificate_and_stays_out_of_the_message() -> None:
    for transport in ("tls", "tcp", "udp"):
        through = route(transport=transport, registrar=(HostPort("10.0.0.1", 5071),))
        assert through == f"<sip:pbx.example:{PIN};transport={transport};lr;hide>"
    assert route(tls=Tls(server_name="edge.example")).startswith(f"<sip:edge.example:{PIN};")


def test_a_register_is_forgotten_by_a_setting_that_means_the_same() -> None:
    ways = [settings.account_config(account(), options(), Way(3, "", PIN, fresh=fresh)) for fresh in (False, True)]
    assert [way.regConfig.proxyUse for way in ways] == [2, 3]


def test_both_digests_for_the_realm_that_is_the_domain() -> None:
    made = config(auth_username="door", password=Secret("s3"))
    credentials = [(c.scheme, c.realm, c.username, c.data, c.algoType) for c in made.sipConfig.authCreds]
    assert [c[:4] for c in credentials] == [("digest", "pbx.example", "door", "s3")] * 2
    assert {c[4] for c in credentials} == {pj.PJSIP_AUTH_ALGORITHM_MD5, pj.PJSIP_AUTH_ALGORITHM_SHA256}


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        ("", "<sip:901@pbx.example>"),
        ("Front door", '"Front door" <sip:901@pbx.example>'),
        ('a "b" \\c', '"a \\"b\\" \\\\c" <sip:901@pbx.example>'),
    ],
)
def test_the_name_shown_is_quoted(name: str, identity: str) -> None:
    assert config(display_name=name).idUri == identity


def test_the_engine_decides_when_to_register() -> None:
    made = config(expires_s=300)
    registration = made.regConfig
    assert registration.registrarUri == "sip:pbx.example"
    assert not registration.registerOnAdd
    assert registration.retryIntervalSec == 0
    assert (registration.timeoutSec, registration.delayBeforeRefreshSec) == (300, 30)
    assert not registration.dropCallsOnFail
    for expires_s, before_s in ((3600, 60), (10, 2)):
        made = config(expires_s=expires_s)
        assert made.regConfig.delayBeforeRefreshSec == before_s
    silent = config(register=False)
    assert silent.regConfig.registrarUri == ""


@pytest.mark.parametrize(
    ("srtp", "use"),
    [
        ("off", pj.PJMEDIA_SRTP_DISABLED),
        ("mandatory", pj.PJMEDIA_SRTP_MANDATORY),
        ("prefer", pj.PJMEDIA_SRTP_OPTIONAL),
    ],
)
def test_srtp(srtp: str, use: int) -> None:
    made = config(srtp=srtp)
    assert (made.mediaConfig.srtpUse, made.mediaConfig.srtpSecureSignaling) == (use, 0)


def test_media_leaves_from_the_address_that_is_told() -> None:
    made = config()
    rtp = made.mediaConfig.transportConfig
    assert (rtp.boundAddress, rtp.publicAddress) == ("", "192.0.2.1")
    assert (rtp.port, rtp.portRange) == (20000, 9999)
    bound = settings.account_config(account(), options(bind="127.0.0.1"), Way(3, "192.0.2.1", PIN))
    rtp = bound.mediaConfig.transportConfig
    assert (rtp.boundAddress, rtp.publicAddress) == ("127.0.0.1", "127.0.0.1")


@pytest.mark.parametrize(("bind", "bound"), [("0.0.0.0", ""), ("127.0.0.1", "127.0.0.1"), ("::", "")])
def test_the_address_to_listen_on(bind: str, bound: str) -> None:
    transport = settings.transport_config(bind, 5070)
    assert (transport.port, transport.boundAddress) == (5070, bound)


def test_certificates_are_judged_by_default(tmp_path: Path) -> None:
    made = settings.tls_config("0.0.0.0", account(), 0)
    tls = made.tlsConfig
    assert tls.verifyServer
    assert tls.CaListFile == settings.SYSTEM_CA_FILE
    (tmp_path / "ca.pem").touch()
    own = settings.tls_config("0.0.0.0", account(tls=Tls(ca_file=tmp_path / "ca.pem", verify=False)), 0)
    assert not own.tlsConfig.verifyServer
    assert own.tlsConfig.CaListFile == str(tmp_path / "ca.pem")
    assert tls.proto == pj.PJ_SSL_SOCK_PROTO_TLS1_2 | pj.PJ_SSL_SOCK_PROTO_TLS1_3


def test_one_worker_no_log_and_room_to_say_busy() -> None:
    endpoint = settings.endpoint_config(options())
    assert (endpoint.uaConfig.threadCnt, endpoint.uaConfig.mainThreadOnly) == (1, False)
    assert endpoint.uaConfig.maxCalls > 10
    assert (endpoint.logConfig.level, endpoint.logConfig.consoleLevel) == (0, 0)
    assert endpoint.medConfig.clockRate == 16_000
    assert endpoint.medConfig.sndAutoCloseTime == -1
    assert endpoint.medConfig.noVad


def test_media_speaks_the_ip_version_of_sip() -> None:
    both = options(bind=["192.0.2.1", "2001:db8::1"])
    for version, address, use in (
        (4, "192.0.2.1", pj.PJSUA_IPV6_DISABLED),
        (6, "2001:db8::1", pj.PJSUA_IPV6_ENABLED_USE_IPV6_ONLY),
    ):
        made = settings.account_config(account(), both, Way(3, "", PIN, version))
        media = made.mediaConfig
        assert media.ipv6Use == use
        rtp = media.transportConfig
        assert (rtp.boundAddress, rtp.publicAddress) == (address, address)


def test_no_name_is_looked_up_for_a_contact() -> None:
    made = config()
    assert (made.natConfig.contactUseSrcPort, made.natConfig.contactRewriteUse) == (0, 2)
