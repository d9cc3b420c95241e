"""Text for people: plain where nobody watches, coloured where somebody does."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest

from softphone.cli.output import STYLES, ago, clock_time, count_of, paint, print_facts, print_table
from softphone.cli.telling import sentence
from softphone.events import encode, event_types


class Terminal(io.StringIO):
    """A text stream that says somebody watches."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_plain_table_is_aligned_and_has_no_drawings() -> None:
    out = io.StringIO()
    print_table(("a", "long name"), [["xyz", "1"], ["x", ""]], empty="none", out=out)
    assert out.getvalue() == "A    LONG NAME\nxyz  1\nx\n"


def test_an_empty_table_says_so() -> None:
    out = io.StringIO()
    print_table(("a",), [], empty="no calls", out=out)
    assert out.getvalue() == "no calls\n"


def test_a_table_on_a_terminal_cuts_nothing_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    long = "127.0.0.1:5061-and-more-that-does-not-fit-into-one-line-at-all"
    print_table(("account", "state", "registrar"), [["901@pbx.test", "failed", long]], empty="none", out=out)
    assert "\x1b[1;31m" in out.getvalue()
    assert "…" not in out.getvalue()


def test_facts_without_a_value_are_left_out() -> None:
    out = io.StringIO()
    print_facts({"one": "a\nb", "second": "", "third": "c"}, out=out)
    assert out.getvalue() == "one    a\n       b\nthird  c\n"


def test_only_the_word_is_painted() -> None:
    assert paint("ready, version 1", Terminal()) == "\x1b[32mready\x1b[0m, version 1"
    assert paint("ready", io.StringIO()) == "ready"
    assert paint("unknown state", Terminal()) == "unknown state"
    assert paint("", Terminal()) == ""


def test_no_color_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint("failed", Terminal()) == "failed"


def test_every_style_is_one_we_can_paint() -> None:
    assert all(paint(word, Terminal()) != word for word in STYLES)


def test_times_and_counts() -> None:
    now = datetime(2025, 1, 1, 12, 3, 20, tzinfo=UTC)
    assert ago("2025-01-01T12:00:00.000Z", now) == "3 min 20 s ago"
    assert (ago(None), clock_time(None)) == ("", "")
    assert (count_of(1, "call"), count_of(2, "call"), count_of(2, "entry", "entries")) == (
        "1 call",
        "2 calls",
        "2 entries",
    )


VALUES = {
    "str": "x",
    "int": 7,
    "float": 2.5,
    "bool": True,
    "list[str]": ["y"],
    "dict[str, list[str]]": {},
    "dict[str, Any]": {},
}


@pytest.mark.parametrize("name", list(event_types()))
def test_every_event_has_a_sentence(name: str) -> None:
    """Made with a value for each field, as its annotation says; None where None may be."""
    cls = event_types()[name]
    fields = {n: f.type for n, f in cls.__dataclass_fields__.items() if n != "type"}
    event = cls(**{n: None if "None" in str(kind) else VALUES[str(kind)] for n, kind in fields.items()})
    said = sentence(encode(event))
    assert said
    assert "=" not in said  # the form of events that nobody put into words


def test_an_unknown_event_shows_its_fields() -> None:
    assert sentence({"type": "call.new", "id": "1", "time": "", "call": "c1", "account": "a", "what": 3}) == "what=3"
