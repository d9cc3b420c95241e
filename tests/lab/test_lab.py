"""The lab as a whole: start and stop, its configuration for the phone, and what strangers throw at its ports."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import ssl
import stat
from pathlib import Path

import pytest
import yaml

from softphone.config import load
from softphone.errors import Conflict, NotFound, SoftphoneError, UsageError
from softphone.lab import Lab, LabOptions
from tests.lab.phone import phone, sdp


def test_starts_fast_and_leaves_nothing_behind() -> None:
    async def run() -> None:
        descriptors = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            async with Lab() as lab:
                assert lab.start_s < 1
                folder = lab.ca_file.parent
                assert stat.S_IMODE(lab.token_file.stat().st_mode) == 0o600
                assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert not folder.exists()
        await asyncio.sleep(0.05)
        assert len(os.listdir("/proc/self/fd")) <= descriptors + 1
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def test_state_in_a_given_folder_stays(tmp_path: Path) -> None:
    async def run() -> None:
        async with Lab(LabOptions(state_dir=tmp_path / "lab", api_token="known")) as lab:
            assert lab.token_file.read_text() == "known\n"
        assert lab.ca_file.exists()

    asyncio.run(run())


def test_a_taken_port_is_told_plainly() -> None:
    async def run() -> None:
        async with Lab() as lab:
            with pytest.raises(SoftphoneError, match="cannot listen for SIP"):
                async with Lab(LabOptions(sip_port=lab.sip_udp_port)):
                    pass
            with pytest.raises(SoftphoneError, match="cannot serve its API"):
                async with Lab(LabOptions(api_port=int(lab.api_url.rpartition(":")[2]))):
                    pass

    asyncio.run(run())


def test_options_that_contradict_each_other() -> None:
    with pytest.raises(UsageError, match="901"):
        LabOptions(extensions=("901",), disabled=("901",))
    with pytest.raises(UsageError, match="digest"):
        LabOptions(algorithms=())


@pytest.mark.parametrize("transport", ["tls", "tcp", "udp"])
def test_the_phone_takes_its_configuration(tmp_path: Path, transport: str) -> None:
    async def run() -> None:
        async with Lab(LabOptions(api_https=True)) as lab:
            path = tmp_path / "softphone.yaml"
            path.write_text(lab.config_yaml(["901", "902"], transport=transport, srtp="prefer"))
            config = load(path)
            assert config.provider is not None
            assert config.provider.api_url == lab.api_url
            assert config.provider.token.reveal() == lab.api_token
            account = config.accounts[0]
            assert (account.transport, account.srtp) == (transport, "prefer")
            wanted = {"tls": lab.sip_tls_port, "tcp": lab.sip_tcp_port, "udp": lab.sip_udp_port}[transport]
            (registrar,) = account.registrar
            assert (registrar.host, registrar.port) == ("127.0.0.1", wanted)
            everyone = yaml.safe_load(lab.config_yaml())["accounts"][0]["extensions"]
            assert everyone == ["901", "902", "903", "904"]

    asyncio.run(run())


def test_certificate_names_domain_localhost_and_address() -> None:
    async def run() -> None:
        async with Lab() as lab:
            context = ssl.create_default_context(cafile=str(lab.ca_file))
            for name in (lab.domain, "localhost", "127.0.0.1"):
                _, writer = await asyncio.open_connection(
                    "127.0.0.1", lab.sip_tls_port, ssl=context, server_hostname=name
                )
                writer.close()
                await writer.wait_closed()
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.open_connection("127.0.0.1", lab.sip_tls_port, ssl=context, server_hostname="other.test")

    asyncio.run(run())


def test_handles_for_what_does_not_exist() -> None:
    async def run() -> None:
        async with Lab() as lab:
            for act in (lab.disable, lab.remove_extension, lab.call, lambda n: lab.set_password(n, "x")):
                with pytest.raises(NotFound):
                    act("555")
            with pytest.raises(NotFound, match="9196"):
                lab.call("901", "1")
            with pytest.raises(Conflict, match="not registered"):
                lab.call("901")
            with pytest.raises(Conflict):
                lab.add_extension("901")
            with pytest.raises(UsageError, match="status"):
                lab.api_fault("nonsense")  # type: ignore[arg-type]
            with pytest.raises(UsageError, match="call_ended"):
                await lab.wait_for("nonsense")
            with pytest.raises(TimeoutError, match="not seen"):
                await lab.wait_for("registered", timeout_s=0.01)

    asyncio.run(run())


GARBAGE = [
    b"\0",
    b"\r\n\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"INVITE\r\n\r\n",
    b"INVITE sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n",
    b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"SIP/2.0 999999999999999999999 OK\r\nContent-Length: 0\r\n\r\n",
    b"REGISTER sip:pbx.lab.test SIP/2.0\r\nVia: x\r\nFrom: x\r\nTo: x\r\nCall-ID: x\r\nCSeq: x\r\nl: 0\r\n\r\n",
    b"ACK sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n"
    b"Call-ID: 1\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
    b"\x16\x03\x01\x02\x00" + b"\x01" * 200,
    b"A" * 60_000,
]


def mutations(count: int) -> list[bytes]:
    """Damaged INVITEs, the same ones in every run."""
    chance = random.Random(7)
    invite = (
        b"INVITE sip:9196@pbx.lab.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKx;rport\r\n"
        b"From: <sip:901@pbx.lab.test>;tag=a\r\nTo: <sip:9196@pbx.lab.test>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
        b'Contact: <sip:901@127.0.0.1:9>\r\nAuthorization: Digest username="901", nonce="x"\r\n'
        b"Content-Type: application/sdp\r\nContent-Length: 4\r\n\r\nv=0\n"
    )
    damaged = []
    for _ in range(count):
        data = bytearray(invite)
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        damaged.append(bytes(data))
    return damaged


def test_garbage_on_every_port_harms_nobody() -> None:
    async def run() -> None:
        async with Lab() as lab:
            async with phone(lab, "901") as ua:
                for data in [*GARBAGE, *mutations(500)]:
                    ua.send(data)
                    await asyncio.sleep(0)
            for port in (lab.sip_tcp_port, lab.sip_tls_port, int(lab.api_url.rpartition(":")[2])):
                for data in [*GARBAGE, *mutations(20)]:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.write(data)
                    await writer.drain()
                    writer.transport.abort()
            async with phone(lab, "902", "tls") as ua:
                for data in [*mutations(20)]:
                    ua.send(data)
            for transport in ("udp", "tcp", "tls"):
                async with phone(lab, "903", transport) as ua:
                    await ua.register()
            assert lab.events.find("garbage", transport="udp")
            assert lab.events.find("garbage", transport="tcp")

    asyncio.run(run())


async def talk_on(sock: socket.socket, request: bytes) -> None:
    """Send requests, each a new one, for ever."""
    loop = asyncio.get_running_loop()
    for number in range(100_000):
        data = request.replace(b"z9hG4bK", b"z9hG4bK%d" % number)
        await asyncio.wait_for(loop.sock_sendall(sock, data), 5)


def test_who_never_reads_loses_his_connection() -> None:
    async def run() -> None:
        async with Lab() as lab:
            async with phone(lab, "901", "tcp") as ua:
                options = ua.request("OPTIONS", "sip:pbx.lab.test")
            deaf = socket.socket()
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # else the kernel listens for him
            deaf.connect(("127.0.0.1", lab.sip_tcp_port))
            deaf.setblocking(False)
            await lab.wait_for("connection_closed")
            with pytest.raises(ConnectionError):
                await talk_on(deaf, options)
            deaf.close()
            await lab.wait_for("connection_closed", count=2)
            async with phone(lab, "901", "tcp") as ua:
                await ua.register()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("method", "code"), [("OPTIONS", 200), ("SUBSCRIBE", 489), ("MESSAGE", 405), ("BYE", 481), ("FOO", 405)]
)
def test_requests_outside_of_calls(method: str, code: int) -> None:
    async def run() -> None:
        async with Lab() as lab, phone(lab, "901") as ua:
            ua.send(ua.request(method, f"sip:{lab.domain}"))
            response = await ua.expect(code)
            assert code not in (200, 405) or "INVITE" in response.headers["Allow"]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Require": "100rel"}, 420),
        ({"Max-Forwards": "0"}, 483),
        ({"Max-Forwards": "x"}, 400),
        ({"CSeq": "1 FOO"}, 400),
        ({"Contact": "nobody"}, 400),
    ],
)
def test_requests_that_are_refused_for_their_headers(headers: dict[str, str], code: int) -> None:
    async def run() -> None:
        async with Lab() as lab, phone(lab, "901") as ua:
            ua.target = f"sip:9196@{lab.domain}"
            ua.send(ua.request("INVITE", ua.target, body=sdp(4000), headers=headers))
            response = await ua.expect(code)
            assert code != 420 or response.headers["Unsupported"] == "100rel"

    asyncio.run(run())


def test_a_strange_body_is_415_and_a_strange_scheme_416() -> None:
    async def run() -> None:
        async with Lab() as lab, phone(lab, "901") as ua:
            await ua.invite("9196", b"<xml/>", headers={"Content-Type": "text/xml"})
            ua.ack(await ua.expect(415), branch=ua.branch)
            ua.send(ua.request("INVITE", "tel:+33123", body=sdp(4000)))
            await ua.expect(416)

    asyncio.run(run())
