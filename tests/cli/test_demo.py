"""The demo itself, whole; and what it says when something fails."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from softphone.cli.demo.prompt import prompt
from softphone.cli.demo.proof import look_for, must_be_heard
from softphone.cli.demo.stage import DemoFailed, Stage
from softphone.errors import SoftphoneError
from softphone.testing.audio import Sound, find, read_wav, silence, speech_like, tone
from tests.cli.shell import run


@pytest.mark.e2e
def test_the_demo_proves_everything(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    ended = run("demo", "--json", "--keep", str(kept))
    assert ended.code == 0, ended.err
    steps = ended.json["steps"]
    assert [step["ok"] for step in steps] == [True] * 8
    figures = {key: value for step in steps for key, value in step["figures"].items()}
    assert figures["likeness"] > 0.9
    assert figures["notes"] >= 8
    assert 0 < figures["delay_ms"] < 500
    assert figures["digits"] == "2468"
    assert look_for(prompt(), read_wav(kept / "echo.wav", 0)).heard >= 8
    assert "password" not in (kept / "softphone.yaml").read_text()


def test_a_step_that_fails_is_told_with_its_number() -> None:
    out = io.StringIO()
    stage = Stage(out)
    with stage.step("first") as step:
        step.detail("on the way")
        step.proven("it holds", figure=1.5)

    def second() -> None:
        with stage.step("second"):
            raise SoftphoneError("nobody answered")

    with pytest.raises(DemoFailed, match="step 2, second: nobody answered"):
        second()
    assert "      on the way\n    ✓ it holds" in out.getvalue()
    assert "    ✗ nobody answered" in out.getvalue()
    assert [(r.ok, r.figures) for r in stage.results] == [(True, {"figure": 1.5}), (False, {})]


def test_no_part_of_the_prompt_resembles_another() -> None:
    """Else an echo could be found in the wrong place."""
    said = prompt()
    half = said.seconds / 2
    assert find(said.cut(0, half), Sound(said.cut(half).samples, said.rate_hz)).score < 0.5
    match = find(said, said)
    assert (round(match.score, 6), match.lag_s) == (1.0, 0.0)


def test_notes_are_found_where_a_jitter_buffer_slipped_and_nowhere_else() -> None:
    said = prompt()
    parts = (silence(0.3), said.cut(0, 1.1), silence(0.04), said.cut(1.1), silence(0.5))
    slipped = Sound(np.concatenate([part.samples for part in parts]), said.rate_hz)
    proof = must_be_heard(said, slipped, "the recording")
    assert (proof.heard >= 9, proof.of, round(proof.lag_s, 2)) == (True, 10, 0.34)
    for other in (silence(3), speech_like(3), tone(440, 3), Sound(said.samples[::-1], said.rate_hz)):
        with pytest.raises(SoftphoneError, match="the recording does not hold what was said: [0-3] of 10 notes"):
            must_be_heard(said, other, "the recording")


def test_a_folder_that_exists_is_not_written_into(tmp_path: Path) -> None:
    ended = run("demo", "--keep", str(tmp_path))
    assert ended.code == 2
    assert "is there already" in ended.err
