"""Ports and endpoints that come and go."""

import pytest

from .bench import run_program


@pytest.mark.timeout(180)
def test_ports_outlive_the_endpoint_and_nothing_leaks() -> None:
    result = run_program("outlive", "50").json
    assert result["descriptors_after"] <= result["descriptors_before"]
