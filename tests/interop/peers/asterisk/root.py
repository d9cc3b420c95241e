"""A folder with Asterisk 22 in it, made once and kept in the user's cache.

Debian's stable releases have no Asterisk; sid has. `mmdebstrap` unpacks a small sid system with it into
`${XDG_CACHE_HOME:-~/.cache}/softphone/peers/asterisk-<key>/`. The key is the content of this file, so a
changed recipe makes a new folder and an unchanged one costs nothing. Only the standard library is used: the
installer runs before the project's own environment exists.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SUITE = "sid"
PACKAGES = ("asterisk", "asterisk-modules")
# Suites whose mirror also carries sid; those of security or third-party archives do not.
_MAIN_SUITES = frozenset({"bookworm", "trixie", "forky", "duke", "sid", "stable", "testing", "unstable"})

# While it unpacks, mmdebstrap mounts /proc, /sys and the machine's own /dev/shm into the new folder. In namespaces
# of its own these are seen by nobody else, and both they and its processes end with it, however it ends:
# else a killed installer would leave them, and removing the folder would reach into the machine's.
_ALONE = (
    "setpriv --pdeathsig KILL unshare --mount --propagation private --pid --mount-proc --fork --kill-child=KILL"
).split()

Progress = Callable[[str], None]


class RootError(Exception):
    """The Asterisk folder could not be made; the text says what to do."""


def say(text: str) -> None:
    """Prints one progress line at once, so that a slow download does not look like a hang."""
    print(f"asterisk: {text}", flush=True)


def cache_dir() -> Path:
    """The folder of everything that the peers keep between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "softphone" / "peers"


def root_path() -> Path:
    """Where this recipe's Asterisk folder is, or will be."""
    key = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    return cache_dir() / f"asterisk-{key}"


def ensure_root(progress: Progress = say) -> Path:
    """Makes the Asterisk folder unless it is there, and returns it.

    Two runs at once do not build twice: the second waits for the first. A folder appears under its final
    name only when it is complete.

    Raises:
        RootError: not root, no Debian mirror known, or the packages could not be fetched.
    """
    root = root_path()
    if root.is_dir():
        return root
    if os.geteuid() != 0:
        raise RootError("Asterisk runs in a chroot: run the interop tests as root")
    root.parent.mkdir(parents=True, exist_ok=True)
    with _locked(root.parent / "asterisk.lock", progress):
        if not root.is_dir():
            _build(root, progress)
    return root


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another run is making the Asterisk folder; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(root: Path, progress: Progress) -> None:
    started = time.monotonic()
    for stale in root.parent.glob(".asterisk-*"):  # we hold the lock: what is left here was interrupted
        _remove(stale)
    work = Path(tempfile.mkdtemp(prefix=".asterisk-", dir=root.parent))
    try:
        progress(f"fetching Asterisk from Debian {SUITE} (once; 15 to 60 s)")
        _unpack(work, progress)
        (work / "root/etc/resolv.conf").write_text("nameserver 127.0.0.1\n")  # a peer asks nobody
        _check(work / "root")
        (work / "root").rename(root)
    finally:
        _remove(work)
    progress(f"ready in {root} after {time.monotonic() - started:.0f} s")


def _remove(folder: Path) -> None:
    """Removes a folder, but nothing of another file system that is mounted in it."""
    subprocess.run(["rm", "-rf", "--one-file-system", folder], check=True)


def _unpack(work: Path, progress: Progress) -> None:
    options = work / "apt.conf"
    options.write_text(_apt_options())
    command = [*_ALONE, "mmdebstrap", "--variant=essential", f"--include={','.join(PACKAGES)}"]
    command += [f"--aptopt={options}", SUITE, str(work / "root"), _mirror()]
    if shutil.which("mmdebstrap") is None:
        raise RootError("mmdebstrap is missing: python3 tests/interop/peers/install.py installs it")
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            lines.append(line.rstrip())
            if line.startswith("I: ") and line.rstrip().endswith("..."):
                progress("  " + line[3:].strip())
    if process.returncode:
        tail = "\n".join(lines[-15:])
        raise RootError(f"the packages of Debian {SUITE} could not be fetched or unpacked:\n{tail}")


def _apt_options() -> str:
    """What the new system's apt needs to know of this machine's: proxies, and that an old index will do."""
    dump = _output("apt-config", "dump").splitlines()
    kept = [line for line in dump if line.lower().startswith(("acquire::http", "acquire::https"))]
    own = ['Acquire::Check-Valid-Until "false";', 'APT::Install-Recommends "false";']
    return "\n".join(kept + own) + "\n"


def _mirror() -> str:
    """The Debian mirror that this machine's own apt uses for its main suite."""
    targets = _output("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)")
    for line in targets.splitlines():
        fields = line.split()
        if len(fields) == 3 and fields[1] in _MAIN_SUITES and fields[2] == "main":
            return fields[0].rstrip("/")
    raise RootError("apt's sources name no Debian mirror (component main); sid is fetched from the same one")


def _check(root: Path) -> None:
    version = subprocess.run(["chroot", root, "asterisk", "-V"], capture_output=True, text=True, check=False)
    if not version.stdout.startswith("Asterisk"):
        raise RootError(f"the unpacked Asterisk does not run: {version.stderr.strip()}")


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    try:
        print(ensure_root())
    except RootError as failure:
        sys.exit(f"asterisk: {failure}")
