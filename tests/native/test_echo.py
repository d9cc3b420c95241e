"""Echo and noise taken away, measured on a synthetic path; docs/sound.md has the table that echo_path.py prints."""

from __future__ import annotations

import pjsua2 as pj
import pytest

from .echo_path import measure, measure_noise


@pytest.mark.parametrize(
    ("rate_hz", "delay_ms", "erle_db", "likeness"),
    [(8_000, 120, 12, 0.6), (16_000, 40, 20, 0.85), (16_000, 250, 20, 0.8), (48_000, 120, 12, 0.8)],
)
def test_echo_is_cancelled_and_the_near_end_is_kept(
    endpoint: pj.Endpoint, rate_hz: int, delay_ms: int, erle_db: float, likeness: float
) -> None:
    found = measure(rate_hz, delay_ms)
    assert found.erle_db >= erle_db, found
    assert found.near_score >= likeness, found
    assert rate_hz == 8_000 or found.near_loss_db < 4, found


@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
def test_steady_noise_is_suppressed_and_speech_is_kept(endpoint: pj.Endpoint, rate_hz: int) -> None:
    found = measure_noise(rate_hz)
    assert found.less_db >= 9, found
    assert abs(found.speech_loss_db) < 1.5, found
    assert found.score > 0.95, found


def test_frames_must_fit(endpoint: pj.Endpoint) -> None:
    canceller = pj.EchoCanceller(16_000, 320, 200, pj.PJMEDIA_ECHO_WEBRTC_AEC3 | pj.PJMEDIA_ECHO_USE_SW_ECHO)
    with pytest.raises(ValueError, match="whole frames"):
        canceller.cancel(bytes(640), bytes(1280))
    with pytest.raises(pj.Error):
        pj.EchoCanceller(8_000, 160, 200, pj.PJMEDIA_ECHO_WEBRTC_AEC3 | pj.PJMEDIA_ECHO_USE_SW_ECHO)
