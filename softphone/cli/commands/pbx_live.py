"""`softphone pbx live`: what the PBX says of calls, as it happens."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from softphone.cli.options import AsJson, Settings
from softphone.cli.output import count_of, note, print_json_line
from softphone.cli.provider import ConfigFile, finish, load_config
from softphone.errors import ProviderRefused, UsageError

if TYPE_CHECKING:
    from softphone.config import Config, Provider
    from softphone.kavkom import CallState, LiveItem


def live(
    ctx: typer.Context,
    extensions: Annotated[
        list[str] | None,
        typer.Argument(metavar="[EXTENSION]...", help="Whose calls; else those of the configuration."),
    ] = None,
    count: Annotated[int, typer.Option("--count", min=0, help="End after so many changes of calls; 0: never.")] = 0,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Follow what the PBX says of calls, as it happens.

    Ends by Ctrl-C. Needs `provider.live`. A connection that is lost is opened anew, and told of. With --json: one
    document a line.
    """
    settings = Settings.of(ctx, None, as_json)
    loaded, provider = load_config(ctx, config)
    finish(_follow(provider, tuple(extensions or ()) or followed(loaded), count, as_json=settings.json))


def followed(config: Config) -> tuple[str, ...]:
    """The extensions of the configuration that the live service knows. Raises UsageError where there is none."""
    from softphone.config.provider import is_live_extension

    named = config.provider.live.extensions if config.provider and config.provider.live else ()
    pulled = [name for account in config.accounts for name in account.extensions or ()]
    own = [account.username for account in config.accounts if account.username]
    found = named or tuple(dict.fromkeys(name for name in [*pulled, *own] if is_live_extension(name)))
    if not found:
        raise UsageError("name the extensions to follow: the configuration has none with a plain number")
    return found


async def _follow(provider: Provider, extensions: tuple[str, ...], count: int, *, as_json: bool) -> None:
    from softphone.kavkom import CallState, Connected, LiveCalls, Trouble

    connected, changes = False, 0
    async with LiveCalls.of(provider, extensions) as calls:
        async for item in calls:
            tell(item, as_json=as_json)
            connected = connected or isinstance(item, Connected)
            if isinstance(item, Trouble) and item.refused and not connected:
                raise ProviderRefused(item.cause, status=item.status, service="live")
            changes += isinstance(item, CallState)
            if count and changes >= count:
                return


def tell(item: LiveItem, *, as_json: bool) -> None:
    """One item: calls on stdout; what is said of the connection on stderr, unless a program reads."""
    from softphone.kavkom import CallState

    if as_json:
        print_json_line({"time": datetime.now().astimezone().isoformat(), **item.model_dump(mode="json")})
    elif isinstance(item, CallState):
        print(f"{datetime.now():%H:%M:%S}  {call_line(item)}", flush=True)
    else:
        note(f"{datetime.now():%H:%M:%S}  {words(item)}")


def call_line(call: CallState) -> str:
    """`1001  active    inbound   380501234567  2 min  abc-123`."""
    from softphone.cli.durations import show_duration

    lasted = show_duration(call.duration_s) if call.duration_s else ""
    parts = (call.extension or "?", call.state.ljust(8), call.direction.ljust(8), call.number.ljust(14), lasted)
    return "  ".join((*parts, call.call_uuid))


def words(item: LiveItem) -> str:
    """What is said of the connection, in words."""
    from softphone.kavkom import Confirmed, Connected, Gap, Reported, Trouble, Unreadable

    match item:
        case Connected():
            many = count_of(len(item.extensions), "extension")
            return f"events of {many} arrive{' again' if item.again else ''}"
        case Gap():
            unknown = ", ".join(call.call_uuid for call in item.unknown)
            return f"interrupted: {item.cause}" + (f"; not known any more: {unknown}" if unknown else "")
        case Confirmed():
            return f"call {item.call.call_uuid} still is {item.call.state}"
        case Trouble():
            return f"{item.cause}; next try in {item.retry_in_s:.1f} s"
        case Reported():
            return f"the PBX says: {item.message}"
        case Unreadable():
            return item.cause
        case _:
            return call_line(item)
