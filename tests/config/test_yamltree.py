"""Reading YAML: what stays text, where things stand, and what is refused."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from softphone.config.yamltree import MAX_DEPTH, MAX_VALUES, dotted, parse
from softphone.errors import ConfigError

LOADERS = [yaml.SafeLoader, yaml.CSafeLoader]


@pytest.fixture(params=LOADERS, ids=["python", "c"])
def loader(request: pytest.FixtureRequest) -> Any:
    return request.param


def problems(text: str, loader: Any) -> list[tuple[int | None, str, str]]:
    return [(error.line, error.key, error.message) for error in parse(text, loader).problems]


def test_what_people_type_stays_what_it_is(loader: Any) -> None:
    text = """
srtp: off
register: yes
mode: 0660
user: 0901
caller: +33612345678
time: 12:30
day: 2026-01-02
count: 12
negative: -3
share: 0.5
quoted: "12"
tagged: !!str 12
nothing: null
tilde: ~
empty:
on: true
"""
    assert parse(text, loader).data == {
        "srtp": "off",
        "register": "yes",
        "mode": "0660",
        "user": "0901",
        "caller": "+33612345678",
        "time": "12:30",
        "day": "2026-01-02",
        "count": 12,
        "negative": -3,
        "share": 0.5,
        "quoted": "12",
        "tagged": "12",
        "nothing": None,
        "tilde": None,
        "empty": None,
        "on": True,
    }


def test_lines_of_keys_items_and_what_is_missing(loader: Any) -> None:
    tree = parse("a:\n  b: 1\n  c:\n    - x\n    - y: 2\n", loader)
    assert tree.line_of(("a",)) == 1
    assert tree.line_of(("a", "b")) == 2
    assert tree.line_of(("a", "c", 0)) == 4
    assert tree.line_of(("a", "c", 1, "y")) == 5
    assert tree.line_of(("a", "c", 1, "missing", "deeper")) == 5
    assert tree.line_of(("nowhere",)) == 1


def test_dotted() -> None:
    assert dotted(("accounts", 0, "tls", "verify")) == "accounts[0].tls.verify"
    assert dotted(()) == ""


def test_duplicate_keys_name_both_lines(loader: Any) -> None:
    assert problems("sip: 1\nlog: 2\nsip: 3\n", loader) == [(3, "sip", "written twice; first at line 1")]


def test_anchors_and_merge_keys(loader: Any) -> None:
    text = (
        "x-base: &base {a: 1, b: 2}\nx-more: &more {b: 3, c: 4}\nfirst: {<<: *base, b: 9}\nboth: {<<: [*base, *more]}\n"
    )
    tree = parse(text, loader)
    assert not tree.problems
    assert tree.data["first"] == {"a": 1, "b": 9}
    assert tree.data["both"] == {"a": 1, "b": 2, "c": 4}
    assert tree.line_of(("first", "a")) == 1


@pytest.mark.parametrize(
    ("text", "line", "fragment"),
    [
        ("a: *hunter2\n", 1, "anchor"),
        ("a: 1\nb: [1, 2\n", 3, "YAML syntax"),
        ("a: 1\n\tb: 2\n", 2, "tab"),
        ("a: @hunter2\n", 1, "quotes"),
        ("a: !hunter2 x\n", 1, "tags"),
        ("a: !!python/object:os.system x\n", 1, "tags"),
        ("a: %hunter2\n", 1, "quotes"),
        ('a: "hunter2\n', 2, "YAML syntax"),
        ("a: b: hunter2\n", 1, "YAML syntax"),
        ("? [a, b]\n: 1\n", 1, "plain text"),
        ("<<: hunter2\n", 1, "<<"),
        ("a: 1\n---\nb: 2\n", 2, "YAML syntax"),
        ("a: \x01\n", 1, "not allowed"),
    ],
)
def test_bad_yaml_names_the_line_and_quotes_nothing(text: str, line: int, fragment: str, loader: Any) -> None:
    found = problems(text, loader)
    assert len(found) == 1
    assert fragment in found[0][2]
    assert "hunter2" not in str(found)
    assert found[0][0] == line


def test_aliases_that_explode_are_refused(loader: Any) -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    assert str(MAX_VALUES) in problems("\n".join(lines), loader)[0][2]


@pytest.mark.parametrize("text", ["a: &a [*a]\n", "[" * 60 + "]" * 60, "[" * 100_000])
def test_endless_and_absurd_nesting_is_refused(text: str, loader: Any) -> None:
    assert len(problems(text, loader)) == 1


def test_depth_within_the_limit(loader: Any) -> None:
    assert not problems("[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1), loader)


@given(st.text(alphabet=st.sampled_from("ab:-[]{}*&!|>'\"%@`#?,\n \t0<~\x00\ufeff"), max_size=60))
def test_any_text_gives_a_tree_or_problems(text: str) -> None:
    for kind in LOADERS:
        tree = parse(text, kind)
        assert all(isinstance(problem, ConfigError) for problem in tree.problems)
