"""Durations as people write and read them."""

import pytest

from softphone.cli.durations import parse_duration, show_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5),
        ("5", 5),
        ("2.5", 2.5),
        ("1m30s", 90),
        ("500ms", 0.5),
        ("2h", 7200),
        ("1h1m1s1ms", 3661.001),
        (" 3s ", 3),
    ],
)
def test_what_people_write(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "5x", "-1s", "0", "0s", "1s1m", "5 s", "1e9", "9999h", "inf", "٥s٥"])
def test_what_is_refused_says_what_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration such as 5s"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (42.4, "42 s"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (277200, "3 d 5 h"),
    ],
)
def test_what_people_read(seconds: float, text: str) -> None:
    assert show_duration(seconds) == text
