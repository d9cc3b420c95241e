"""The DTLS handshake by itself: both roles, loss, wrong certificates, and descriptions that ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.lab.media.dtls import Handshake, Identity, new_identity
from softphone.lab.media.negotiation import NotAcceptable, agree
from softphone.lab.media.srtp import SdesKey
from softphone.lab.sip.sdp import Session

WEB = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
{session}
m=audio 9 UDP/TLS/RTP/SAVPF 111 0
c=IN IP4 {address}
a=rtpmap:111 opus/48000/2
{media}
"""


class Ends:
    """Two ends that hand each other their datagrams; `lose` says which of them get lost."""

    def __init__(self, announced: tuple[str, str], lose: Callable[[int], bool] = lambda _: False) -> None:
        self.identities = (new_identity(), new_identity())
        self.keys: dict[bool, tuple[SdesKey, SdesKey]] = {}
        self.failures: list[str] = []
        self.sent = 0
        self.changed = asyncio.Event()
        self._lose = lose
        prints = [announced[n] or self.identities[n].fingerprint for n in (0, 1)]
        self.client = self._end(self.identities[0], prints[1], client=True)
        self.server = self._end(self.identities[1], prints[0], client=False)

    def _end(self, identity: Identity, fingerprint: str, *, client: bool) -> Handshake:
        def keyed(local: SdesKey, remote: SdesKey) -> None:
            self.keys[client] = (local, remote)
            self.changed.set()

        def failed(why: str) -> None:
            self.failures.append(why)
            self.changed.set()

        return Handshake(
            identity,
            client=client,
            fingerprints=[fingerprint],
            send=lambda data: self._carry(data, to_server=client),
            on_keys=keyed,
            on_failure=failed,
        )

    def _carry(self, data: bytes, *, to_server: bool) -> None:
        self.sent += 1
        assert len(data) <= 1400
        if not self._lose(self.sent):
            end = self.server if to_server else self.client
            asyncio.get_running_loop().call_soon(end.receive, data)

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not done():
                self.changed.clear()
                await self.changed.wait()

    def close(self) -> None:
        self.client.close()
        self.server.close()


@pytest.mark.parametrize("lost", [(), (1,), (2,), (3, 4)])
def test_both_ends_get_each_others_keys(lost: tuple[int, ...]) -> None:
    async def play() -> None:
        ends = Ends(("", ""), lambda number: number in lost)
        ends.client.start()
        await ends.until(lambda: len(ends.keys) == 2)
        assert ends.keys[True] == ends.keys[False][::-1]
        assert ends.keys[True][0] != ends.keys[True][1]
        ends.client.receive(b"\x14no record at all")
        ends.close()
        assert not ends.failures

    asyncio.run(play())


def test_another_certificate_is_refused() -> None:
    async def play() -> None:
        ends = Ends(("sha-256 " + ":".join(["00"] * 32), ""))
        ends.client.start()
        await ends.until(lambda: bool(ends.failures))
        assert "fingerprint" in ends.failures[0]
        assert False not in ends.keys
        ends.close()

    asyncio.run(play())


def web(session: str = "", media: str = "", address: str = "0.0.0.0") -> Session:
    return Session.parse(
        "\n".join(filter(None, WEB.format(session=session, media=media, address=address).split("\n"))).encode()
    )


def test_what_a_description_says_of_dtls() -> None:
    terms = agree(
        web(
            "a=fingerprint:sha-256 AA\na=group:BUNDLE x 0",
            "a=setup:passive\na=ice-ufrag:u\na=ice-pwd:p\na=mid:0",
            "4f1c.local",
        ),
        any_codec=True,
        policy="mandatory",
    )
    assert terms.dtls is not None
    assert (terms.dtls.client, terms.dtls.mid, terms.dtls.bundled) == (True, "0", True)
    assert terms.secure
    assert terms.sending
    for broken in (web(), web(media="a=fingerprint:sha-256 AA", address="host.example")):
        with pytest.raises(NotAcceptable):
            agree(broken, any_codec=True, policy="optional")


LINES = st.sampled_from(["setup", "fingerprint", "ice-ufrag", "ice-pwd", "mid", "group", "rtcp-mux", "rtcp", "fmtp"])


@given(st.lists(st.tuples(LINES, st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=20))))
def test_any_attributes_are_survived(attributes: list[tuple[str, str]]) -> None:
    text = "\n".join(f"a={name}:{value}" for name, value in attributes)
    try:
        agree(web(text, text), any_codec=True, policy="optional")
    except NotAcceptable:
        return
