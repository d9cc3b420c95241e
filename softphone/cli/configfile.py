"""Which configuration file is meant when none is named."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from softphone.errors import ConfigError


def places(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Where it is looked for, in this order; $SOFTPHONE_CONFIG ends the search."""
    if named := environ.get("SOFTPHONE_CONFIG"):
        return (Path(named),)
    home = environ.get("XDG_CONFIG_HOME") or "~/.config"
    own = Path(home).expanduser() / "softphone" / "config.yaml"
    return (Path("softphone.yaml"), own, Path("/etc/softphone/config.yaml"))


def find_config(named: str | None, environ: Mapping[str, str] | None = None) -> Path:
    """The file that is named, else the first that exists. Raises ConfigError that says where it looked."""
    if named is not None:
        return Path(named)
    looked = places(os.environ if environ is None else environ)
    if found := next((path for path in looked if path.exists()), None):
        return found
    raise ConfigError(
        f"no configuration: there is no {' and no '.join(map(str, looked))}. Name one (--config FILE, or"
        " $SOFTPHONE_CONFIG); `softphone config example` prints one to begin with"
    )
