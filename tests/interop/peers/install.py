"""Installs what the tests need beside the project: phones, proxies, a browser with SIP.js, PulseAudio, and Asterisk 22.

    python3 tests/interop/peers/install.py

Does nothing, in a fraction of a second, when everything is there. Standard library only.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.interop.browser.bundle import BundleError, ensure_packages  # noqa: E402
from tests.interop.peers.asterisk.root import RootError, ensure_root  # noqa: E402

# what is used of it -> Debian package
TOOLS = {
    "sipp": "sip-tester",
    "mmdebstrap": "mmdebstrap",
    # the sound cards of tests/support/pulse.py
    "pulseaudio": "pulseaudio",
    "paplay": "pulseaudio-utils",
    "libasound_module_pcm_pulse.so": "libasound2-plugins",
    # speech without digits
    "espeak-ng": "espeak-ng",
    # phones, proxies and relays that others wrote
    "baresip": "baresip-core",
    "kamailio": "kamailio",
    "kamailio tls.so": "kamailio-tls-modules",
    "kamailio outbound.so": "kamailio-outbound-modules",
    "kamailio websocket.so": "kamailio-websocket-modules",
    "kamailio utils.so": "kamailio-utils-modules",
    "kamailio db_sqlite.so": "kamailio-sqlite-modules",
    # reads captures
    "tshark": "tshark",
    "rtpengine": "rtpengine-daemon",
    "turnserver": "coturn",
    # a real browser, and what bundles the SIP.js page for it
    "chromium": "chromium",
    "node": "nodejs",
    "npm": "npm",
    # networks with faults
    "ip": "iproute2",
    "nft": "nftables",
}
NO_SERVICES = Path("/usr/sbin/policy-rc.d")


def missing_packages() -> list[str]:
    """The Debian packages of TOOLS that are not here, neither from Debian nor (npm, often) from elsewhere."""
    return [package for tool, package in TOOLS.items() if not shutil.which(tool) and not _installed(package)]


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
    with no_services_started():
        if subprocess.run(install, env=environment, stdout=subprocess.DEVNULL, check=False).returncode == 0:
            return
        print("peers: refreshing apt's package lists", flush=True)
        subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True)
        subprocess.run(install, env=environment, stdout=subprocess.DEVNULL, check=True)


@contextmanager
def no_services_started() -> Iterator[None]:
    """Keeps Debian from starting Kamailio and others as services of this machine: the tests start their own."""
    if NO_SERVICES.exists():
        yield
        return
    NO_SERVICES.write_text("#!/bin/sh\nexit 101\n")
    NO_SERVICES.chmod(0o755)
    try:
        yield
    finally:
        NO_SERVICES.unlink()


def main() -> None:
    """Brings the machine to the state the interop tests expect."""
    packages = missing_packages()
    if packages:
        install_packages(packages)
    try:
        root = ensure_root()
        ensure_packages()
    except (RootError, BundleError) as failure:
        sys.exit(f"peers: {failure}")
    print(
        f"peers: SIPp, baresip, Kamailio, rtpengine, coturn, Chromium and SIP.js are installed; Asterisk is in {root}",
        flush=True,
    )


if __name__ == "__main__":
    main()
