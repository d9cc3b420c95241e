"""The only file that names concrete stacks: what it decides before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from softphone.agent import Agent
from softphone.config import Config, Context
from softphone.wiring import build, mixer_rate_hz


def config(folder: Path, **keys: Any) -> Config:
    return Config.model_validate({"accounts": []} | keys, context=Context(base=folder))


@pytest.mark.parametrize(
    ("wanted", "codecs", "echo", "rate_hz"),
    [
        ("auto", ["pcmu", "pcma", "gsm"], False, 8000),
        ("auto", ["pcmu"], True, 16000),
        ("auto", ["pcmu", "g722"], False, 16000),
        ("auto", ["opus"], False, 16000),
        ("auto", [], False, 8000),
        (48000, ["pcmu"], False, 48000),
        (8000, ["opus"], True, 8000),
    ],
)
def test_the_mixer_is_as_wide_as_the_codecs(wanted: int | str, codecs: list[str], echo: bool, rate_hz: int) -> None:
    assert mixer_rate_hz(wanted, codecs, echo=echo) == rate_hz


def test_an_agent_that_has_not_started(tmp_path: Path) -> None:
    agent = build(config(tmp_path, control={"event_history": 1000}))
    assert isinstance(agent, Agent)
    status = agent.status()
    assert (status.state, status.ready, status.provider) == ("starting", False, None)
    assert agent.accounts() == []
    assert agent.calls() == []
