"""ALSA asked directly: lists, refusals, and the words for them."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from softphone.stacks.pjsip import alsa


def test_lists_what_is_configured_and_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = tmp_path / "asound.conf"
    conf.write_text(
        'pcm.door { type file  file "/no/such/x"  slave.pcm null  hint { show on  description "Front\\n door" } }\n'
        "pcm.hidden { type null }\n"
    )
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(conf))
    assert alsa.listed() == [alsa.AlsaDevice("door", "Front door", True, True)]
    assert alsa.refusal("hidden", alsa.PLAYBACK) == 0
    assert alsa.refusal("missing", alsa.CAPTURE) == errno.ENOENT


def test_a_machine_without_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALSA_CONFIG_PATH", "/dev/null")
    assert alsa.listed() == []


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EBUSY, "another program uses it"),
        (errno.EACCES, "add the user to the group `audio`"),
        (errno.EPERM, "add the user to the group `audio`"),
        (errno.ENODEV, "not plugged in"),
        (errno.ECONNREFUSED, "PulseAudio or PipeWire"),
        (errno.EINVAL, "Invalid argument"),
    ],
)
def test_every_refusal_has_its_words(number: int, says: str) -> None:
    assert says in alsa.explain(number)


def test_cards_that_this_user_may_not_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not alsa.cards_forbidden(tmp_path / "none")
    assert not alsa.cards_forbidden(tmp_path)
    (tmp_path / "pcmC0D0p").touch()
    assert not alsa.cards_forbidden(tmp_path)
    monkeypatch.setattr(alsa.os, "access", lambda path, mode: False)
    assert alsa.cards_forbidden(tmp_path)


def test_a_card_by_number(tmp_path: Path) -> None:
    (tmp_path / "card1").mkdir()
    (tmp_path / "card1" / "id").write_text("USB\n")
    assert (alsa.card_id("1", tmp_path), alsa.card_id("2", tmp_path)) == ("USB", "2")
