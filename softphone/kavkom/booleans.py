"""The service writes yes and no in several ways: `"true"`, `1`, `"0"`, true. One reader, one documented writer each."""

from __future__ import annotations

_YES = frozenset(("true", "1", "yes", "on", "y", "t"))
_NO = frozenset(("false", "0", "no", "off", "n", "f"))


def parse_bool(value: object) -> bool:
    """Reads true/false, 1/0 and the usual words in any case. Raises ValueError for everything else, null too."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _YES:
            return True
        if word in _NO:
            return False
    raise ValueError("neither true nor false")


def as_digit(value: bool) -> str:
    """For `with_user`: `1` or `0`."""
    return "1" if value else "0"


def as_word(value: bool) -> str:
    """For `auto_answer` and `ignore_early`: the text `true` or `false`."""
    return "true" if value else "false"
