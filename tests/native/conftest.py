"""A PJSIP endpoint with a clock and no sound device, and the build script's parts within reach of import."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pjsua2 as pj
import pytest

from .bench import quiet_endpoint

sys.path.append(str(Path(__file__).parents[2] / "native"))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[pj.Endpoint]:
    with quiet_endpoint() as running:
        yield running
