"""Where PJSIP comes from: Debian's source package `asterisk`, which carries pjproject as a component tarball.

Debian has removed what is not free and signs what it publishes. apt checks the signature and gives the tarball's
SHA-256; apt's own configuration stays as it is, because we give it a private list and private folders.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import BuildError
from .run import Runner, capture

VERSION = "2.17"  # of pjproject: our patches and settings are made for this one
PACKAGE = "asterisk"
SUITE = "sid"
COMPONENT = "Xpjproject"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
APT_HELPER = Path("/usr/lib/apt/apt-helper")


@dataclass(frozen=True)
class Tarball:
    """A source tarball on this disk and where it came from."""

    path: Path
    sha256: str
    origin: str


def identity(env: Mapping[str, str]) -> bytes:
    """What is wanted, for the cache key: known without asking the network."""
    local = env.get("PJPROJECT_TARBALL")
    if local:
        return f"tarball {sha256_of(Path(local))}".encode()
    return f"debian {SUITE} {PACKAGE} {COMPONENT} {VERSION}".encode()


def local_tarball(env: Mapping[str, str]) -> Tarball | None:
    """The tarball that PJPROJECT_TARBALL names, if it names one."""
    local = env.get("PJPROJECT_TARBALL")
    if not local:
        return None
    path = Path(local).absolute()
    return Tarball(path, sha256_of(path), f"PJPROJECT_TARBALL={local}")


def sha256_of(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise BuildError(f"PJPROJECT_TARBALL: cannot read {path}: {error.strerror}") from error


class Downloads:
    """Tarballs fetched before, so that a change of ours alone never downloads again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._note = folder / f"pjproject-{VERSION}.json"

    def find(self) -> Tarball | None:
        """The tarball fetched before, if it is still whole."""
        try:
            note = json.loads(self._note.read_text())
            path = self._folder / note["path"]
            if sha256_of(path) != note["sha256"]:
                return None
            return Tarball(path, note["sha256"], note["origin"])
        except (OSError, BuildError, ValueError, KeyError, TypeError):
            return None

    def fetch(self, apt: "Apt") -> Tarball:
        """Downloads the tarball through apt; checks what arrived against the signed index."""
        self._folder.mkdir(parents=True, exist_ok=True)
        uri, sha256, origin = apt.locate()
        path = self._folder / f"pjproject-{sha256[:16]}.tar.xz"
        apt.download(uri, path, sha256)
        if sha256_of(path) != sha256:
            path.unlink(missing_ok=True)
            raise BuildError(f"{uri}: the file that arrived is not the one in Debian's signed index")
        tarball = Tarball(path, sha256, origin)
        self._note.write_text(json.dumps({**asdict(tarball), "path": path.name}))
        return tarball


class Apt:
    """apt with a private source list, lists and caches under `folder`."""

    def __init__(self, folder: Path, runner: Runner, env: Mapping[str, str]) -> None:
        self._folder = folder
        self._runner = runner
        self._env = env

    def locate(self) -> tuple[str, str, str]:
        """URI, SHA-256 and origin (a text for people) of the component tarball, from the signed index."""
        self._write_list()
        options = self._options()
        self._runner.run("reading Debian's package index", ["apt-get", *options, "update"], self._folder)
        answer = capture(["apt-get", *options, "source", "--print-uris", PACKAGE], cwd=self._folder)
        return component_in(answer)

    def download(self, uri: str, path: Path, sha256: str) -> None:
        doing = "downloading PJSIP's source"
        argv: list[str | Path] = [APT_HELPER, *self._options(), "download-file", uri, path, f"SHA256:{sha256}"]
        self._runner.run(doing, argv, self._folder)

    def _write_list(self) -> None:
        for needed in (KEYRING, APT_HELPER):
            if not needed.exists():
                raise BuildError(
                    f"{needed} is not there: PJSIP's source comes from Debian's archive, so this needs a Debian system "
                    "(package debian-archive-keyring). Elsewhere give a pjproject "
                    f"{VERSION} tarball: PJPROJECT_TARBALL=/path/to/tarball"
                )
        for sub in ("lists/partial", "cache/archives/partial"):
            (self._folder / sub).mkdir(parents=True, exist_ok=True)
        line = f"deb-src [signed-by={KEYRING}] {mirror(self._env)} {SUITE} main\n"
        (self._folder / "sources.list").write_text(line)

    def _options(self) -> list[str]:
        settings = {
            "Dir::Etc::sourcelist": self._folder / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::State::Lists": self._folder / "lists",
            "Dir::Cache": self._folder / "cache",
            # Mirrors that keep a snapshot serve an index whose date has passed; the signature is still checked.
            "Acquire::Check-Valid-Until": "false",
            # The folders are ours, not readable for apt's own user; without this it warns about that.
            "APT::Sandbox::User": "root",
        }
        return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def component_in(print_uris: str) -> tuple[str, str, str]:
    """URI, SHA-256 and origin of the pjproject component in what `apt-get source --print-uris` says."""
    for line in print_uris.splitlines():
        found = re.fullmatch(r"'([^']+)' (\S+) \d+ SHA256:([0-9a-f]{64})", line.strip())
        if found and f".orig-{COMPONENT}.tar." in found[2]:
            version = found[2].split("_", 1)[1].split(".orig-", 1)[0]
            return found[1], found[3], f"Debian {SUITE}, source package {PACKAGE} {version}"
    raise BuildError(
        f"Debian {SUITE}'s source package {PACKAGE} has no component {COMPONENT} now; "
        f"give a pjproject {VERSION} tarball: PJPROJECT_TARBALL=/path/to/tarball"
    )


def mirror(env: Mapping[str, str]) -> str:
    """The Debian mirror that this machine's own apt uses (DEBIAN_MIRROR overrides it)."""
    given = env.get("DEBIAN_MIRROR")
    if given:
        return given.rstrip("/")
    found = _indexed_mirror() or _configured_mirror()
    if found is None:
        raise BuildError(
            "apt on this machine has no Debian mirror to fetch PJSIP's source from. Name one "
            "(DEBIAN_MIRROR=http://…/debian) or give"
            f" a pjproject {VERSION} tarball (PJPROJECT_TARBALL=/path/to/tarball)."
        )
    return found


def _indexed_mirror() -> str | None:
    """From apt's own view of its sources; empty when it never fetched its lists."""
    form = "$(REPO_URI) $(LABEL) $(COMPONENT)"
    for line in capture(["apt-get", "indextargets", "--format", form]).splitlines():
        words = line.split()
        if words[1:] == ["Debian", "main"]:
            return words[0].rstrip("/")
    return None


def _configured_mirror(etc: Path = Path("/etc/apt")) -> str | None:
    """From the source lists themselves, for a fresh machine: the first address that ends in `/debian`."""
    lists = [
        etc / "sources.list",
        *sorted(etc.glob("sources.list.d/*.list")),
        *sorted(etc.glob("sources.list.d/*.sources")),
    ]
    for path in lists:
        text = path.read_text(errors="replace") if path.is_file() else ""
        active = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
        found = re.search(r"\bhttps?://\S+?/debian/?(?=\s|$)", active)
        if found:
            return found[0].rstrip("/")
    return None


def check_version(tree: Path) -> None:
    """Raises BuildError when the unpacked source is not the version that the patches are for."""
    try:
        text = (tree / "version.mak").read_text()
    except OSError as error:
        raise BuildError(f"the source tarball is not pjproject: {error}") from error
    parts = dict(re.findall(r"^export PJ_VERSION_(MAJOR|MINOR)\s*:=\s*(\d+)", text, re.MULTILINE))
    found = f"{parts.get('MAJOR', '?')}.{parts.get('MINOR', '?')}"
    if found != VERSION:
        raise BuildError(
            f"the source is pjproject {found}, our patches and settings are for {VERSION}; "
            f"give a pjproject {VERSION} tarball: PJPROJECT_TARBALL=/path/to/tarball"
        )
