"""The repository as a whole: what it says agrees with what it is."""

import os
import re
import stat
import subprocess
import sys
import tomllib
from dataclasses import fields
from importlib import metadata
from pathlib import Path

import pytest

from softphone import __version__
from softphone.cli.exits import MEANINGS
from softphone.engine import ending
from softphone.events import CallEvent, Event, event_types

ROOT = Path(__file__).resolve().parents[1]


def tracked() -> list[Path]:
    """All files that git knows, and those it does not know yet but does not ignore."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in names.split("\0") if name and (path := ROOT / name).is_file()]


def text_of(name: str) -> str:
    return (ROOT / name).read_text()


# ---- what is in the tree


PICTURES = ROOT / "docs" / "images"


def test_no_file_is_binary_or_large() -> None:
    assert [str(path) for path in tracked() if path.parent != PICTURES and b"\0" in path.read_bytes()] == []
    assert [str(path) for path in tracked() if path.stat().st_size > 500_000] == []


def test_pictures_are_small_and_shown() -> None:
    shown = text_of("README.md") + "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    for picture in [path for path in tracked() if path.parent == PICTURES]:
        assert picture.suffix == ".png"
        assert picture.stat().st_size < 100_000
        assert f"images/{picture.name}" in shown


@pytest.mark.parametrize(
    "what",
    [
        r"/(?:root|work)/(?!partial)\w",
        r"/home/[a-z]",
        r"deb\.debian\.org|(?:snapshot|archive|ftp\.\w+)\.debian\.org",
        r"py" r"pi\.org|python" r"hosted\.org|registry\.npm" r"js",
    ],
)
def test_no_file_names_a_machine_or_a_registry(what: str) -> None:
    pattern = re.compile(what)
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in tracked()
        if path != Path(__file__) and path.parent != PICTURES and (match := pattern.search(path.read_text()))
    ]
    assert found == []


def test_every_link_in_the_docs_leads_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"


# ---- versions


def test_the_changelog_speaks_of_this_version() -> None:
    newest = re.search(r"^## \[([^]]+)\]", text_of("CHANGELOG.md"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == __version__


def test_every_dependency_is_pinned_and_installed_as_pinned() -> None:
    lines = [line for line in text_of("constraints.txt").splitlines() if line and not line.startswith("#")]
    pins = {normal(name): version for name, _, version in (line.partition("==") for line in lines)}
    assert all(pins.values())
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    asked = project["dependencies"] + project["optional-dependencies"]["dev"]
    wanted = {normal(re.split(r"[<>=\[; ]", line)[0]) for line in asked}
    assert wanted - pins.keys() == set()
    del pins["setuptools"]  # a build tool: an environment that nothing is built in may have another
    assert {name: metadata.version(name) for name in pins} == pins


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_what_is_no_python_is_packed_too() -> None:
    """Package data by its endings; a file that is missed here is missing from an installed phone."""
    patterns = tomllib.loads(text_of("pyproject.toml"))["tool"]["setuptools"]["package-data"]["softphone"]
    packed = {path for pattern in patterns for path in (ROOT / "softphone").glob(pattern)}
    data = {path for path in tracked() if path.is_relative_to(ROOT / "softphone") and path.suffix != ".py"}
    assert data - packed == set()


# ---- make


def make(*words: str) -> list[str]:
    """What make prints, as if called by hand even when make runs the tests."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", *words], cwd=ROOT, env=environ, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_make_alone_lists_every_target() -> None:
    makefile = text_of("Makefile")
    phony = re.search(r"^\.PHONY: (help .*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert [line.split()[0] for line in make()[1:]] == phony[1].split()[1:]


@pytest.mark.parametrize("target", ["demo", "test", "lint", "bench", "setup"])
def test_every_target_sets_up_first(target: str) -> None:
    assert "tools/setup.py" in make("-n", target)[1]


def test_ci_is_a_program_that_bash_understands() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    subprocess.run(["bash", "-n", str(script)], check=True)


# ---- documents


@pytest.mark.parametrize(("name", "event"), event_types().items(), ids=event_types().keys())
def test_every_event_is_documented_with_its_fields(name: str, event: type[Event]) -> None:
    rows = [line for line in text_of("docs/events.md").splitlines() if line.startswith("|") and f"`{name}`" in line]
    assert len(rows) == 1
    told = set(re.findall(r"`(\w+)`", rows[0].split("|")[2]))
    own = {field.name for field in fields(event)}
    common = {"call", "account"} if issubclass(event, CallEvent) else set()
    assert told == own - common


def test_no_event_is_documented_that_does_not_exist() -> None:
    rows = [line.split("|")[1] for line in text_of("docs/events.md").splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+\.\w+)`", row)} == set(event_types())


def test_every_reason_for_an_end_is_documented() -> None:
    told = text_of("docs/events.md").split("| reason | meaning |")[1]
    table = re.findall(r"^\| (\w+) +\|", ending.__doc__ or "", re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", told)) == set(table) - {"reason"}


def test_the_readme_has_every_exit_code() -> None:
    table = text_of("README.md").split("| code | meaning |")[1].split("\n\n")[0]
    assert {int(code) for code in re.findall(r"\| (\d+) \|", table)} == set(MEANINGS)


def test_the_readme_has_every_command() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "softphone.cli.main", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"NO_COLOR": "1"},
    ).stdout
    commands = set(re.findall(r"^  ([a-z]+)  +[A-Z]", shown, re.MULTILINE)) - {"version"}
    assert commands
    table = text_of("README.md").split("## Commands")[1]
    assert {name for name in commands if not re.search(rf"`{name}[` ]", table)} == set()


# ---- the service


def test_the_two_units_differ_in_their_places_alone() -> None:
    one, several = (settings(f"systemd/softphone{at}.service") for at in ("", "@"))
    assert [line.replace("-%i", "").replace("%i.yaml", "config.yaml") for line in several] == one


def settings(unit: str) -> list[str]:
    lines = (line.split(", ")[0] for line in text_of(unit).splitlines() if not line.startswith(("#", "Description")))
    return [line for line in lines if line]


def test_the_image_is_given_what_its_recipe_copies() -> None:
    given = {line[1:] for line in text_of(".dockerignore").splitlines() if line.startswith("!")}
    copied = [line.split()[1:-1] for line in text_of("Dockerfile").splitlines() if line.startswith("COPY ")]
    assert {name for names in copied for name in names if "--from" not in names[0]} == given
