"""`softphone call`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from softphone.cli import exits
from softphone.cli.arguments import Headers, Overwrite, Stereo, duration_option, header_lines
from softphone.cli.options import AsJson, Settings, Socket
from softphone.cli.tracefile import SUFFIXES, form_of
from softphone.errors import UsageError

if TYPE_CHECKING:
    from softphone.control.client import ControlClient

ENDINGS = (
    "answered",
    "busy",
    "no_answer",
    "rejected",
    "not_found",
    "unreachable",
    "no_common_media",
    "failed",
    "ended_early",
)


def call(
    ctx: typer.Context,
    target: Annotated[str, typer.Argument(metavar="NUMBER", help="A number, an extension, or a SIP URI.")],
    account: Annotated[
        str | None, typer.Option("--account", metavar="ACCOUNT", help="Who calls; else the first account that can.")
    ] = None,
    lasts: Annotated[
        float | None, duration_option("--for", "Hang up so long after the answer (5s, 1m30s); else stay to the end.")
    ] = None,
    record: Annotated[
        str | None, typer.Option("--record", metavar="FILE", help="Record to this WAV file, from the first sound on.")
    ] = None,
    stereo: Stereo = False,
    overwrite: Overwrite = False,
    play: Annotated[str | None, typer.Option("--play", metavar="FILE", help="Play this file after the answer.")] = None,
    dtmf: Annotated[str, typer.Option("--dtmf", metavar="DIGITS", help="Send these digits after the answer.")] = "",
    header: Headers = None,
    ring_timeout: Annotated[
        float | None, duration_option("--ring-timeout", "Give up ringing after so long; else as configured.")
    ] = None,
    max_duration: Annotated[
        float | None,
        duration_option("--max-duration", "The phone ends it after so long, even if this command is gone."),
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", metavar="NAME", help="Sound device to speak by; `default` is one.")
    ] = None,
    expect: Annotated[
        str | None,
        typer.Option("--expect", metavar="END", help=f"Exit with 0 if it ends so, else with 1: {', '.join(ENDINGS)}."),
    ] = None,
    ladder: Annotated[
        bool, typer.Option("--ladder", help="If it fails, show its SIP messages as a ladder (on stderr).")
    ] = False,
    trace: Annotated[
        str | None,
        typer.Option("--trace", metavar="FILE", help=f"Write its SIP messages: to FILE.{', .'.join(SUFFIXES)}."),
    ] = None,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Call a number, and stay until the call is over.

    Shows what happens as it happens. Ctrl-C hangs up. The recording is complete when the command ends, and the exit
    code says how the call went.
    """
    from softphone.cli.calling import Plan, place

    if expect is not None and expect not in ENDINGS:
        raise UsageError(f"--expect takes one of {', '.join(ENDINGS)}, not {expect!r}")
    plan = Plan(
        target=target,
        account=account,
        lasts_s=lasts,
        record=_recording(record, overwrite),
        stereo=stereo,
        overwrite=overwrite,
        play=_playable(play),
        digits=dtmf,
        headers=header_lines(header),
        ring_timeout_s=ring_timeout,
        max_duration_s=max_duration,
        device=device,
        trace=ladder or trace is not None,
    )
    settings = Settings.of(ctx, socket, as_json)
    form = None if trace is None else form_of(trace)

    def tell(phone: ControlClient, called: str, code: int) -> None:
        if trace is not None and form is not None:
            Path(trace).write_bytes(phone.trace_document(form, called))
        if ladder and _judged(expect, code) != exits.OK:
            print(phone.trace_document("ladder", called).decode(), file=sys.stderr, flush=True)

    raise typer.Exit(_judged(expect, place(settings, plan, tell)))


call.epilog = exits.table()  # type: ignore[attr-defined]  # shown below the help, see lazy.py


def _recording(file: str | None, overwrite: bool) -> str | None:
    """The absolute path: the daemon works in another folder. Looked at before anybody's phone rings."""
    if file is None:
        return None
    path = Path(file).absolute()
    if path.exists() and not overwrite:
        raise UsageError(f"{file} is there already; take another name, or say --overwrite")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} to record to")
    return str(path)


def _playable(file: str | None) -> str | None:
    from softphone.cli.commands.act import sound_file

    return None if file is None else sound_file(file)


def _judged(expected: str | None, code: int) -> int:
    """The code itself where nothing was expected; else 0 if the call ended so, 1 if not.

    What kept the call from being tried keeps its own code.
    """
    if expected is None:
        return code
    wanted = {
        "answered": exits.OK,
        "busy": exits.BUSY,
        "no_answer": exits.NO_ANSWER,
        "rejected": exits.REJECTED,
        "not_found": exits.NOT_FOUND,
        "unreachable": exits.UNREACHABLE,
        "no_common_media": exits.NO_COMMON_MEDIA,
        "failed": exits.OTHER_ENDING,
        "ended_early": exits.ENDED_EARLY,
    }
    if code == wanted[expected]:
        return exits.OK
    return exits.FAILED if code in wanted.values() else code
