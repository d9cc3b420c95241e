"""Is everything installed that the build needs? Asked of the tools themselves, not of a package manager."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from .errors import BuildError, MissingPackages
from .run import Runner

# What shows that a package is there: a command, or a header that the compiler finds.
COMMANDS = {"gcc": "gcc", "g++": "g++", "make": "make", "patch": "patch", "xz-utils": "xz", "swig": "swig"}
HEADERS = {
    "libc6-dev": "stdio.h",
    "libssl-dev": "openssl/ssl.h",
    "libasound2-dev": "alsa/asoundlib.h",
    "libopus-dev": "opus/opus.h",
    "libsrtp2-dev": "srtp2/srtp.h",
    "libspeex-dev": "speex/speex.h",
    "libspeexdsp-dev": "speex/speex_echo.h",
    "libgsm1-dev": "gsm/gsm.h",
    "uuid-dev": "uuid/uuid.h",
}


def listed(packages_txt: Path) -> list[str]:
    """The names in packages.txt, without comments."""
    lines = (line.strip() for line in packages_txt.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def missing(names: list[str], env: Mapping[str, str] = os.environ) -> list[str]:
    """Those of `names` whose command or header is not found. Without a compiler every header counts as missing."""
    path = env.get("PATH", os.defpath)
    absent = [name for name in names if name in COMMANDS and not shutil.which(COMMANDS[name], path=path)]
    headers = {name: HEADERS[name] for name in names if name in HEADERS}
    compiler = shutil.which("gcc", path=path)
    if compiler is None:
        return absent + list(headers)
    return absent + _missing_headers(compiler, headers)


def _missing_headers(compiler: str, headers: dict[str, str]) -> list[str]:
    probe = "".join(f"#if !__has_include(<{header}>)\n@ {name}\n#endif\n" for name, header in headers.items())
    done = subprocess.run([compiler, "-E", "-P", "-x", "c", "-"], input=probe, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(f"{compiler} does not work: {done.stderr.strip()}")
    return [line[2:].strip() for line in done.stdout.splitlines() if line.startswith("@ ")]


def install_command(names: list[str]) -> list[str]:
    return ["apt-get", "install", "-y", "--no-install-recommends", *names]


def explain(names: list[str]) -> MissingPackages:
    """The one clear sentence."""
    command = " ".join(install_command(names)).replace(" -y", "")
    what = "package is" if len(names) == 1 else "packages are"
    return MissingPackages(
        f"the build needs what these Debian {what} for: {', '.join(names)}. "
        f"Install with `sudo {command}`, or run build.py again with --install."
    )


def install(names: list[str], runner: Runner, env: Mapping[str, str] = os.environ) -> None:
    """Installs through apt-get, as root or by a sudo that asks nothing. Raises BuildError when neither is possible."""
    prefix = _as_root(env)
    if prefix is None or not shutil.which("apt-get", path=env.get("PATH", os.defpath)):
        raise explain(names)
    setting = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive"]
    doing = "installing Debian packages"
    try:
        runner.run(doing, [*setting, *install_command(names)], Path("/"))
    except BuildError:
        # A fresh machine or image often has no package lists, or old ones.
        runner.run(doing, [*prefix, "apt-get", "update", "-q"], Path("/"))
        runner.run(doing, [*setting, *install_command(names)], Path("/"))


def _as_root(env: Mapping[str, str]) -> list[str] | None:
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo", path=env.get("PATH", os.defpath))
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True).returncode == 0:
        return [sudo, "-n"]
    return None
