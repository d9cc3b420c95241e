"""The Python module: SWIG's wrapper and our extension, linked with PJSIP's libraries and packed as a wheel."""

import base64
import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import BuildError, MissingPackages
from .libs import Tree
from .run import Runner, capture
from .source import VERSION

# Never to be confused with the `pjsua2` of the Python index, nor with a plain PJSIP release.
DISTRIBUTION = "softphone_pjsua2"
RELEASE = f"{VERSION}.0.post1"

PROBE = """
import json, sys, sysconfig
print(json.dumps({
    "tag": "cp%d%d" % sys.version_info[:2],
    "abi": "cp%d%d%s" % (*sys.version_info[:2], getattr(sys, "abiflags", "")),
    "platform": sysconfig.get_platform().replace("-", "_").replace(".", "_"),
    "suffix": sysconfig.get_config_var("EXT_SUFFIX"),
    "include": sysconfig.get_path("include"),
    "name": sys.implementation.name,
    "version": "%d.%d" % sys.version_info[:2],
}))
"""


@dataclass(frozen=True)
class Python:
    """The interpreter that a wheel is for."""

    tag: str
    abi: str
    platform: str
    suffix: str
    include: str
    name: str
    version: str

    @classmethod
    def probe(cls, executable: str) -> "Python":
        """Asks the interpreter. Raises BuildError when it is none that we can build for."""
        try:
            python = cls(**json.loads(capture([executable, "-I", "-S", "-c", PROBE])))
        except (ValueError, TypeError) as error:
            raise BuildError(f"{executable} is not a Python that can be asked about itself: {error}") from error
        if python.name != "cpython" or tuple(map(int, python.version.split("."))) < (3, 11):
            raise BuildError(f"{executable} is {python.name} {python.version}; needed is CPython 3.11 or newer")
        return python

    def missing_headers(self) -> list[str]:
        """The Debian package that is missing for Debian's own Python; raises MissingPackages for another's."""
        if (Path(self.include) / "Python.h").exists():
            return []
        if self.include.startswith("/usr/include/"):
            return [f"python{self.version}-dev"]
        raise MissingPackages(
            f"this Python {self.version} came without its headers: there is no {self.include}/Python.h. "
            "Install its development part, or take a Python that has it."
        )

    def identity(self) -> bytes:
        return f"{self.abi} {self.platform} {self.suffix}".encode()


def compile_wrapper(tree: Tree, native: Path, python: Python, into: Path, runner: Runner, log: Path) -> None:
    """SWIG and the long compilation; needs the headers of a configured tree, not its libraries."""
    doing = "compiling the Python wrapper"
    includes = [word for word in tree.flags("cflags") if word.startswith("-I")]
    swig = ["swig", "-python", "-c++", "-threads", "-w312", *includes]
    swig += [f"-I{tree.path / 'pjsip-apps/src/swig'}", f"-I{native / 'src'}", "-outdir", str(into)]
    runner.run(doing, [*swig, "-o", into / "wrap.cpp", native / "src/softphone.i"], into, log)
    # -O1: the wrapper only hands arguments on; -O3 would take 25 s longer and gain nothing.
    flags = [*_compiler_flags(tree, native, python), "-O1", "-g0", "-w"]
    runner.run(doing, ["g++", *flags, "-c", into / "wrap.cpp", "-o", into / "wrap.o"], into, log)
    (into / "wrap.cpp").unlink()


def link(tree: Tree, native: Path, python: Python, wrapper: Path, into: Path, runner: Runner) -> None:
    """Compiles our own sources and links everything to `_pjsua2*.so`."""
    doing = "linking the Python module"
    flags = [
        *_compiler_flags(tree, native, python),
        "-O3",
        "-g0",
        "-Wall",
        "-Wextra",
        "-Wno-unused-parameter",
    ]
    objects = [wrapper / "wrap.o"]
    for source in sorted((native / "src").glob("*.cpp")):
        objects.append(into / f"{source.stem}.o")
        runner.run(doing, ["g++", *flags, "-c", source, "-o", objects[-1]], into)
    exports = into / "exports.map"
    exports.write_text("{ global: PyInit__pjsua2; local: *; };\n")
    libraries = [*tree.flags("ldflags"), *(f"-l{name}" for name in tree.flags("libs"))]
    module = into / f"_pjsua2{python.suffix}"
    options = ["-shared", "-Wl,-s", f"-Wl,--version-script={exports}"]
    runner.run(doing, ["g++", *options, *objects, "-o", module, *libraries], into)


def _compiler_flags(tree: Tree, native: Path, python: Python) -> list[str]:
    return [
        *tree.flags("cflags"),
        "-DNDEBUG",
        "-fPIC",
        "-fwrapv",
        f"-I{native / 'src'}",
        f"-I{python.include}",
    ]


def pack(module: Path, wrapper: Path, python: Python, key: str, facts: Mapping[str, str], into: Path) -> Path:
    """The wheel. Its version carries the key, so that pip sees that a rebuilt one is another."""
    version = f"{RELEASE}+k{key}"
    info = f"{DISTRIBUTION}-{version}.dist-info"
    tag = f"{python.tag}-{python.abi}-{python.platform}"
    content = {
        "pjsua2.py": (wrapper / "pjsua2.py").read_bytes(),
        module.name: module.read_bytes(),
        f"{info}/METADATA": _metadata(version).encode(),
        f"{info}/WHEEL": _wheel(tag).encode(),
        f"{info}/build.json": json.dumps(dict(facts), indent=1).encode(),
    }
    content[f"{info}/RECORD"] = _record(content, f"{info}/RECORD").encode()
    path = into / f"{DISTRIBUTION}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as wheel:
        for name, data in content.items():
            wheel.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return path


def _metadata(version: str) -> str:
    return (
        f"Metadata-Version: 2.1\nName: {DISTRIBUTION.replace('_', '-')}\nVersion: {version}\n"
        f"Summary: PJSIP {VERSION}'s pjsua2 with PcmPort, built for the softphone agent\n"
        "License: GPL-2.0-or-later\nRequires-Python: >=3.11\n"
    )


def _wheel(tag: str) -> str:
    return f"Wheel-Version: 1.0\nGenerator: native/build.py\nRoot-Is-Purelib: false\nTag: {tag}\n"


def _record(content: Mapping[str, bytes], own_name: str) -> str:
    lines = []
    for name, data in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(data)}\n")
    return "".join(lines) + f"{own_name},,\n"
