"""Setting up a clone: each step once, again when its inputs change, and a failure that says what to do."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "native"))

from pjbuild.errors import BuildError, CommandFailed  # noqa: E402
from pjbuild.progress import Progress  # noqa: E402

from tools import steps  # noqa: E402
from tools.stamps import Stamps, key_of, key_of_files  # noqa: E402


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with just enough in it."""
    clone = tmp_path / "clone"
    (clone / "native").mkdir(parents=True)
    (clone / "native" / "build.py").write_text("print('wheel')")
    (clone / "pyproject.toml").write_text("[project]\nname='x'\n[build-system]\nrequires=[]\n[tool.ruff]\na=1\n")
    (clone / "constraints.txt").write_text("x==1\n")
    return clone


class Recorded(steps.Setup):
    """Does everything but the work itself, which it notes."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, Progress(sys.stderr))
        self.done: list[str] = []
        self.wheel = "one.whl"

    def _make_venv(self) -> None:
        self.done.append("venv")
        self._venv.mkdir(exist_ok=True)
        (self._venv / "setup.json").unlink(missing_ok=True)

    def _install_requirements(self) -> None:
        self.done.append("packages")

    def _build(self, *options: str) -> Path:
        self.done.append("build")
        return Path(self.wheel)

    def _pip(self, *words: str) -> None:
        self.done.append(f"pip {words[-1]}")


def run(clone: Path, wheel: str = "one.whl") -> list[str]:
    setup = Recorded(clone)
    setup.wheel = wheel
    setup.run(tests=False)
    return setup.done


def test_a_second_run_does_nothing(clone: Path) -> None:
    assert run(clone) == ["venv", "packages", "build", "pip one.whl"]
    assert run(clone) == []


def test_a_change_costs_what_depends_on_it(clone: Path) -> None:
    run(clone)
    (clone / "constraints.txt").write_text("x==2\n")
    assert run(clone) == ["packages"]
    project = clone / "pyproject.toml"
    project.write_text(project.read_text().replace("a=1", "a=2"))
    assert run(clone) == []
    project.write_text(project.read_text().replace("name='x'", "name='y'"))
    assert run(clone) == ["packages"]
    (clone / "native" / "build.py").write_text("print('another')")
    assert run(clone) == ["build"]
    (clone / "native" / "config_site.h").write_text("#define X")
    assert run(clone, "two.whl") == ["build", "pip two.whl"]


def test_a_clone_that_moved_is_set_up_again(clone: Path) -> None:
    run(clone)
    moved = clone.rename(clone.parent / "moved")
    assert run(moved)[:2] == ["venv", "packages"]


def test_a_step_that_failed_is_done_again(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: steps.Setup) -> None:
        raise BuildError("no network")

    with monkeypatch.context() as broken:
        broken.setattr(Recorded, "_install_requirements", fail)
        with pytest.raises(BuildError, match="no network"):
            run(clone)
    assert run(clone) == ["packages", "build", "pip one.whl"]


def test_an_environment_made_by_hand_is_kept_as_long_as_it_works(clone: Path) -> None:
    venv = clone / ".venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    (venv / "mine").touch()
    setup = steps.Setup(clone, Progress(sys.stderr))
    setup._make_venv()
    assert (venv / "mine").exists()

    moved = clone.rename(clone.parent / "moved")
    assert not steps.Setup(moved, Progress(sys.stderr))._is_somebody_elses()
    moved.rename(clone)
    assert setup._is_somebody_elses()

    Stamps(venv / "setup.json").put("venv", "another Python")
    assert not setup._is_somebody_elses()
    (venv / "setup.json").unlink()
    (venv / "bin" / "python").unlink()
    assert not setup._is_somebody_elses()
    setup._make_venv()
    assert not (venv / "mine").exists()


def test_the_last_line_of_the_build_is_the_wheel(clone: Path) -> None:
    (clone / "native" / "build.py").write_text("print('noise'); print('/a b/x.whl')")
    setup = steps.Setup(clone, Progress(sys.stderr))
    setup._python = Path(sys.executable)
    assert setup._build() == Path("/a b/x.whl")


def test_a_build_that_fails_is_said_to_have_failed(clone: Path) -> None:
    (clone / "native" / "build.py").write_text("raise SystemExit(2)")
    setup = steps.Setup(clone, Progress(sys.stderr))
    setup._python = Path(sys.executable)
    with pytest.raises(BuildError, match="pjsua2 could not be built"):
        setup._build()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("NewConnectionError: [Errno -3] Temporary failure in name resolution", "the package index is not reached"),
        ("ERROR: No matching distribution found for numpy==99", "does not serve a version that constraints.txt names"),
        (
            "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]",
            "a certificate that pip does not trust",
        ),
        ("error: something else", "failed while installing Python packages"),
    ],
)
def test_what_pip_says_becomes_a_sentence(tmp_path: Path, said: str, told: str) -> None:
    log = tmp_path / "setup.log"
    log.write_text(said)
    assert told in str(steps._explained(CommandFailed("installing Python packages", "pip install", 1, log)))


def test_a_debian_python_without_venv_and_no_root(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(names: list[str], runner: object) -> None:
        raise steps.MissingPackages("no root")

    monkeypatch.setattr(steps.packages, "install", refuse)
    monkeypatch.setattr(steps.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(steps.sys, "base_prefix", "/usr")
    with pytest.raises(BuildError, match=r"only root can install them: run `sudo apt-get install .*python3\.\d+-venv"):
        steps.Setup(clone, Progress(sys.stderr))._complete_python()
    monkeypatch.setattr(steps.sys, "base_prefix", "/opt/python")
    with pytest.raises(BuildError, match="lacks the module ensurepip"):
        steps.Setup(clone, Progress(sys.stderr))._complete_python()


def test_an_old_python_is_told_in_one_sentence() -> None:
    """setup.py says it before it imports anything that an older Python cannot read."""
    script = (ROOT / "tools" / "setup.py").read_text()
    begin = "import sys\nsys.version_info = (3, 9, 2)\n" + script.replace("import sys\n", "", 1)
    done = subprocess.run([sys.executable, "-c", begin], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("setup: softphone needs Python 3.11 or newer, and ")
    assert len(done.stderr.splitlines()) == 1


# ---- stamps


def test_stamps_are_of_exactly_these_inputs(tmp_path: Path) -> None:
    stamps = Stamps(tmp_path / "setup.json")
    assert not stamps.has("venv", "1")
    stamps.put("venv", "1")
    stamps.put("packages", "2")
    assert stamps.has("venv", "1")
    assert not stamps.has("venv", "2")
    (tmp_path / "setup.json").write_text("[")
    assert not stamps.has("venv", "1")


def test_keys_tell_names_and_contents_apart(tmp_path: Path) -> None:
    assert key_of("ab", "c") != key_of("a", "bc")
    (tmp_path / "a").write_text("x")
    first = key_of_files(tmp_path, ["*"])
    (tmp_path / "a").rename(tmp_path / "b")
    second = key_of_files(tmp_path, ["*"])
    (tmp_path / "b").write_text("y")
    assert len({first, second, key_of_files(tmp_path, ["*"])}) == 3
