"""What can be done to calls that are up: hold, mute, transfer; redirect for those that ring; and do-not-disturb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from softphone.cli.arguments import Headers, header_lines
from softphone.cli.commands.act import OnlyCall, only
from softphone.cli.feed import Feed
from softphone.cli.options import AsJson, CallId, Settings, Socket
from softphone.cli.outcome import finish, say
from softphone.cli.telling import sentence
from softphone.errors import UsageError

if TYPE_CHECKING:
    from softphone.control.client import ControlClient

_UP = ("active",)


def hold(
    ctx: typer.Context,
    call: OnlyCall = None,
    off: Annotated[bool, typer.Option("--off", help="Resume it.")] = False,
    header: Headers = None,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Hold a call, or resume it."""
    settings = Settings.of(ctx, socket, as_json)
    headers = header_lines(header)
    with settings.connect() as phone:
        chosen = call or only(phone, _UP, "is up")
        if ("local" in phone.call(chosen)["held_by"]) is not off:
            say(settings, phone.call(chosen), f"{chosen}: {'not held' if off else 'held'} already")
            return
        with Feed(settings.connect, ("call",)) as feed:
            if off:
                phone.resume(chosen, headers=headers)
            else:
                phone.hold(chosen, headers=headers)
            told = feed.until(chosen, "call.hold", "call.hold_failed", "call.ended")
            while told["type"] == "call.hold" and told["by"] != "local":
                told = feed.until(chosen, "call.hold", "call.hold_failed", "call.ended")
    finish(settings, told, told["type"] == "call.hold")


def mute(
    ctx: typer.Context,
    call: OnlyCall = None,
    off: Annotated[bool, typer.Option("--off", help="Let it be heard again.")] = False,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Let the far end hear nothing of our side, or hear it again."""
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        chosen = call or only(phone, _UP, "is up")
        found = phone.unmute(chosen) if off else phone.mute(chosen)
    say(settings, found, f"{found['id']}: {'no longer muted' if off else 'muted'}")


def transfer(
    ctx: typer.Context,
    call: CallId,
    target: Annotated[str | None, typer.Argument(metavar="[NUMBER]", help="Where the far end shall call.")] = None,
    to_call: Annotated[
        str | None, typer.Option("--to-call", metavar="CALL", help="Connect it with the far end of this call instead.")
    ] = None,
    header: Headers = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until it is known how it went.")] = True,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Send the far end to a number, or connect it with another call of ours."""
    if (target is None) == (to_call is None):
        raise UsageError("name a number, or a call with --to-call")
    settings = Settings.of(ctx, socket, as_json)
    headers = header_lines(header)
    with settings.connect() as phone, Feed(settings.connect, ("call",)) as feed:
        found = _send(phone, call, target, to_call, headers)
        told = _followed(feed, call, quiet=settings.json) if wait else None
    if told is None:
        say(settings, found, f"{call}: transfer asked")
    else:
        finish(settings, told, told.get("state") == "done")


def _send(
    phone: ControlClient, call: str, target: str | None, to_call: str | None, headers: dict[str, str]
) -> dict[str, Any]:
    if to_call is not None:
        return phone.transfer_to(call, to_call, headers=headers)
    return phone.transfer(call, target or "", headers=headers)


def _followed(feed: Feed, call: str, *, quiet: bool) -> dict[str, Any]:
    """Shows how the transfer goes; returns its outcome, or the end of the call."""
    while True:
        told = feed.until(call, "call.transfer", "call.ended")
        if told["type"] == "call.ended" or told["state"] in ("done", "failed"):
            return told
        if not quiet:
            print(f"{call}: {sentence(told)}", flush=True)


def redirect(
    ctx: typer.Context,
    target: Annotated[str, typer.Argument(metavar="NUMBER", help="Where the caller shall call.")],
    call: OnlyCall = None,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Send the caller of a call that rings here elsewhere."""
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        found = phone.redirect(call or only(phone, ("incoming",), "rings"), target)
    say(settings, found, f"{found['id']}: sent to {target}")


def dnd(
    ctx: typer.Context,
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id, or its user name alone.")],
    off: Annotated[bool, typer.Option("--off", help="Let them ring again.")] = False,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Do not disturb: refuse the callers of an account, or let them ring again."""
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        found = phone.set_dnd(account, not off)
    say(settings, found, f"{found['id']}: {'do not disturb' if found['dnd'] else 'may be disturbed'}")
