"""The phone and baresip call each other, without anybody between them. Each scene is judged by baresip as well: by its
events, its log of SIP and what it heard."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from softphone.testing.audio import Sound, strongest_tone, tone, write_wav
from tests.interop.peers.baresip.phone import Baresip
from tests.interop.peers.ports import free_ports
from tests.interop.phone import Phone

OUR_TONE_HZ = 440
TALK_S = 1.5  # of each side's tone
Start = Callable[..., Baresip]


@pytest.fixture
def baresip(tmp_path: Path) -> Iterator[Start]:
    """Starts a baresip: baresip("name", "mediaenc=srtp-mand", tone_hz=700)."""
    with ExitStack() as stack:

        def start(name: str, *account: str, **options: Any) -> Baresip:
            return stack.enter_context(Baresip(tmp_path / name, options.pop("tone_hz", 1000), *account, **options))

        yield start


class Ours:
    """The phone, with an account for each baresip; an account says a tone, and takes calls by itself."""

    def __init__(self, folder: Path, *accounts: dict[str, Any]) -> None:
        self.udp_port, self.tcp_port = free_ports(2)
        self._folder = folder / "ours"
        self._folder.mkdir()
        write_wav(self._folder / "tone.wav", tone(OUR_TONE_HZ, 10))
        sip = {"udp_port": self.udp_port, "tcp_port": self.tcp_port}
        self.phone = Phone({"accounts": [self._account(**a) for a in accounts], "sip": sip}, self._folder, SECRET="x")

    def _account(self, name: str, peer: Baresip, transport: str = "udp", **settings: Any) -> dict[str, Any]:
        return {
            "username": name,
            "password": {"env": "SECRET"},
            "domain": "127.0.0.1",
            "registrar": f"127.0.0.1:{peer.port}",
            "transport": transport,
            "register": False,
            "incoming": [{"action": "answer"}],
            "audio": {"file": str(self._folder / "tone.wav"), "loop": True},
        } | settings

    def uri(self, name: str, transport: str = "udp") -> str:
        """Where a baresip calls an account of ours."""
        port = self.udp_port if transport == "udp" else self.tcp_port
        return f"sip:{name}@127.0.0.1:{port};transport={transport}"


def call_out(phone: Phone, peer: Baresip, name: str) -> str:
    """Our call to a baresip, answered at both ends."""
    call = phone.connected(peer.uri, f"{name}@127.0.0.1")
    peer.told("CALL_ESTABLISHED", direction="incoming")
    return call


def call_in(phone: Phone, peer: Baresip, uri: str, name: str) -> str:
    """A baresip's call to us, answered at both ends."""
    peer.calls(uri)
    call = str(phone.told("call.incoming", account=f"{name}@127.0.0.1")["call"])
    phone.told("call.answered", call=call)
    phone.told("call.media", call=call, active=True)
    peer.told("CALL_ESTABLISHED", direction="outgoing")
    return call


def talk(phone: Phone, calls: dict[str, Baresip], seconds: float = TALK_S) -> dict[str, Sound]:
    """Lets both ends say their tones, hangs up, and returns what we heard in each call."""
    for call in calls:
        phone.control.record(call, f"heard-{call}.wav", mode="stereo", max_duration_s=seconds)
    told = {call: phone.told("record.ended", call=call, within_s=seconds + 15) for call in calls}
    for call, peer in calls.items():
        phone.hung_up(call)
        peer.told("CALL_CLOSED")
    return {call: phone.heard_in(Path(event["file"])) for call, event in told.items()}


def is_tone(sound: Sound, frequency_hz: float) -> bool:
    """Whether a sound is this tone, but for its beginning."""
    found = strongest_tone(sound.cut(0.4))
    return abs(found.frequency_hz - frequency_hz) < 5 and found.share > 0.8


# ---- codecs

CODECS = {  # transport, codec as baresip logs it, its name with us
    "opus": ("udp", "opus 48000Hz", "opus"),
    "g722": ("tcp", "G722 16000Hz", "G722"),
    "pcma": ("udp", "PCMA 8000Hz", "PCMA"),
    "pcmu": ("tcp", "PCMU 8000Hz", "PCMU"),
    "gsm": ("udp", "GSM 8000Hz", "GSM"),
}


@pytest.mark.parametrize("direction", ["out", "in"])
def test_every_codec_that_both_have(baresip: Start, tmp_path: Path, direction: str) -> None:
    peers = {
        codec: baresip(codec, f"audio_codecs={codec}", tone_hz=700 + 100 * number, transport=transport)
        for number, (codec, (transport, _, _)) in enumerate(CODECS.items())
    }
    accounts = [dict(name=c, peer=peer, transport=CODECS[c][0], codecs=[c]) for c, peer in peers.items()]
    ours = Ours(tmp_path, *accounts)
    with ours.phone as phone:
        calls = {}
        for codec, peer in peers.items():
            uri = ours.uri(codec, CODECS[codec][0])
            call = call_out(phone, peer, codec) if direction == "out" else call_in(phone, peer, uri, codec)
            calls[call] = peer
            assert phone.control.call(call)["codec"] == CODECS[codec][2]
        heard = talk(phone, calls)
    for codec, call in zip(peers, calls, strict=True):
        peer = peers[codec]
        peer.logged(f"Set audio decoder: {CODECS[codec][1]}")
        peer.logged(f"Set audio encoder: {CODECS[codec][1]}")
        assert is_tone(heard[call], peer.tone_hz), codec
        assert is_tone(peer.heard(), OUR_TONE_HZ), codec


# ---- hold


def flows(peer: Baresip, seconds: float = 0.5) -> tuple[bool, bool]:
    """Whether sound leaves baresip, and whether it arrives there, by its own counters."""
    before = peer.packets()
    time.sleep(seconds)
    after = peer.packets()
    return after.sent > before.sent + 10, after.received > before.received + 10


def test_our_side_holds(baresip: Start, tmp_path: Path) -> None:
    peer = baresip("peer", "audio_codecs=pcmu")
    with Ours(tmp_path, dict(name="901", peer=peer, codecs=["pcmu"])).phone as phone:
        call = call_out(phone, peer, "901")
        assert flows(peer, 1.2) == (True, True)
        phone.control.hold(call)
        phone.told("call.hold", call=call, by="local", held=True)
        peer.logged(r"(?s)got re-INVITE.*a=recvonly")
        sends, _ = flows(peer)
        assert not sends
        phone.control.resume(call)
        phone.told("call.hold", call=call, by="local", held=False)
        assert flows(peer) == (True, True)
        heard = talk(phone, {call: peer}, 0.8)
    assert is_tone(heard[call], peer.tone_hz)
    assert is_tone(peer.heard(), OUR_TONE_HZ)  # before the hold; after it, baresip dumps no more


def test_baresip_holds(baresip: Start, tmp_path: Path) -> None:
    peer = baresip("peer", "audio_codecs=pcmu")
    ours = Ours(tmp_path, dict(name="901", peer=peer, codecs=["pcmu"]))
    with ours.phone as phone:
        call = call_in(phone, peer, ours.uri("901"), "901")
        peer.does("hold")
        phone.told("call.hold", call=call, by="remote", held=True)
        peer.told("CALL_REMOTE_SDP", param="answer", count=2)
        _, hears = flows(peer)
        assert not hears
        peer.does("resume")
        phone.told("call.hold", call=call, by="remote", held=False)
        assert flows(peer) == (True, True)
        heard = talk(phone, {call: peer}, 0.8)
    assert is_tone(heard[call], peer.tone_hz)


# ---- transfer


def test_our_side_transfers(baresip: Start, tmp_path: Path) -> None:
    first, second = baresip("first"), baresip("second")
    with Ours(tmp_path, dict(name="901", peer=first)).phone as phone:
        call = call_out(phone, first, "901")
        phone.control.transfer(call, second.uri)
        second.told("CALL_ESTABLISHED", direction="incoming")
        first.told("CALL_ESTABLISHED", direction="outgoing")
        phone.told("call.transfer", call=call, state="done")
        assert phone.ended(call)["reason"] == "transferred"
        first.told("CALL_CLOSED", direction="incoming")
        assert not second.all("CALL_CLOSED")


def test_baresip_transfers(baresip: Start, tmp_path: Path) -> None:
    """To itself, where our calls go anyhow: baresip is the account's registrar."""
    peer = baresip("peer", "audio_codecs=pcmu")
    ours = Ours(tmp_path, dict(name="901", peer=peer, transfers="accept", codecs=["pcmu"]))
    with ours.phone as phone:
        call = call_out(phone, peer, "901")
        peer.does("transfer", peer.uri)
        new = phone.told("call.transfer_asked", call=call, accepted=True)["new_call"]
        phone.told("call.answered", call=new)
        peer.told("CALL_ESTABLISHED", direction="incoming", count=2)
        peer.logged(r"(?s)NOTIFY.*message/sipfrag.*SIP/2.0 200 OK")
        assert phone.ended(call)["reason"] == "remote_hangup"  # baresip hangs up once the transfer is done
        heard = talk(phone, {new: peer})
    assert is_tone(heard[new], peer.tone_hz)
    assert is_tone(peer.heard(), OUR_TONE_HZ)


# ---- encryption

# baresip's account, what differs in ours, the keys, the suite, what baresip says of it
SECURE: dict[str, tuple[str, dict[str, Any], str, str, str]] = {
    "sdes": ("srtp-mand", {}, "sdes", "AES_CM_128_HMAC_SHA1_80", r"a=crypto:\d AES_CM_128_HMAC_SHA1_80"),
    "dtls": (
        "dtls_srtp",
        {"srtp_keying": "dtls"},
        "dtls",
        "AES_CM_128_HMAC_SHA1_80",
        r"DTLS-SRTP complete \(audio/RTP\) Profile=AES_CM_128_HMAC_SHA1_80",
    ),
    "dtls-gcm": (
        "dtls_srtp",
        {"srtp_keying": "dtls", "srtp_suites": ["AEAD_AES_256_GCM"]},
        "dtls",
        "AEAD_AES_256_GCM",
        r"DTLS-SRTP complete \(audio/RTP\) Profile=AEAD_AES_256_GCM",
    ),
}


@pytest.mark.parametrize("direction", ["out", "in"])
def test_encrypted(baresip: Start, tmp_path: Path, direction: str) -> None:
    peers = {name: baresip(name, f"mediaenc={words[0]}", "audio_codecs=pcmu") for name, words in SECURE.items()}
    accounts = [
        dict(name=name, peer=peer, srtp="mandatory", codecs=["pcmu"]) | SECURE[name][1] for name, peer in peers.items()
    ]
    ours = Ours(tmp_path, *accounts)
    with ours.phone as phone:
        calls = {}
        for name, peer in peers.items():
            call = call_out(phone, peer, name) if direction == "out" else call_in(phone, peer, ours.uri(name), name)
            calls[call] = peer
            view = phone.control.call(call)
            assert (view["srtp_keying"], view["srtp"]) == SECURE[name][2:4], name
        heard = talk(phone, calls)
    for (name, peer), call in zip(peers.items(), calls, strict=True):
        peer.logged(SECURE[name][4])
        assert is_tone(heard[call], peer.tone_hz), name
        assert is_tone(peer.heard(), OUR_TONE_HZ), name


def test_encryption_that_only_one_side_wants(baresip: Start, tmp_path: Path) -> None:
    plain, secure = baresip("plain"), baresip("secure", "mediaenc=srtp-mand")
    ours = Ours(
        tmp_path,
        dict(name="mandatory", peer=plain, srtp="mandatory"),
        dict(name="prefer", peer=plain, srtp="prefer"),
        dict(name="off", peer=secure),
    )
    with ours.phone as phone:
        for name, peer in (("mandatory", plain), ("off", secure)):
            ended = phone.ended(phone.dial(peer.uri, f"{name}@127.0.0.1"))
            assert (ended["reason"], ended["code"]) == ("no_common_media", 488), name
        call = call_out(phone, plain, "prefer")
        assert phone.told("call.unencrypted", call=call)["cause"]
        assert phone.control.call(call)["srtp"] == ""
        phone.hung_up(call)
