"""What is said of a device that does not open, for causes that this machine cannot be made to have."""

from __future__ import annotations

import errno
import re

import pjsua2 as pj
import pytest

from softphone.config.sound import EchoCancel
from softphone.errors import MediaError
from softphone.stacks.pjsip import alsa, device_faults, devices

MIC, SPEAKER = "hw:CARD=A,DEV=0", "plughw:CARD=B,DEV=0"


@pytest.mark.parametrize(
    ("microphone", "loudspeaker", "in_use", "says"),
    [
        (errno.EBUSY, 0, (), r"the microphone hw:CARD=A,DEV=0 cannot be opened \(EBUSY\): another program uses it"),
        (0, errno.EACCES, (), r"the loudspeaker plughw:CARD=B,DEV=0 cannot be opened \(EACCES\): .* group `audio`"),
        (
            errno.EBUSY,
            0,
            (MIC,),
            r"hw:CARD=A,DEV=0 is open for another call together with another device: share the device",
        ),
        (0, 0, (), r"do not take 16000 Hz mono \(why\); name it plughw:CARD=A,DEV=0, which converts"),
    ],
)
def test_why_a_device_does_not_open(
    microphone: int, loudspeaker: int, in_use: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {alsa.CAPTURE: microphone, alsa.PLAYBACK: loudspeaker}
    monkeypatch.setattr(alsa, "refusal", lambda name, stream: answers[stream])
    assert re.search(says, device_faults.why_not((MIC, SPEAKER), in_use, "why", 16_000))


def test_cards_that_this_user_may_not_use_are_not_called_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alsa, "listed", list)
    monkeypatch.setattr(alsa, "cards_forbidden", lambda: True)
    with pytest.raises(MediaError, match="no microphone named 'hw:0' .*add the user to the group `audio`"):
        device_faults.resolve("hw:0", "hw:0")


@pytest.mark.parametrize(("rate_hz", "less_noise", "noise"), [(8000, True, 0), (16000, False, 0), (16000, True, 128)])
def test_noise_is_suppressed_where_there_is_a_suppressor(rate_hz: int, less_noise: bool, noise: int) -> None:
    options = devices.echo_options(rate_hz, less_noise=less_noise)
    assert options & pj.PJMEDIA_ECHO_USE_NOISE_SUPPRESSOR == noise
    settings = EchoCancel(noise_suppression=less_noise)
    assert devices.Devices(settings, rate_hz)._echo_options == options
