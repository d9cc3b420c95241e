"""Options that every command has: where the daemon is, and whether a person or a program reads."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from softphone.control.client import ControlClient

Socket = Annotated[
    str | None,
    typer.Option(
        "--socket",
        metavar="PATH",
        help="The phone's control socket (default: $SOFTPHONE_SOCKET, else where `softphone run` puts it).",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else; words go to stderr.")]
CallId = Annotated[str, typer.Argument(metavar="CALL", help="The call's id, such as c1 (see `softphone calls`).")]


@dataclass(frozen=True, slots=True)
class Settings:
    """The common options, wherever on the command line they stood."""

    socket: str | None = None
    json: bool = False

    @classmethod
    def of(cls, ctx: typer.Context, socket: str | None, as_json: bool) -> Settings:
        """Those of this command, else those that stood before it."""
        before = ctx.obj if isinstance(ctx.obj, cls) else cls()
        return cls(socket or before.socket, as_json or before.json)

    def connect(self) -> ControlClient:
        """A client of the daemon. Nothing is sent yet."""
        # httpx has a command line of its own: a fifth of our start-up time, for what nobody calls here
        sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
        from softphone.control.client import ControlClient

        return ControlClient(self.socket_path)

    @property
    def socket_path(self) -> Path:
        return Path(self.socket) if self.socket else find_socket(os.environ)


def find_socket(environ: Mapping[str, str]) -> Path:
    """$SOFTPHONE_SOCKET; else the user's own phone if it is there, else the system's if that is; else the user's.

    The same places as `softphone.config.places`, which would take ten times longer to load.
    """
    if named := environ.get("SOFTPHONE_SOCKET"):
        return Path(named)
    system = Path("/run/softphone/control.sock")
    runtime = environ.get("XDG_RUNTIME_DIR")
    own = Path(runtime) / "softphone" / "control.sock" if runtime else system
    return next((path for path in (own, system) if path.exists()), own)
