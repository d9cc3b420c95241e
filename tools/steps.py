"""The steps of setting up a clone: each is done once, and again only when what it is made from has changed."""

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pjbuild import packages
from pjbuild.errors import BuildError, CommandFailed, MissingPackages
from pjbuild.progress import Progress
from pjbuild.run import Runner

from tools.stamps import Stamps, key_of, key_of_files

# What decides how pjsua2 comes out; native/build.py has the exact keys, this only says when to ask it.
NATIVE_INPUTS = ("build.py", "config_site.h", "packages.txt", "patches/*", "pjbuild/*.py", "src/*")
NO_NETWORK = ("NameResolutionError", "NewConnectionError", "ConnectTimeoutError", "name resolution", "unreachable")
NOT_TRUSTED = ("CERTIFICATE_VERIFY_FAILED",)
NOT_SERVED = ("No matching distribution found", "Could not find a version")


class Setup:
    """Brings the clone at `root` to the state that its files describe."""

    def __init__(self, root: Path, progress: Progress) -> None:
        self._root, self._progress = root, progress
        self._venv = root / ".venv"
        self._python = self._venv / "bin" / "python"
        self._stamps = Stamps(self._venv / "setup.json")
        self._runner = Runner(root / "build" / "setup.log")

    def run(self, *, tests: bool) -> None:
        """Raises BuildError, whose text says what is missing and what to do."""
        started = time.monotonic()
        with self._alone():
            done = self._make_python() + self._make_pjsua2()
            if tests:
                self._make_peers()
        if done:
            self._progress.say(f"setup: ready after {time.monotonic() - started:.0f} s")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two `make` at once in one clone: the second waits."""
        with (self._root / "build" / "setup.lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._progress.say("setup: another one is at work in this clone; waiting for it")
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    # ---- Python: the environment and the packages in it

    def _make_python(self) -> int:
        """How many steps there were to do."""
        venv_key = key_of(sys.version, sys.base_prefix, self._root)
        packages_key = key_of(venv_key, *self._requirements())
        fresh = not self._stamps.has("venv", venv_key)
        stale = fresh or not self._stamps.has("packages", packages_key)
        self._progress.plan(fresh + stale)
        if fresh:
            with self._progress.step(f"making .venv with Python {sys.version.split()[0]}"):
                self._make_venv()
            self._stamps.put("venv", venv_key)
        if stale:
            with self._progress.step("installing the pinned Python packages"):
                self._install_requirements()
            self._stamps.put("packages", packages_key)
        return fresh + stale

    def _make_venv(self) -> None:
        if self._is_somebody_elses():
            return
        self._complete_python()
        shutil.rmtree(self._venv, ignore_errors=True)
        self._runner.run("making .venv", [sys.executable, "-m", "venv", self._venv], self._root)

    def _is_somebody_elses(self) -> bool:
        """A working .venv of this Python that was made by hand is used as it is: who made it may have more in it."""
        if self._stamps.exist():
            return False
        probe = "import pip, sys; print(sys.version, sys.base_prefix)"
        try:
            made_here = (self._venv / "bin" / "pip").read_text().startswith(f"#!{self._venv}/")
            answer = subprocess.run([self._python, "-c", probe], capture_output=True, text=True, check=False).stdout
        except OSError:
            return False
        return made_here and answer.strip() == f"{sys.version} {sys.base_prefix}"

    def _complete_python(self) -> None:
        """Debian ships Python without venv and headers: installs them. Another Python has both or cannot be mended."""
        minor = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        headers = Path(sysconfig.get_path("include")) / "Python.h"
        absent = [] if importlib.util.find_spec("ensurepip") else [f"{minor}-venv"]
        absent += [] if headers.exists() else [f"{minor}-dev"]
        if not absent:
            return
        if sys.base_prefix != "/usr":
            raise BuildError(f"{sys.executable} lacks the module ensurepip or its headers ({headers}): reinstall it")
        try:
            packages.install(absent, self._runner)
        except MissingPackages:
            command = " ".join(packages.install_command(absent)).replace(" -y", "")
            raise BuildError(
                f"Debian's Python needs {' and '.join(absent)}, and only root can install them: run `sudo {command}`, "
                "then make again."
            ) from None

    def _requirements(self) -> tuple[object, ...]:
        """What pip is asked for: other tables of pyproject.toml may change without work here."""
        project = tomllib.loads((self._root / "pyproject.toml").read_text())
        return project["project"], project["build-system"], (self._root / "constraints.txt").read_text()

    def _install_requirements(self) -> None:
        # The build tool first and from the same pins, so that pip needs no second, private environment for it.
        self._pip("-c", "constraints.txt", "setuptools")
        # compat: a plain path in site-packages; the finder that setuptools puts there otherwise costs each start 25 ms
        project = ["--no-build-isolation", "--config-settings", "editable_mode=compat", "-e", ".[dev]"]
        self._pip("-c", "constraints.txt", *project)

    def _pip(self, *words: str) -> None:
        quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
        try:
            command = [self._python, "-m", "pip", "install", *quiet, *words]
            self._runner.run("installing Python packages", command, self._root)
        except CommandFailed as error:
            raise _explained(error) from None

    # ---- pjsua2

    def _make_pjsua2(self) -> int:
        source = key_of_files(self._root / "native", NATIVE_INPUTS)
        key = key_of(source, sys.version, os.environ.get("PJPROJECT_TARBALL", ""))
        if self._stamps.has("pjsua2", key):
            return 0
        self._progress.say("pjsua2, PJSIP as a Python module: built once (about two minutes), then kept")
        wheel = self._build("--python", str(self._python), "--install")
        if not self._stamps.has("wheel", wheel.name):
            self._pip("--no-deps", "--no-index", "--force-reinstall", str(wheel))
            self._stamps.put("wheel", wheel.name)
        self._stamps.put("pjsua2", key)
        return 1

    def _build(self, *options: str) -> Path:
        """native/build.py shows its own progress and prints the path of what it made as its last line."""
        command = [str(self._python), str(self._root / "native" / "build.py"), *options]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
        lines = done.stdout.split("\n")
        if done.returncode != 0:
            raise BuildError("pjsua2 could not be built; the lines above say why")
        return Path(lines[-2] if lines[-1] == "" and len(lines) > 1 else lines[-1])

    # ---- what the interop tests talk to

    def _make_peers(self) -> None:
        """Asked every time: it looks for itself what is there, in a fraction of a second."""
        script = self._root / "tests" / "interop" / "peers" / "install.py"
        if subprocess.run([sys.executable, str(script)], stdin=subprocess.DEVNULL, check=False).returncode != 0:
            raise BuildError(
                "what the interop tests talk to could not be installed; the line above says why. "
                "The other tests run without it: .venv/bin/python -m pytest --ignore=tests/interop"
            )


def _explained(error: CommandFailed) -> BuildError:
    """pip says a lot; the usual reasons deserve a sentence."""
    text = error.log.read_text(errors="replace")[-20_000:]
    if any(sign in text for sign in NOT_TRUSTED):
        return BuildError(
            "the package index shows a certificate that pip does not trust: behind a proxy with an authority of its "
            f"own, name that authority's file (PIP_CERT=/path/to/ca.pem make …). The whole log: {error.log}"
        )
    if any(sign in text for sign in NO_NETWORK):
        return BuildError(
            "the Python packages could not be fetched because the package index is not reached: check the network, "
            f"a proxy, or the index that pip is set to (`pip config list`). The whole log: {error.log}"
        )
    if any(sign in text for sign in NOT_SERVED):
        return BuildError(
            f"the package index does not serve a version that constraints.txt names for this Python.\n{error}"
        )
    return error
