"""Installs what the tests need beside the project: SIPp, PulseAudio, and Asterisk 22 in a folder of its own.

    python3 tests/interop/peers/install.py

Does nothing, in a fraction of a second, when everything is there. Standard library only.
"""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.interop.peers.asterisk.root import RootError, ensure_root  # noqa: E402

# what is used of it -> Debian package; the last three make the sound cards of tests/support/pulse.py
TOOLS = {
    "sipp": "sip-tester",
    "mmdebstrap": "mmdebstrap",
    "pulseaudio": "pulseaudio",
    "paplay": "pulseaudio-utils",
    "libasound_module_pcm_pulse.so": "libasound2-plugins",
}


def missing_packages() -> list[str]:
    """The Debian packages of TOOLS that dpkg does not know as installed."""
    return [package for package in TOOLS.values() if not _installed(package)]


def _installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    answer = subprocess.run(query, capture_output=True, text=True, check=False)
    return answer.stdout == "installed"


def install_packages(packages: list[str]) -> None:
    """Installs Debian packages with apt, refreshing its lists only when they do not know a package."""
    if os.geteuid() != 0:
        sys.exit(f"peers: as root, please: apt-get install {' '.join(packages)}")
    print(f"peers: installing {', '.join(packages)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-qq", "--no-install-recommends", *packages]
    if subprocess.run(install, env=environment, stdout=subprocess.DEVNULL, check=False).returncode == 0:
        return
    print("peers: refreshing apt's package lists", flush=True)
    subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True)
    subprocess.run(install, env=environment, stdout=subprocess.DEVNULL, check=True)


def main() -> None:
    """Brings the machine to the state the interop tests expect."""
    packages = missing_packages()
    if packages:
        install_packages(packages)
    try:
        root = ensure_root()
    except RootError as failure:
        sys.exit(f"peers: {failure}")
    print(f"peers: SIPp is installed; Asterisk is in {root}", flush=True)


if __name__ == "__main__":
    main()
