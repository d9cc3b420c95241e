"""`softphone pbx token`: access tokens of the live service. Tokens travel in files and pipes, never as arguments."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from softphone.cli import exits
from softphone.cli.durations import show_duration
from softphone.cli.lazy import SETTINGS
from softphone.cli.options import AsJson, Settings
from softphone.cli.output import note, print_facts, print_json, yes_no
from softphone.cli.provider import ConfigFile, TokenFile, Yes, confirm, finish, load_config, read_token
from softphone.errors import UsageError

if TYPE_CHECKING:
    from softphone.config import Provider, Secret

app = typer.Typer(no_args_is_help=True, **SETTINGS)


@app.callback()
def token(ctx: typer.Context, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Access tokens for the live service: acquire, verify, revoke. Needs `provider.live`."""
    ctx.obj = Settings.of(ctx, None, as_json)


@app.command()
def acquire(
    ctx: typer.Context,
    extensions: Annotated[list[str], typer.Argument(metavar="EXTENSION...", help="Whose calls it opens.")],
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="Write the token to this new file, for its owner only.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the token itself.")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Obtain an access token, for a program of yours."""
    settings = Settings.of(ctx, None, as_json)
    if (out is None) != show:
        raise UsageError("say where the token goes: either --out FILE, or --show to have it printed")
    _, provider = load_config(ctx, config)
    file = None if out is None else _new_file(Path(out).expanduser())
    access = finish(_acquired(provider, extensions))
    if file is not None:
        _keep(access.token, file)
    ends = access.expires_at.isoformat() if access.expires_at else None
    if settings.json:
        print_json({"expires_at": ends, "life_s": access.life_s, "file": out} | _shown(access.token, show=show))
        return
    facts = {"ends": _moment(access.expires_at), "holds for": show_duration(access.life_s), "file": out or ""}
    print_facts(facts | _shown(access.token, show=show))


@app.command()
def verify(
    ctx: typer.Context,
    token_file: TokenFile,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="Should the service hand out another token: where to.")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask whether an access token holds; the service may extend it. Exit code 1: it does not."""
    settings = Settings.of(ctx, None, as_json)
    access = read_token(token_file)
    _, provider = load_config(ctx, config)

    async def asked() -> Any:
        from softphone.kavkom import AuthApi

        async with AuthApi.of(provider) as auth:
            return await auth.verify_access(access)

    verdict = finish(asked())
    until = verdict.access.expires_at if verdict.access else None
    replaced = bool(verdict.access and verdict.access.token != access)
    if replaced and out is not None:
        _keep(verdict.access.token, _new_file(Path(out).expanduser()))
    elif replaced:
        note("the service handed out another token, which is not kept: say --out FILE")
    if settings.json:
        print_json({"valid": verdict.valid, "expires_at": until.isoformat() if until else None, "replaced": replaced})
    else:
        print_facts({"valid": yes_no(verdict.valid), "ends": _moment(until), "replaced": "yes" if replaced else ""})
    if not verdict.valid:
        raise typer.Exit(exits.FAILED)


@app.command()
def revoke(
    ctx: typer.Context,
    token_file: Annotated[
        str | None,
        typer.Option("--token-file", metavar="FILE", help="The access token to end; - reads standard input."),
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="End the refresh token of the configuration itself; asks first.")
    ] = False,
    yes: Yes = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """End an access token, or the refresh token itself."""
    settings = Settings.of(ctx, None, as_json)
    if (token_file is not None) == refresh:
        raise UsageError("say what to end: either --token-file FILE, or --refresh")
    access = None if token_file is None else read_token(token_file)
    _, provider = load_config(ctx, config)
    if access is None:
        confirm("End the refresh token? No phone that uses it will hear live events any more.", yes=yes)
    finish(_revoked(provider, access))
    what = "refresh" if access is None else "access"
    if settings.json:
        print_json({"revoked": what})
    else:
        print(f"the {what} token is revoked")


async def _acquired(provider: Provider, extensions: list[str]) -> Any:
    from softphone.kavkom import AuthApi

    async with AuthApi.of(provider) as auth:
        return await auth.acquire_access(extensions)


async def _revoked(provider: Provider, access: Secret | None) -> None:
    from softphone.kavkom import AuthApi

    async with AuthApi.of(provider) as auth:
        if access is None:
            await auth.revoke_refresh()
        else:
            await auth.revoke_access(access)


def _new_file(path: Path) -> int:
    """Opened before the token is asked for: one that cannot be kept is not made."""
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def _keep(access: Secret, file: int) -> None:
    with os.fdopen(file, "w", encoding="utf-8") as sink:
        sink.write(access.reveal() + "\n")


def _shown(access: Secret, *, show: bool) -> dict[str, str]:
    return {"token": access.reveal()} if show else {}


def _moment(when: datetime | None) -> str:
    return when.astimezone().strftime("%Y-%m-%d %H:%M:%S") if when else ""
