"""`softphone demo`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from softphone.cli import exits
from softphone.cli.options import AsJson, Settings
from softphone.cli.output import print_json
from softphone.errors import UsageError

if TYPE_CHECKING:
    from softphone.cli.demo.stage import Stage
    from softphone.cli.demo.story import Places


def demo(
    ctx: typer.Context,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="DIR", help="Keep recordings, configuration and log in this new folder."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """See the phone at work: a PBX on this machine, two phones, calls, proven sound.

    Nothing leaves the machine and nothing is installed. Exits with 0 only if every proof holds.
    """
    from softphone.cli.demo.stage import Stage
    from softphone.cli.demo.story import Places

    as_json = Settings.of(ctx, None, as_json).json
    stage = Stage(sys.stderr if as_json else sys.stdout)
    places = Places(_folder(keep))
    ok: bool | None = None
    try:
        ok = _perform(stage, places)
    finally:
        if ok is not False and keep is None:  # what failed is to be looked at
            shutil.rmtree(places.folder, ignore_errors=True)
    if as_json:
        results = [asdict(result) for result in stage.results]
        print_json({"ok": ok, "seconds": round(stage.seconds, 1), "steps": results})
    raise typer.Exit(exits.OK if ok else exits.FAILED)


def _folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="softphone-demo-"))
    if keep.exists():
        raise UsageError(f"{keep} is there already; name a new folder")
    keep.mkdir(parents=True)
    return keep.absolute()


def _perform(stage: Stage, places: Places) -> bool:
    from softphone.cli.demo.stage import DemoFailed
    from softphone.cli.demo.story import play_out

    stage.write("softphone demo: a telephone system, a phone with two extensions, real calls. All on this machine.")
    try:
        play_out(stage, places)
    except DemoFailed as error:
        stage.write(f"\nThe demo failed in {error}")
        _show_log(stage, places)
        return False
    stage.write(f"\nEverything was proven, in {stage.seconds:.1f} s.")
    stage.write("Next: `softphone config example` for your own PBX, then `softphone doctor`, then `softphone run`.")
    return True


def _show_log(stage: Stage, places: Places) -> None:
    if places.log.exists():
        words = places.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
        stage.write("The end of the phone's log:\n" + "\n".join(f"    {line}" for line in words))
    stage.write(f"All of it, with the recordings, is in {places.folder}. `softphone doctor` checks this machine.")
