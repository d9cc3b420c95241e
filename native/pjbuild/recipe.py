"""What is made from what, in which order, and under which key.

    tarball -> libraries (libs-KEY) -> wrapper (wrap-KEY) -> wheel (wheel-KEY)
                                    \\-> the program pjsua (pjsua-KEY)

Each key covers the inputs of its own step and the key before it, so that a change costs only what comes after it.
"""

import platform
import shutil
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import libs, module, packages, source
from .cache import Cache, files, key_of
from .errors import BuildError
from .libs import Tree
from .module import Python
from .progress import Progress
from .run import Runner

NATIVE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Wanted:
    """What the caller asked for. `python` None means the C program."""

    python: str | None
    install: bool
    jobs: int


@dataclass(frozen=True)
class Keys:
    libs: str
    wrap: str
    wheel: str
    pjsua: str


def keys(native: Path, env: Mapping[str, str], python: Python | None) -> Keys:
    """The keys of everything, from what is on the disk; asks nobody."""
    own = native / "pjbuild"
    system = f"{platform.machine()} {_distribution()}".encode()
    abi = python.identity() if python else b""
    inputs = [*files(native, "config_site.h", "patches/*.patch"), *files(own, "libs.py")]
    libs_key = key_of([*inputs, ("source", source.identity(env)), ("system", system)])
    before = ("libs", libs_key.encode())
    wrap_key = key_of([*files(native, "src/*.i", "src/*.hpp"), *files(own, "module.py"), before, ("abi", abi)])
    wheel_key = key_of([*files(native, "src/*.cpp"), ("wrap", wrap_key.encode())])
    pjsua_key = key_of([before])
    return Keys(libs_key, wrap_key, wheel_key, pjsua_key)


def _distribution() -> str:
    """The libraries of another release of the system have other names."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return "unknown"
    return f"{release.get('ID', '')} {release.get('VERSION_ID', release.get('VERSION_CODENAME', ''))}"


class Recipe:
    """Makes what is wanted, or finds it in the cache."""

    def __init__(self, cache: Cache, progress: Progress, env: Mapping[str, str], native: Path = NATIVE) -> None:
        self._cache = cache
        self._progress = progress
        self._env = env
        self._native = native

    def make(self, wanted: Wanted) -> Path:
        """The path of the wheel, or of the program."""
        python = Python.probe(wanted.python) if wanted.python else None
        all_keys = keys(self._native, self._env, python)
        found = self._find(all_keys, python)
        if found:
            return found
        with self._cache.lock(lambda: self._progress.say("another build is at work here; waiting for it …")):
            found = self._find(all_keys, python)
            if found:
                return found
            runner = Runner(self._cache.new_log())
            with self._cache.scratch() as scratch:
                # From a copy: whoever edits a file while this builds must not spoil what the key stands for.
                native = Path(shutil.copytree(self._native, scratch / "native"))
                all_keys = keys(native, self._env, python)
                _Build(self._cache, self._progress, runner, scratch, native, all_keys, self._env).run(wanted, python)
        made = self._find(all_keys, python)
        if made is None:
            raise BuildError(f"the cache in {self._cache.root} lost what was just put there")
        return made

    def _find(self, all_keys: Keys, python: Python | None) -> Path | None:
        if python is None:
            folder = self._cache.find("pjsua", all_keys.pjsua)
            return folder / "pjsua" if folder else None
        folder = self._cache.find("wheel", all_keys.wheel)
        return next(folder.glob("*.whl"), None) if folder else None


class _Build:
    """One build under the lock."""

    def __init__(
        self,
        cache: Cache,
        progress: Progress,
        runner: Runner,
        scratch: Path,
        native: Path,
        all_keys: Keys,
        env: Mapping[str, str],
    ) -> None:
        self._cache, self._progress, self._runner = cache, progress, runner
        self._scratch, self._native, self._keys, self._env = scratch, native, all_keys, env

    def run(self, wanted: Wanted, python: Python | None) -> None:
        finished = self._cache.find("libs", self._keys.libs)
        wrapper_alone = bool(finished and python and not self._cache.find("wrap", self._keys.wrap))
        self._progress.plan(2 + (0 if finished else 3) + wrapper_alone)
        with self._progress.step("checking what the build needs"):
            self._check(wanted, python)
        tree = Tree.load(finished) if finished else self._make_libraries(wanted.jobs, python)
        if python is None:
            self._make_program(tree)
        else:
            self._make_wheel(tree, python)

    def _check(self, wanted: Wanted, python: Python | None) -> None:
        absent = self._absent(python)
        if absent and wanted.install:
            packages.install(absent, self._runner, self._env)
            absent = self._absent(python)
        if absent:
            raise packages.explain(absent)

    def _absent(self, python: Python | None) -> list[str]:
        names = packages.listed(self._native / "packages.txt")
        return packages.missing(names, self._env) + (python.missing_headers() if python else [])

    def _make_libraries(self, jobs: int, python: Python | None) -> Tree:
        with self._progress.step("fetching PJSIP's source"):
            tarball = self._tarball()
        self._progress.say(f"      source: {tarball.origin}, SHA-256 {tarball.sha256[:16]}…")
        tree_path = self._scratch / "tree"
        with self._progress.step("unpacking, patching and configuring"):
            libs.unpack(tarball, self._native, tree_path, self._runner)
            tree = libs.configure(tree_path, self._runner)
        with self._progress.step(
            "compiling PJSIP" + ("" if python is None else " and the Python wrapper, side by side")
        ):
            self._compile_together(tree, jobs, python)
        out = libs.collect(tree, self._scratch / "libs")
        (out / "origin.txt").write_text(f"{tarball.origin}\nSHA-256 {tarball.sha256}\n")
        return Tree.load(self._cache.publish("libs", self._keys.libs, out))

    def _tarball(self) -> source.Tarball:
        downloads = source.Downloads(self._cache.root / "tarballs")
        tarball = source.local_tarball(self._env) or downloads.find()
        if tarball is None:
            tarball = downloads.fetch(source.Apt(self._scratch / "apt", self._runner, self._env))
        return tarball

    def _compile_together(self, tree: Tree, jobs: int, python: Python | None) -> None:
        """The wrapper takes one core for as long as all of PJSIP takes the other."""
        if python is None or self._cache.find("wrap", self._keys.wrap):
            libs.compile_libraries(tree, self._runner, jobs)
            return
        failures: list[BuildError] = []

        def wrapper() -> None:
            try:
                self._make_wrapper(tree, python)
            except BuildError as error:
                failures.append(error)
                self._runner.kill()

        thread = threading.Thread(target=wrapper)
        thread.start()
        try:
            libs.compile_libraries(tree, self._runner, jobs)
        except BuildError as error:
            failures.append(error)
        finally:
            if sys.exc_info()[0] or failures:
                self._runner.kill()
            thread.join()
        if failures:
            raise failures[0]

    def _make_wrapper(self, tree: Tree, python: Python) -> Path:
        into = self._scratch / "wrap"
        into.mkdir()
        log = self._runner.log.with_suffix(".wrapper.log")
        module.compile_wrapper(tree, self._native, python, into, self._runner, log)
        return self._cache.publish("wrap", self._keys.wrap, into)

    def _make_wheel(self, tree: Tree, python: Python) -> None:
        wrapper = self._cache.find("wrap", self._keys.wrap)
        if wrapper is None:
            with self._progress.step("compiling the Python wrapper"):
                wrapper = self._make_wrapper(tree, python)
        with self._progress.step("linking and packing the wheel"):
            objects = self._scratch / "link"
            objects.mkdir()
            module.link(tree, self._native, python, wrapper, objects, self._runner)
            out = self._scratch / "wheel"
            out.mkdir()
            module.pack(objects / f"_pjsua2{python.suffix}", wrapper, python, self._keys.wheel, self._facts(tree), out)
            self._cache.publish("wheel", self._keys.wheel, out)

    def _facts(self, tree: Tree) -> dict[str, str]:
        """What the wheel's build.json tells, for `softphone doctor` and for bug reports."""
        patches = sorted(path.stem for path in (self._native / "patches").glob("*.patch"))
        return {
            "pjproject": source.VERSION,
            "source": (tree.path / "origin.txt").read_text().strip().replace("\n", ", "),
            "patches": ", ".join(patches),
            "configure": " ".join(libs.CONFIGURE),
            "cflags": libs.OPTIMISE,
            "system": f"{platform.machine()} {_distribution()}",
        }

    def _make_program(self, tree: Tree) -> None:
        with self._progress.step("compiling the program pjsua"):
            out = self._scratch / "pjsua"
            out.mkdir()
            libs.compile_program(tree, out / "pjsua", self._runner)
            self._cache.publish("pjsua", self._keys.pjsua, out)
