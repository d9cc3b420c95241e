"""The `trace:` part of the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from softphone.config import Config, Context


def config(**trace: Any) -> Config:
    return Config.model_validate(
        {"trace": trace}, context=Context(base=Path("/nonexistent"), environ={"HEP_KEY": "s3cret-key"})
    )


def test_nothing_is_traced_unless_it_is_wanted() -> None:
    trace = Config().trace
    assert (trace.sip, trace.show_digits, trace.hep) == (False, False, None)


def test_a_collector() -> None:
    hep = config(sip=True, hep={"collector": "homer.example.com", "auth_key": {"env": "HEP_KEY"}}).trace.hep
    assert hep is not None
    assert hep.place == ("homer.example.com", 9060)
    assert (hep.transport, hep.capture_id) == ("udp", 2001)
    assert hep.auth_key is not None
    assert hep.auth_key.reveal() == "s3cret-key"
    assert "s3cret" not in repr(hep)
    six = config(hep={"collector": "[2001:db8::1]:9061", "transport": "tcp"}).trace.hep
    assert six is not None
    assert six.place == ("2001:db8::1", 9061)


@pytest.mark.parametrize(
    "trace",
    [
        {"hep": {}},
        {"hep": {"collector": "homer:99999"}},
        {"hep": {"collector": "homer", "transport": "tls"}},
        {"hep": {"collector": "homer", "auth_key": "in the open"}},
        {"hep": {"collector": "homer", "capture_id": -1}},
        {"keep_messages": 0},
        {"keep_mb": 0},
        {"keep_s": 0},
        {"sip": "sometimes"},
    ],
)
def test_what_makes_no_sense_is_refused(trace: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(**trace)
