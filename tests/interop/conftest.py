"""The peers as fixtures. A failed test shows what its peers logged."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.peers.asterisk.server import Asterisk
from tests.interop.peers.kamailio.server import Kamailio
from tests.interop.peers.kavkom_api import Extension, KavkomApi
from tests.interop.peers.rtp import RtpEnd
from tests.interop.peers.sipp.run import Sipp
from tests.interop.phone import TLS_LINE, WSS_LINE, Line, Phones

_HERE = Path(__file__).parent
_LOG_CHARS = 30_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks everything in this folder as interop, so that `-m interop` finds it."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.interop)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Adds the peers' logs to the report of a failed test."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.when != "call" or not report.failed or not isinstance(item, pytest.Function):
        return
    pbx, sipp, phones = (item.funcargs.get(name) for name in ("asterisk", "sipp", "phones"))
    if isinstance(phones, Phones):
        report.sections += [("the daemon's log", log[-_LOG_CHARS:]) for log in phones.logs()]
    if isinstance(pbx, Asterisk):
        report.sections.append(("Asterisk's log", pbx.test_log()[-_LOG_CHARS:]))
    for name in ("kamailio", "other"):
        if isinstance(proxy := item.funcargs.get(name), Kamailio):
            report.sections.append(("Kamailio's log", proxy.log()[-_LOG_CHARS:]))
    if isinstance(sipp, Sipp):
        report.sections.append(("SIPp", sipp.story()[-_LOG_CHARS:]))


@pytest.fixture(scope="session")
def running_asterisk() -> Iterator[Asterisk]:
    """The one PBX of the test run; tests take `asterisk`."""
    with Asterisk() as pbx:
        yield pbx


@pytest.fixture
def asterisk(running_asterisk: Asterisk) -> Iterator[Asterisk]:
    """The PBX without any call or contact; its events and log count from here."""
    running_asterisk.begin_test()
    yield running_asterisk
    running_asterisk.ensure_running()


@pytest.fixture
def sipp(tmp_path: Path) -> Iterator[Sipp]:
    """Starts SIPp runs; what still runs at the end of the test is ended."""
    runs = Sipp(tmp_path)
    yield runs
    runs.close()


@pytest.fixture
def rtp() -> Iterator[RtpEnd]:
    """An RTP end for a SIPp call: gives its SDP a port that speaks and hears."""
    with RtpEnd() as end:
        yield end


@pytest.fixture
def api(asterisk: Asterisk) -> Iterator[KavkomApi]:
    """The hosted PBX's API, with all of Asterisk's users."""
    users = asterisk.users.values()
    with KavkomApi([Extension(user.extension, user.password, asterisk.domain) for user in users]) as server:
        yield server


@pytest.fixture
def phones(asterisk: Asterisk, api: KavkomApi, tmp_path: Path) -> Phones:
    """Starts the product: `with phones.provisioned("901") as phone`."""
    return Phones(asterisk, api, tmp_path)


@pytest.fixture(params=[TLS_LINE, WSS_LINE], ids=str)
def line(request: pytest.FixtureRequest) -> Line:
    """A test that takes this runs over TLS and over WebSocket."""
    found: Line = request.param
    return found
