"""The command table, and a group that loads a command's module when the command is called, not before.

The help texts stand here, so that `softphone --help` loads nothing; a test compares them with the commands' own.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup


@dataclass(frozen=True, slots=True)
class Entry:
    """`target` is `module:attribute` below softphone.cli.commands: a function, or a Typer of sub-commands."""

    name: str
    target: str
    help: str


SECTIONS: dict[str, tuple[Entry, ...]] = {
    "The phone": (
        Entry("run", "run:run", "Run the phone until it is told to stop."),
        Entry("status", "status:status", "Show how the phone is, and what is wrong with it now."),
        Entry("accounts", "accounts:app", "Show accounts; register, unregister, or read the PBX's list again."),
        Entry("dnd", "control:dnd", "Do not disturb: refuse the callers of an account, or let them ring again."),
        Entry("devices", "devices:devices", "List the sound devices that a call can use, or try one."),
        Entry("events", "events:events", "Follow what happens, as it happens."),
        Entry("timeline", "timeline:timeline", "Show what phone, PBX and CDR say of each call, and where they differ."),
        Entry("trace", "trace:trace", "Show SIP messages: of a call, of an account, or all; switch them on and off."),
    ),
    "Calls": (
        Entry("call", "call:call", "Call a number, and stay until the call is over."),
        Entry("calls", "calls:app", "Show the calls that are running, or one of them."),
        Entry("answer", "act:answer", "Answer a call that rings here."),
        Entry("reject", "act:reject", "Refuse a call that rings here."),
        Entry("expect", "expect:app", "Have a call answered by itself that is about to come, such as a click-to-call."),
        Entry("hangup", "act:hangup", "End a call."),
        Entry("hold", "control:hold", "Hold a call, or resume it."),
        Entry("mute", "control:mute", "Let the far end hear nothing of our side, or hear it again."),
        Entry("transfer", "control:transfer", "Send the far end to a number, or connect it with another call of ours."),
        Entry("redirect", "control:redirect", "Send the caller of a call that rings here elsewhere."),
        Entry("conference", "conference:app", "Merge calls so that all hear each other; split them again."),
        Entry("handsets", "handsets:app", "Show the browsers that are handsets; put them into calls, and out again."),
        Entry("dtmf", "act:dtmf", "Send digits."),
        Entry("collect", "collect:collect", "Wait for digits that the far end types, and print them."),
        Entry("play", "act:play", "Play a sound file to the far end, or stop it."),
        Entry("volume", "sound:volume", "Show or set how loud microphone and loudspeaker of a call are."),
        Entry("levels", "sound:levels", "Show how loud both sides of a call are, and who talks."),
        Entry("record", "act:record", "Record a call to a WAV file, or stop it."),
    ),
    "The PBX": (
        Entry("pbx", "pbx:app", "Speak to the PBX's service: extensions, orders, click-to-call, live events, tokens."),
    ),
    "Set-up and trial": (
        Entry("config", "config:app", "Check a configuration file; print an example or the schema."),
        Entry("doctor", "doctor:doctor", "Find out what keeps the phone from working, and what to do about it."),
        Entry("lab", "lab:lab", "Run a PBX for trials on this machine."),
        Entry("demo", "demo:demo", "See the phone at work: a PBX on this machine, two phones, calls, proven sound."),
        Entry("version", "version:version", "Print the version."),
    ),
}

SETTINGS: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
"""What every Typer of ours is made with. Plain help: drawing it with Rich would cost more than all the rest."""


def entries() -> Iterator[Entry]:
    """All commands, in the order of the help."""
    for section in SECTIONS.values():
        yield from section


class LazyCommands(MutableMapping[str, Any]):
    """Command name -> command, made at first use."""

    def __init__(self) -> None:
        self._entries = {entry.name: entry for entry in entries()}
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _load(self._entries[name])
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _load(entry: Entry) -> Any:
    module, _, attribute = entry.target.partition(":")
    found = getattr(import_module(f"softphone.cli.commands.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        found = _alone(found, entry.name)
    command = typer.main.get_command(found)
    command.name = entry.name
    return command


def _alone(function: Any, name: str) -> typer.Typer:
    """A Typer of one command. The function's `epilog` attribute, if any, is shown below its help."""
    app = typer.Typer(**SETTINGS)
    app.command(name, help=inspect.getdoc(function), epilog=getattr(function, "epilog", None))(function)
    return app


class LazyGroup(TyperGroup):
    """The `softphone` command itself."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = LazyCommands()

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return self.commands.get(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        width = max(len(entry.name) for entry in entries())
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(entry.name.ljust(width), entry.help) for entry in section])

    def invoke(self, ctx: Any) -> Any:
        from softphone.cli.failing import told

        with told():
            return super().invoke(ctx)
