"""PJSIP's libraries: unpack, patch, configure, compile, and keep what later steps need.

The result keeps the layout of the source tree (headers, static libraries, SWIG files, the program's source) beside
`flags.json`: compiler and linker words, with @TREE@ where the folder's own path belongs.
"""

import json
import shutil
from pathlib import Path

from .run import Runner, capture
from .source import Tarball, check_version

OPTIMISE = "-O3 -fPIC -DNDEBUG"
CONFIGURE = [
    "--enable-epoll",
    "--enable-speex-resample",  # the cheapest resampler; quality is chosen at run time
    "--enable-libwebrtc-aec3",  # the echo canceller for a loudspeaker in the room
    "--with-external-srtp",
    "--with-external-speex",
    "--with-external-gsm",
    "--disable-video",
    "--disable-libwebrtc",
    "--disable-libyuv",
    "--disable-ilbc-codec",
    "--disable-g7221-codec",
    # Found on the machine or not, these must not change what we build:
    "--disable-bcg729",
    "--disable-opencore-amr",
    "--disable-silk",
    "--disable-lyra",
    "--disable-upnp",
]
COMPONENTS = ("pjlib", "pjlib-util", "pjnath", "pjmedia", "pjsip")
TREE = "@TREE@"
PROGRAM = ("main", "pjsua_app", "pjsua_app_cli", "pjsua_app_common", "pjsua_app_config", "pjsua_app_legacy")


class Tree:
    """A folder with PJSIP's headers and libraries, being built or finished, and the flags for using it."""

    def __init__(self, path: Path, flags: dict[str, list[str]]) -> None:
        self.path = path
        self._flags = flags

    @classmethod
    def load(cls, path: Path) -> "Tree":
        return cls(path, json.loads((path / "flags.json").read_text()))

    def flags(self, kind: str) -> list[str]:
        """`cflags`, `ldflags` or `libs`, with the paths of this folder."""
        return [word.replace(TREE, str(self.path)) for word in self._flags[kind]]

    def save_flags(self, folder: Path) -> None:
        (folder / "flags.json").write_text(json.dumps(self._flags, indent=1))


def unpack(tarball: Tarball, native: Path, into: Path, runner: Runner) -> None:
    """The source with our settings and patches."""
    doing = "unpacking and patching PJSIP"
    into.mkdir()
    runner.run(doing, ["tar", "-xf", tarball.path, "-C", into, "--strip-components=1"], into)
    check_version(into)
    for patch in sorted((native / "patches").glob("*.patch")):
        runner.run(doing, ["patch", "-p1", "--fuzz=0", "--no-backup-if-mismatch", "-i", patch], into)
    shutil.copyfile(native / "config_site.h", into / "pjlib/include/pj/config_site.h")


def configure(tree: Path, runner: Runner) -> Tree:
    """Configures the tree and reads the flags that its makefiles would use."""
    # bash by name: the script uses += for strings, which a plain sh does not know.
    flags = [f"CFLAGS={OPTIMISE}", f"CXXFLAGS={OPTIMISE}", "CONFIG_SHELL=/bin/bash"]
    runner.run("configuring PJSIP", ["/bin/bash", "./aconfigure", *CONFIGURE, *flags], tree)
    helper = tree / "pjsip-apps/src/swig/python"

    def ask(kind: str) -> list[str]:
        words = capture(["make", "--no-print-directory", "-f", "helper.mak", kind], cwd=helper).split()
        return [word.replace(str(tree), TREE) for word in words]

    return Tree(tree, {kind: ask(kind) for kind in ("cflags", "ldflags", "libs")})


def compile_libraries(tree: Tree, runner: Runner, jobs: int) -> None:
    runner.run("compiling PJSIP", ["make", f"-j{jobs}", "lib"], tree.path)


def compile_program(tree: Tree, program: Path, runner: Runner) -> None:
    """The C program `pjsua`, from a collected tree and with its flags: for comparing like with like."""
    doing = "compiling the program pjsua"
    objects = []
    for source in PROGRAM:
        objects.append(program.with_name(f"{source}.o"))
        flags = [word for word in tree.flags("cflags") if not word.startswith("-std=")]
        argv = ["gcc", *flags, "-w", "-c", tree.path / f"pjsip-apps/src/pjsua/{source}.c", "-o", objects[-1]]
        runner.run(doing, argv, program.parent)
    libraries = [*tree.flags("ldflags"), *(f"-l{name}" for name in tree.flags("libs"))]
    runner.run(doing, ["g++", "-Wl,-s", *objects, "-o", program, *libraries], program.parent)
    for made in objects:
        made.unlink()


def collect(tree: Tree, into: Path) -> Path:
    """Copies what later steps need out of a built tree."""
    for component in COMPONENTS:
        for part in ("include", "lib"):
            shutil.copytree(tree.path / component / part, into / component / part)
    shutil.copytree(tree.path / "third_party/lib", into / "third_party/lib")
    for part in ("swig", "pjsua"):
        shutil.copytree(tree.path / "pjsip-apps/src" / part, into / "pjsip-apps/src" / part)
    for text in ("COPYING", "README.md"):
        shutil.copyfile(tree.path / text, into / text)
    tree.save_flags(into)
    return into
