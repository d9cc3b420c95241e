"""A PJSIP endpoint with a clock and no sound device, for tests of our own port in this process."""

from collections.abc import Iterator

import pjsua2 as pj
import pytest

from .bench import quiet_endpoint


@pytest.fixture(scope="module")
def endpoint() -> Iterator[pj.Endpoint]:
    with quiet_endpoint() as running:
        yield running
