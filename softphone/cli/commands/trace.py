"""`softphone trace`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from softphone.cli.options import AsJson, Settings, Socket
from softphone.cli.output import note, print_facts, print_json, print_json_line, yes_no
from softphone.cli.tracefile import SUFFIXES, form_of
from softphone.errors import UsageError

if TYPE_CHECKING:
    from softphone.control.client import ControlClient
    from softphone.tracing.message import SipMessage

FORMS = ("ladder", "text", "json", "svg", "pcap")
FOLLOWED = ("ladder", "text", "json")
WAIT_S = 25.0


def trace(
    ctx: typer.Context,
    what: Annotated[
        str,
        typer.Argument(metavar="[WHAT]", help="A call (c1), an account, `all`; or: on, off, status, clear."),
    ] = "all",
    account: Annotated[
        str | None, typer.Option("--account", metavar="ACCOUNT", help="With on and off: only this account.")
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", metavar="FORM", help=f"{', '.join(FORMS)}; ladder if nothing is said.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", metavar="FILE", help=f"Write it, in the form of the name: .{', .'.join(SUFFIXES)}."),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes; ends by Ctrl-C.")] = False,
    width: Annotated[int, typer.Option("--width", min=60, max=500, help="Length of a ladder's lines.")] = 100,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Show SIP messages: of a call, of an account, or all; switch them on and off.

    They are kept from `softphone trace on` (or `trace: {sip: on}` in the configuration), as they are before encryption
    and after decryption, with secrets masked. `softphone trace c1 --output c1.pcap` is for Wireshark.
    """
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        if what in ("on", "off", "status", "clear"):
            _switch(phone, what, account, settings.json)
            return
        chosen = form or (form_of(output) if output else "json" if settings.json else "ladder")
        if chosen not in FORMS:
            raise UsageError(f"--format takes one of {', '.join(FORMS)}, not {chosen!r}")
        call, of_account = _whose(phone, what)
        if follow:
            _follow(phone, call, of_account, chosen, width)
        else:
            _put(phone.trace_document(chosen, call, of_account, width=width), chosen, output)


def _switch(phone: ControlClient, what: str, account: str | None, as_json: bool) -> None:
    if what == "clear":
        phone.clear_trace()
    elif what != "status":
        phone.switch_trace(what == "on", account)
    found = phone.trace_status()
    if as_json:
        print_json(found)
        return
    collector = found["collector"]
    print_facts(
        {
            "kept": "all SIP messages" if found["on"] else ", ".join(found["accounts"] + found["calls"]) or "nothing",
            "messages": f"{found['messages']}, {found['bytes'] / 1e6:.1f} MB",
            "forgotten": str(found["forgotten"] or ""),
            "lost": str(found["lost"] or ""),
            "collector": f"{collector['place']} by {collector['transport']}: {collector['sent']} sent,"
            f" {collector['dropped']} dropped" if collector else "",
            "reachable": f"{yes_no(not collector['cause'])} {collector['cause']}".strip() if collector else "",
        }
    )  # fmt: skip


def _whose(phone: ControlClient, what: str) -> tuple[str, str]:
    """(call, account), one of them or none. Raises UsageError where there is neither."""
    from softphone.control.client import ControlError

    if what == "all":
        return "", ""
    try:
        phone.trace(what, after=sys.maxsize)
        return what, ""
    except ControlError as error:
        if error.kind != "not-found":
            raise
    try:
        return "", str(phone.account(what)["id"])
    except ControlError as error:
        if error.kind != "not-found":
            raise
        hint = "see `softphone calls` and `softphone accounts`"
        raise UsageError(f"there is no call and no account {what}; {hint}") from None


def _put(document: bytes, form: str, output: str | None) -> None:
    if output is not None:
        Path(output).write_bytes(document)
        note(f"written to {output}")
        return
    if form == "pcap" and sys.stdout.isatty():
        raise UsageError("a capture is binary: say --output FILE.pcap, or pipe it to a program")
    sys.stdout.buffer.write(document)
    sys.stdout.buffer.flush()


# ---- following


def _follow(phone: ControlClient, call: str, account: str, form: str, width: int) -> None:
    if form not in FOLLOWED:
        raise UsageError(f"--follow takes --format {', '.join(FOLLOWED)}")
    drawing = _Drawing(width, tagged=not call)
    after = 0
    while True:
        found = phone.trace(call, account, after=after, wait_s=WAIT_S)
        after = found["last"]
        for view in found["messages"]:
            if form == "json":
                print_json_line(view)
            elif form == "text":
                from softphone.tracing.text import one

                print(one(_message(view), view["call"] or view["account"]), end="", flush=True)
            else:
                drawing.add(view)


class _Drawing:
    """A ladder that grows. Its head is drawn anew when somebody joins."""

    def __init__(self, width: int, *, tagged: bool) -> None:
        self._width, self._tagged = width, tagged
        self._lanes: list[Any] = []
        self._page: Any = None
        self._start_us = 0

    def add(self, view: Mapping[str, Any]) -> None:
        from softphone.tracing.ladder import Page, began
        from softphone.tracing.scene import arrow

        made = arrow(_message(view), view["call"] or view["account"])
        if not self._lanes:
            self._start_us = made.time_us
            print(began(made.time_us))
        if made.lane not in self._lanes:
            self._lanes.append(made.lane)
            self._page = Page(self._lanes, self._start_us, width=self._width, tagged=self._tagged)
            print("\n".join(["", *self._page.heading()]))
        print("\n".join(self._page.draw(made)), flush=True)


def _message(view: Mapping[str, Any]) -> SipMessage:
    """The message that the API shows."""
    from softphone.tracing.message import SipMessage
    from softphone.tracing.scene import place

    when = datetime.fromisoformat(view["time"])
    return SipMessage(
        time_us=int(when.timestamp()) * 1_000_000 + when.microsecond,
        sent=view["direction"] == "sent",
        transport=view["transport"],
        local=place(view["local"]),
        remote=place(view["remote"]),
        data=view["text"].encode(),
    )
