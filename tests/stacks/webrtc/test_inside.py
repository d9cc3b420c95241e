"""What we use of aiortc from inside is still there: the first test to look at when another aiortc comes."""

from __future__ import annotations

import asyncio
import inspect
from importlib import metadata
from pathlib import Path

import aioice
import aiortc
import pylibsrtp
import pytest
from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceGatherer, RTCIceTransport

from softphone.stacks.webrtc import peer

ROOT = Path(__file__).resolve().parents[3]


def test_the_version_that_this_was_written_for() -> None:
    assert metadata.version("aiortc").split(".")[:2] == ["1", "16"]


def test_everything_that_is_reached_for_is_where_it_was() -> None:
    async def scene() -> None:
        gatherer = RTCIceGatherer(iceServers=[])
        ice = RTCIceTransport(gatherer)
        dtls = RTCDtlsTransport(ice, [RTCCertificate.generateCertificate()])
        objects = {"RTCIceTransport": ice, "RTCDtlsTransport": dtls, "Connection": ice._connection}
        for name, attributes in peer.INSIDE.items():
            missing = [each for each in attributes if not hasattr(objects[name], each)]
            assert not missing, f"aiortc {aiortc.__version__} has moved {name}.{', '.join(missing)}: see peer.py"
        await ice.stop()

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (aioice.ice.Connection.data_received, ["self", "data", "component"]),
        (aioice.ice.Connection.get_component_candidates, ["self", "component", "addresses", "timeout"]),
        (pylibsrtp.Session.protect, ["self", "packet"]),
        (pylibsrtp.Session.unprotect, ["self", "packet"]),
    ],
)
def test_what_is_called_or_replaced_is_called_the_same_way(function: object, parameters: list[str]) -> None:
    assert list(inspect.signature(function).parameters) == parameters  # type: ignore[arg-type]


def test_media_passes_by_the_place_that_we_listen_at() -> None:
    source = inspect.getsource(aioice.ice.StunProtocol.datagram_received)
    assert "self.receiver.data_received(" in source
    assert "transport.sendto" in inspect.getsource(aioice.ice.StunProtocol.send_data)


def test_no_other_file_reaches_inside() -> None:
    for file in (ROOT / "softphone").rglob("*.py"):
        text = file.read_text()
        if file.name != "peer.py":
            assert "import aiortc" not in text, file
            assert "from aiortc" not in text, file
            assert "aioice" not in text, file
