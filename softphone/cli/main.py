"""`softphone`: where the command line begins."""

from __future__ import annotations

import typer

from softphone.cli.lazy import SETTINGS, LazyGroup
from softphone.cli.options import AsJson, Settings, Socket

app = typer.Typer(cls=LazyGroup, name="softphone", no_args_is_help=True, **(SETTINGS | {"add_completion": True}))


@app.callback()
def softphone(ctx: typer.Context, socket: Socket = None, as_json: AsJson = False) -> None:
    """The phone that programs use.

    `softphone run` is the phone; the other commands speak to it over its control socket. `softphone doctor` helps
    when something does not work, `softphone demo` shows everything at work without a PBX.
    """
    ctx.obj = Settings(socket, as_json)


def main() -> None:
    """The entry point. Ends the process."""
    app(prog_name="softphone")


if __name__ == "__main__":
    main()
