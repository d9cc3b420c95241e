"""native/build.py: what is kept under which key, what it says when something is missing, and that it is quick."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from pjbuild import libs, packages, source
from pjbuild.cache import Cache, key_of
from pjbuild.errors import BuildError, CommandFailed, MissingPackages
from pjbuild.module import Python, pack
from pjbuild.progress import Progress
from pjbuild.recipe import Keys, Recipe, Wanted, keys
from pjbuild.run import Runner, capture

NATIVE = Path(__file__).parents[2] / "native"
CPYTHON = Python("cp311", "cp311", "linux_x86_64", ".cpython-311-x86_64-linux-gnu.so", "/include", "cpython", "3.11")
# the form of what `apt-get source --print-uris` prints
PRINTED = """Reading package lists...
NOTICE: 'asterisk' packaging is maintained in the 'Git' version control system at:
'http://mirror.test/pool/asterisk_1.2+cs6.dsc' asterisk_1.2+cs6.dsc 53 SHA256:{a}
'http://mirror.test/pool/asterisk_1.2%2bcs6.orig-Xpjproject.tar.xz' asterisk_1.2+cs6.orig-Xpjproject.tar.xz 6 SHA256:{b}
""".format(a="a" * 64, b="b" * 64)


@pytest.fixture
def native(tmp_path: Path) -> Path:
    """A copy of native/ that a test may change."""
    return Path(shutil.copytree(NATIVE, tmp_path / "native", ignore=shutil.ignore_patterns("__pycache__")))


def build(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(NATIVE / "build.py"), *args]
    return subprocess.run(argv, env={**os.environ, **env}, capture_output=True, text=True)


def changed(before: Keys, after: Keys) -> set[str]:
    return {name for name in ("libs", "wrap", "wheel", "pjsua") if getattr(before, name) != getattr(after, name)}


# ---------------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize(
    ("name", "costs"),
    [
        ("config_site.h", {"libs", "wrap", "wheel", "pjsua"}),
        ("patches/0002-udp-start-race.patch", {"libs", "wrap", "wheel", "pjsua"}),
        ("pjbuild/libs.py", {"libs", "wrap", "wheel", "pjsua"}),
        ("src/pcmport.i", {"wrap", "wheel"}),
        ("src/pcmport.hpp", {"wrap", "wheel"}),
        ("src/pcmport.cpp", {"wheel"}),
        ("packages.txt", set()),
        ("build.py", set()),
    ],
)
def test_a_change_costs_what_comes_after_it(native: Path, name: str, costs: set[str]) -> None:
    before = keys(native, {}, CPYTHON)
    with (native / name).open("a") as handle:
        handle.write("\n")
    assert changed(before, keys(native, {}, CPYTHON)) == costs


def test_a_new_patch_counts(native: Path) -> None:
    before = keys(native, {}, CPYTHON)
    (native / "patches/9999-new.patch").write_text("")
    assert "libs" in changed(before, keys(native, {}, CPYTHON))


def test_another_python_needs_another_wrapper_only() -> None:
    other = replace(CPYTHON, abi="cp312", tag="cp312")
    assert changed(keys(NATIVE, {}, CPYTHON), keys(NATIVE, {}, other)) == {"wrap", "wheel"}


def test_a_local_tarball_counts_by_its_content(tmp_path: Path) -> None:
    one, two = tmp_path / "one.tar", tmp_path / "two.tar"
    one.write_bytes(b"1")
    two.write_bytes(b"1")
    assert keys(NATIVE, {"PJPROJECT_TARBALL": str(one)}, None) == keys(NATIVE, {"PJPROJECT_TARBALL": str(two)}, None)
    assert "libs" in changed(keys(NATIVE, {}, None), keys(NATIVE, {"PJPROJECT_TARBALL": str(one)}, None))


def test_key_of_keeps_names_and_contents_apart() -> None:
    assert key_of([("a", b"bc")]) != key_of([("ab", b"c")])
    assert key_of([("a", b"1"), ("b", b"2")]) == key_of([("b", b"2"), ("a", b"1")])


# ---------------------------------------------------------------------------------------------- packages


def test_every_package_can_be_missed() -> None:
    names = packages.listed(NATIVE / "packages.txt")
    assert set(names) == set(packages.COMMANDS) | set(packages.HEADERS)


def test_a_machine_with_nothing_is_told_everything_in_one_sentence(tmp_path: Path) -> None:
    done = build(PATH=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == MissingPackages.exit_code
    assert done.stdout == ""
    last = done.stderr.strip().splitlines()[-1]
    for name in packages.listed(NATIVE / "packages.txt"):
        assert name in last
    assert "sudo apt-get install --no-install-recommends gcc" in last
    assert "Traceback" not in done.stderr


def test_a_missing_header_is_found_by_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(packages.HEADERS, "libopus-dev", "opus/there-is-no-such.h")
    assert packages.missing(["libopus-dev", "libc6-dev", "make"]) == ["libopus-dev"]


def test_without_rights_install_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    runner = Runner(tmp_path / "log")
    with pytest.raises(MissingPackages, match="swig"):
        packages.install(["swig"], runner, {"PATH": str(tmp_path)})


def test_install_asks_apt_and_fetches_its_lists_when_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    fake = tmp_path / "apt-get"
    fake.write_text(
        f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\n'
        f'[ "$1" = update ] || [ -e {tmp_path}/lists ] || exit 100\n'
        f"touch {tmp_path}/lists\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    packages.install(["swig", "make"], Runner(tmp_path / "log"))
    once = "install -y --no-install-recommends swig make"
    assert (tmp_path / "asked").read_text().splitlines() == [once, "update -q", once]


def test_the_headers_of_python_are_a_package_of_debian_or_not(tmp_path: Path) -> None:
    assert replace(CPYTHON, include="/usr/include/there-is-no-such").missing_headers() == ["python3.11-dev"]
    with pytest.raises(MissingPackages, match=f"there is no {tmp_path}/Python.h"):
        replace(CPYTHON, include=str(tmp_path)).missing_headers()
    (tmp_path / "Python.h").touch()
    assert replace(CPYTHON, include=str(tmp_path)).missing_headers() == []


@pytest.mark.parametrize("executable", ["/bin/true", "/bin/false", "/there/is/no/python"])
def test_what_is_no_python_is_refused(executable: str) -> None:
    done = build("--python", executable)
    assert done.returncode == BuildError.exit_code
    assert executable in done.stderr
    assert "Traceback" not in done.stderr


# ---------------------------------------------------------------------------------------------- source


def test_the_component_is_found_in_what_apt_prints() -> None:
    uri, sha256, origin = source.component_in(PRINTED)
    assert uri == "http://mirror.test/pool/asterisk_1.2%2bcs6.orig-Xpjproject.tar.xz"
    assert sha256 == "b" * 64
    assert origin == "Debian sid, source package asterisk 1.2+cs6"


def test_a_package_without_the_component_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(BuildError, match="PJPROJECT_TARBALL="):
        source.component_in(PRINTED.replace("Xpjproject", "Xother"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sources.list", "# deb http://no.test/debian x main\ndeb http://one.test/debian bookworm main\n"),
        ("sources.list.d/a.sources", "Types: deb\nURIs: http://one.test/debian/\nSuites: bookworm\n"),
        ("sources.list.d/b.list", "deb [arch=amd64] http://two.test/other x main\ndeb http://one.test/debian x main\n"),
    ],
)
def test_the_mirror_of_a_fresh_machine_is_found(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert source._configured_mirror(tmp_path) == "http://one.test/debian"


def test_a_given_mirror_wins() -> None:
    assert source.mirror({"DEBIAN_MIRROR": "http://given.test/debian/"}) == "http://given.test/debian"


def test_the_systems_apt_is_left_alone(tmp_path: Path) -> None:
    options = source.Apt(tmp_path, Runner(tmp_path / "log"), {})._options()
    for setting in ("Dir::Etc::sourcelist", "Dir::State::Lists", "Dir::Cache"):
        assert f"{setting}={tmp_path}" in " ".join(options)
    assert "Dir::Etc::sourceparts=-" in options


class FakeApt:
    """Stands for source.Apt; `content` is what the mirror sends."""

    def __init__(self, promised: bytes, content: bytes) -> None:
        self.promised, self.content, self.downloads = promised, content, 0

    def locate(self) -> tuple[str, str, str]:
        return "http://mirror.test/x", hashlib.sha256(self.promised).hexdigest(), "a test"

    def download(self, uri: str, path: Path, sha256: str) -> None:
        self.downloads += 1
        path.write_bytes(self.content)


def test_a_download_is_kept_and_checked_when_used_again(tmp_path: Path) -> None:
    downloads = source.Downloads(tmp_path)
    assert downloads.find() is None
    tarball = downloads.fetch(FakeApt(b"x", b"x"))  # type: ignore[arg-type]
    assert downloads.find() == tarball
    tarball.path.write_bytes(b"spoiled")
    assert downloads.find() is None
    (tmp_path / f"pjproject-{source.VERSION}.json").write_text("{")
    assert downloads.find() is None


def test_a_download_that_is_not_what_the_index_says_is_refused(tmp_path: Path) -> None:
    downloads = source.Downloads(tmp_path)
    with pytest.raises(BuildError, match="signed index"):
        downloads.fetch(FakeApt(b"x", b"evil"))  # type: ignore[arg-type]
    assert downloads.find() is None


def tarball_of(folder: Path, files: dict[str, str]) -> Path:
    path = folder / "source.tar.xz"
    with tarfile.open(path, "w:xz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(f"pjproject/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return path


VERSION_MAK = "export PJ_VERSION_MAJOR  := {}\nexport PJ_VERSION_MINOR  := {}\n"


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"version.mak": VERSION_MAK.format(2, 18)}, "pjproject 2.18, our patches and settings are for 2.17"),
        ({"readme": "something else"}, "is not pjproject"),
        ({"version.mak": VERSION_MAK.format(2, 17)}, "0001-no-windows-sound-driver.patch"),
    ],
)
def test_a_tarball_that_does_not_fit_is_explained(tmp_path: Path, files: dict[str, str], says: str) -> None:
    tarball = source.local_tarball({"PJPROJECT_TARBALL": str(tarball_of(tmp_path, files))})
    assert tarball is not None
    assert tarball.origin.startswith("PJPROJECT_TARBALL=")
    with pytest.raises(BuildError, match=says):
        libs.unpack(tarball, NATIVE, tmp_path / "tree", Runner(tmp_path / "log"))


def test_a_tarball_that_is_not_there_is_named() -> None:
    done = build(PJPROJECT_TARBALL="/there/is/none.tar")
    assert done.returncode == BuildError.exit_code
    assert "cannot read /there/is/none.tar" in done.stderr


def test_the_local_tarball_is_what_gets_built(tmp_path: Path) -> None:
    """Up to the point where this one turns out to be of another version."""
    path = tarball_of(tmp_path, {"version.mak": VERSION_MAK.format(2, 16)})
    done = build("--pjsua", PJPROJECT_TARBALL=str(path), XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == BuildError.exit_code
    assert f"source: PJPROJECT_TARBALL={path}" in done.stderr
    assert "pjproject 2.16" in done.stderr
    left = {entry.name.split("-")[0] for entry in (tmp_path / "cache/softphone/native").iterdir()}
    assert left == {"lock", "logs"}


# ---------------------------------------------------------------------------------------------- running


def test_a_failed_command_shows_its_last_lines_and_its_log(tmp_path: Path) -> None:
    runner = Runner(tmp_path / "logs" / "a.log")
    with pytest.raises(CommandFailed) as caught:
        runner.run("trying", ["sh", "-c", "seq 100; echo the reason >&2; exit 3"], tmp_path)
    text = str(caught.value)
    assert text.startswith("failed while trying: `sh -c")
    assert "ended with 3" in text
    assert "    the reason\n" in text
    assert "    50\n" not in text
    assert str(tmp_path / "logs" / "a.log") in text
    assert "\n50\n" in runner.log.read_text()


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no-such-command cannot be started"):
        Runner(tmp_path / "log").run("trying", ["no-such-command"], tmp_path)
    with pytest.raises(BuildError, match="no-such-command cannot be started"):
        capture(["no-such-command"])


def test_what_runs_can_be_killed(tmp_path: Path) -> None:
    runner = Runner(tmp_path / "log")
    timer = threading.Timer(0.2, runner.kill)
    timer.start()
    started = time.monotonic()
    with pytest.raises(CommandFailed):
        runner.run("sleeping", ["sleep", "60"], tmp_path)
    assert time.monotonic() - started < 10


def test_progress_in_a_log_file() -> None:
    out = io.StringIO()
    progress = Progress(out)
    progress.plan(2)
    with progress.step("one"):
        pass
    with pytest.raises(ZeroDivisionError), progress.step("two"):
        raise ZeroDivisionError
    assert out.getvalue().splitlines() == [
        "[1/2] one …",
        "[1/2] one … 0 s",
        "[2/2] two …",
        "[2/2] two … failed after 0 s",
    ]


# ---------------------------------------------------------------------------------------------- cache


def test_an_artifact_is_whole_or_not_there(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with suppress(ZeroDivisionError), cache.lock(lambda: None), cache.scratch() as scratch:
        (scratch / "half").mkdir()
        raise ZeroDivisionError
    assert cache.find("libs", "k") is None
    with cache.lock(lambda: None), cache.scratch() as scratch:
        (scratch / "out").mkdir()
        (scratch / "out" / "file").write_text("whole")
        cache.publish("libs", "k", scratch / "out")
    found = cache.find("libs", "k")
    assert found is not None
    assert (found / "file").read_text() == "whole"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["libs-k", "lock"]


def test_what_a_killed_build_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / "tmp-old").mkdir()
    with Cache(tmp_path).lock(lambda: None):
        assert not (tmp_path / "tmp-old").exists()


def test_only_a_few_of_a_kind_are_kept_and_the_used_ones_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for n in range(6):
        with cache.scratch() as scratch:
            (scratch / "out").mkdir()
            cache.publish("wheel", str(n), scratch / "out")
        os.utime(tmp_path / f"wheel-{n}", (n, n))
        if n >= 1:
            assert cache.find("wheel", "0")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["wheel-0", "wheel-3", "wheel-4", "wheel-5"]


def test_two_builds_take_turns(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pjbuild.cache import Cache\n"
        "with Cache(Path(sys.argv[1])).lock(lambda: print('waiting', flush=True)): print('in', flush=True)\n"
    )
    with Cache(tmp_path).lock(lambda: pytest.fail("nobody else is there")):
        other = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], cwd=NATIVE, stdout=subprocess.PIPE, text=True
        )
        assert other.stdout is not None
        assert other.stdout.readline() == "waiting\n"
    assert other.communicate(timeout=10)[0] == "in\n"


def test_the_cache_is_where_xdg_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Cache.default().root == tmp_path / "softphone" / "native"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Cache.default().root == tmp_path / ".cache" / "softphone" / "native"


def test_what_is_in_the_cache_is_handed_out_without_asking_anybody(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with cache.scratch() as scratch:
        (scratch / "out").mkdir()
        (scratch / "out" / "pjsua").write_text("")
        made = cache.publish("pjsua", keys(NATIVE, {}, None).pjsua, scratch / "out")
    found = Recipe(cache, Progress(io.StringIO()), {}).make(Wanted(python=None, install=False, jobs=1))
    assert found == made / "pjsua"
    assert not (tmp_path / "lock").exists()


# ---------------------------------------------------------------------------------------------- result


def test_a_wheel_that_pip_can_check(tmp_path: Path) -> None:
    (tmp_path / "wrap").mkdir()
    (tmp_path / "wrap" / "pjsua2.py").write_text("x = 1\n")
    library = tmp_path / f"_pjsua2{CPYTHON.suffix}"
    library.write_bytes(b"\x7fELF")
    path = pack(library, tmp_path / "wrap", CPYTHON, "0123456789abcdef", {"pjproject": "2.17"}, tmp_path)
    assert path.name == "softphone_pjsua2-2.17.0.post1+k0123456789abcdef-cp311-cp311-linux_x86_64.whl"
    folder = tmp_path / "site"
    argv = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--disable-pip-version-check"]
    if (sys.version_info[:2], os.uname().machine) == ((3, 11), "x86_64"):
        subprocess.run([*argv, "--target", folder, path], check=True, capture_output=True)
        assert (folder / "pjsua2.py").read_text() == "x = 1\n"
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        record = wheel.read(names[-1]).decode()
        info = names[-1].split("/")[0]
        assert json.loads(wheel.read(f"{info}/build.json")) == {"pjproject": "2.17"}
    assert {line.split(",")[0] for line in record.splitlines()} == set(names)


@pytest.mark.timeout(600)
def test_the_second_time_is_quick() -> None:
    first = build("--python", sys.executable)
    assert first.returncode == 0, first.stderr
    started = time.monotonic()
    second = build("--python", sys.executable)
    assert time.monotonic() - started < 5
    assert second.stdout == first.stdout.splitlines()[-1] + "\n"
    assert second.stderr == ""
    assert Path(second.stdout.strip()).is_file()
