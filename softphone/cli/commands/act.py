"""Commands to a call that runs: answer, reject, hangup, dtmf, play, record."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from softphone.cli.arguments import Headers, Overwrite, SoundFile, Stereo, duration_option, header_lines
from softphone.cli.feed import Feed
from softphone.cli.options import AsJson, CallId, Settings, Socket
from softphone.cli.outcome import finish, say
from softphone.cli.output import note, print_json
from softphone.errors import UsageError

if TYPE_CHECKING:
    from softphone.control.client import ControlClient

OnlyCall = Annotated[
    str | None, typer.Argument(metavar="[CALL]", help="The call's id, such as c1; not needed if there is only one.")
]


def answer(
    ctx: typer.Context,
    call: OnlyCall = None,
    header: Headers = None,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Answer a call that rings here."""
    settings = Settings.of(ctx, socket, as_json)
    headers = header_lines(header)
    with settings.connect() as phone:
        found = phone.answer(call or only(phone, ("incoming",), "rings"), headers=headers)
    _say(settings, found, f"{found['id']}: answered")


def reject(
    ctx: typer.Context,
    call: OnlyCall = None,
    code: Annotated[int, typer.Option("--code", min=400, max=699, help="The SIP status: 486 busy, 603 decline.")] = 486,
    reason: Annotated[str, typer.Option("--reason", help="The reason phrase; the usual one by default.")] = "",
    header: Headers = None,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Refuse a call that rings here."""
    settings = Settings.of(ctx, socket, as_json)
    headers = header_lines(header)
    with settings.connect() as phone:
        found = phone.reject(call or only(phone, ("incoming",), "rings"), code, reason, headers=headers)
    _say(settings, found, f"{found['id']}: refused with {code}")


def hangup(
    ctx: typer.Context,
    call: OnlyCall = None,
    every: Annotated[bool, typer.Option("--all", help="End every call.")] = False,
    header: Headers = None,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """End a call."""
    if call and every:
        raise UsageError("name a call or say --all, not both")
    settings = Settings.of(ctx, socket, as_json)
    headers = header_lines(header)
    with settings.connect() as phone:
        if every:
            found = _hang_up_all(phone, headers)
        else:
            found = [phone.hang_up(call or only(phone, (), "runs"), headers=headers)]
    if settings.json:
        print_json(found if every else found[0])
    else:
        print("\n".join(f"{each['id']}: hung up" for each in found) or "no calls")


def _hang_up_all(phone: ControlClient, headers: dict[str, str]) -> list[dict[str, Any]]:
    """Whatever runs now; a call that ends by itself meanwhile is no error."""
    from softphone.control.client import ControlError

    found = []
    for call in phone.calls():
        try:
            found.append(phone.hang_up(call["id"], headers=headers))
        except ControlError as error:
            if error.status not in (404, 409):
                raise
    return found


def only(phone: ControlClient, states: Iterable[str], verb: str) -> str:
    """The id of the one call in these states (none: any). Raises UsageError if there are none or several."""
    wanted = tuple(states)
    found = [c for c in phone.calls() if not wanted or c["state"] in wanted]
    if len(found) == 1:
        return str(found[0]["id"])
    if not found:
        raise UsageError(f"no call {verb}")
    listed = ", ".join(f"{c['id']} ({c['remote']})" for c in found)
    raise UsageError(f"{len(found)} calls are there; name one of {listed}")


def dtmf(
    ctx: typer.Context,
    call: CallId,
    digits: Annotated[str, typer.Argument(metavar="DIGITS", help="0 to 9, *, #, A to D.")],
    method: Annotated[
        str,
        typer.Option("--method", help="rfc4733 (in the sound's stream), info (SIP INFO), inband (as sound), or auto."),
    ] = "auto",
    duration: Annotated[int, typer.Option("--duration-ms", help="How long each sounds.")] = 160,
    pause: Annotated[int, typer.Option("--pause-ms", help="Between two of them.")] = 80,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until all are sent.")] = True,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Send digits."""
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        if not wait:
            found = phone.send_digits(call, digits, method=method, duration_ms=duration, pause_ms=pause)
            _say(settings, found, f"{call}: sending {digits}")
            return
        with watching(settings) as feed:
            phone.send_digits(call, digits, method=method, duration_ms=duration, pause_ms=pause)
            ended = feed.until(call, "call.digits_sent", "call.digits_failed", "call.ended")
    finish(settings, ended, ended["type"] == "call.digits_sent")


def play(
    ctx: typer.Context,
    call: CallId,
    file: Annotated[str | None, typer.Argument(metavar="[FILE]", help="The sound file.")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at its end, until it is stopped.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop what is being played.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until it is over.")] = False,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Play a sound file to the far end, or stop it."""
    if stop == (file is not None) or (stop and (loop or wait)):
        raise UsageError("name a file to play, or say --stop")
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        if file is None:
            phone.stop_play(call)
            _say(settings, {"id": call, "stopped": True}, f"{call}: stopped")
        elif not wait:
            found = phone.play(call, sound_file(file), loop=loop)
            _say(settings, found, f"{call}: playing {file} ({found['id']})")
        else:
            _play_to_end(settings, phone, call, file, loop)


def _play_to_end(settings: Settings, phone: ControlClient, call: str, file: str, loop: bool) -> None:
    with watching(settings) as feed:
        found = phone.play(call, sound_file(file), loop=loop)
        ended = feed.until(call, "play.ended", play=found["id"])
    finish(settings, ended, ended["reason"] in ("finished", "stopped"))


def record(
    ctx: typer.Context,
    call: CallId,
    file: SoundFile = None,
    stereo: Stereo = False,
    overwrite: Overwrite = False,
    limit: Annotated[float | None, duration_option("--max", "Stop by itself after so long.")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the recordings of this call.")] = False,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Record a call to a WAV file, or stop it."""
    if stop == (file is not None):
        raise UsageError("name a file to record to, or say --stop")
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        if file is None:
            ended = phone.stop_record(call)
            words = "\n".join(f"{e['file']}: {e['duration_s']:.1f} s" for e in ended) or f"{call} is not recorded"
            _say(settings, ended, words)
            return
        path = str(Path(file).absolute())
        mode = "stereo" if stereo else "mono"
        found = phone.record(call, path, mode=mode, overwrite=overwrite, max_duration_s=limit)
    _say(settings, found, f"{call}: recording to {found['file']} ({found['id']})")


def sound_file(file: str) -> str:
    """The file's absolute path: the daemon works in another folder. Raises UsageError if it is not there."""
    path = Path(file).absolute()
    if not path.is_file():
        raise UsageError(f"there is no sound file {file}")
    return str(path)


def watching(settings: Settings) -> Feed:
    """A feed of events that is open before the command is sent, so that nothing is missed."""
    return Feed(settings.connect, ("call", "play", "record"))


def _say(settings: Settings, found: Any, words: str) -> None:
    say(settings, found, words)
    if not settings.json and isinstance(found, dict) and found.get("end"):
        note(found["end"]["cause"])
