"""The sound of a call that runs: how loud it is, and how loud it shall be."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from softphone.cli.commands.act import OnlyCall, only
from softphone.cli.feed import Feed
from softphone.cli.options import AsJson, Settings, Socket
from softphone.cli.outcome import say
from softphone.cli.output import print_json, print_json_line
from softphone.cli.telling import sentence
from softphone.errors import UsageError

_UP = ("active",)


def volume(
    ctx: typer.Context,
    call: OnlyCall = None,
    microphone: Annotated[
        float | None, typer.Option("--mic", metavar="DB", help="How much louder the far end hears us: -30 to 20.")
    ] = None,
    loudspeaker: Annotated[
        float | None, typer.Option("--speaker", metavar="DB", help="How much louder we hear it: -30 to 20.")
    ] = None,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Show or set how loud microphone and loudspeaker of a call are."""
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        chosen = call or only(phone, _UP, "is up")
        if microphone is None and loudspeaker is None:
            found = phone.call(chosen)
        else:
            found = phone.set_gain(chosen, input_db=microphone, output_db=loudspeaker)
    if settings.json:
        print_json(found)
        return
    audio = found["audio"]
    print(f"{found['id']}: microphone {audio['input_gain_db']:+g} dB, loudspeaker {audio['output_gain_db']:+g} dB")


def levels(
    ctx: typer.Context,
    call: OnlyCall = None,
    every: Annotated[
        int | None,
        typer.Option("--every", metavar="MS", min=100, max=60_000, help="Go on, and show them each so many ms."),
    ] = None,
    talk: Annotated[bool, typer.Option("--talk", help="Go on, and show who begins and stops to talk.")] = False,
    off: Annotated[bool, typer.Option("--off", help="Measure this call no more.")] = False,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Show how loud both sides of a call are, and who talks."""
    if off and (every is not None or talk):
        raise UsageError("--off goes without --every and --talk")
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        chosen = call or only(phone, _UP, "is up")
        if off:
            phone.stop_meter(chosen)
            say(settings, phone.call(chosen), f"{chosen}: measured no more")
        elif every is None and not talk:
            _show(settings, phone.call(chosen))
        else:
            with Feed(settings.connect, ("audio", "call.ended")) as feed:
                phone.start_meter(chosen, interval_ms=every)
                try:
                    _follow(settings, feed, chosen)
                except KeyboardInterrupt:
                    phone.stop_meter(chosen)


def _show(settings: Settings, found: dict[str, Any]) -> None:
    sound = found["sound"]
    words = f"{found['id']}: far end {sound['far_dbfs']:.0f} dBFS, our side {sound['near_dbfs']:.0f} dBFS"
    if sound["device"]:
        words += f"; sound device: {sound['device']}" + (f" ({sound['cause']})" if sound["cause"] else "")
    say(settings, found, words)


def _follow(settings: Settings, feed: Feed, call: str) -> None:
    """Until the call ends, or somebody presses Ctrl-C."""
    while True:
        event = feed.until(call, "audio.level", "audio.talk", "call.ended")
        if settings.json:
            print_json_line(event)
        else:
            print(f"{call}: {sentence(event)}", flush=True)
        if event["type"] == "call.ended":
            return
