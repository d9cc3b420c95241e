"""What the commands of `softphone pbx` share: the part of the configuration that they need, questions, and progress."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from softphone.cli.configfile import find_config
from softphone.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from softphone.config import Config, Provider, Secret

T = TypeVar("T")

ConfigFile = Annotated[
    str | None,
    typer.Option("--config", metavar="FILE", help="The configuration file; else the one `softphone run` would take."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
TokenFile = Annotated[
    str,
    typer.Option(
        "--token-file", metavar="FILE", help="The file that holds the access token; - reads it from standard input."
    ),
]


def load_config(ctx: typer.Context, named: str | None) -> tuple[Config, Provider]:
    """The configuration, and its `provider:`. Raises ConfigError where it has none."""
    # httpx has a command line of its own: a fifth of our start-up time, for what nobody calls here
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    from softphone.config import load

    path = find_config(named or _named_before(ctx))
    config = load(path)
    if config.provider is None:
        raise ConfigError("`softphone pbx` needs it: `domain_uuid` and `token`", file=str(path), key="provider")
    return config, config.provider


def _named_before(ctx: typer.Context) -> str | None:
    """`--config` of the group, where it stood before the command's name."""
    above = ctx.parent
    while above is not None:
        if named := above.params.get("config"):
            return str(named)
        above = above.parent
    return None


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end."""
    return asyncio.run(work)


def confirm(question: str, *, yes: bool) -> None:
    """Asks a person on the terminal. Raises UsageError where nobody can be asked, typer.Abort for a no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody can be asked here: say --yes")
    typer.confirm(question, err=True, abort=True)


def progress(text: str) -> None:
    """How far something is, on the last line of a person's terminal; an empty text takes it away."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def read_token(file: str) -> Secret:
    """An access token from a file, or from standard input. Never from the command line, which others can read."""
    from softphone.config import Secret

    try:
        text = sys.stdin.read(64 * 1024) if file == "-" else Path(file).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"the token file {file} cannot be read: {cause}") from None
    if not text.strip() or len(text.split()) != 1:
        raise UsageError(f"{'standard input' if file == '-' else file} has to hold one token and nothing else")
    return Secret(text.strip(), "a file")
