"""Errors become one plain sentence on stderr and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from softphone.cli import exits
from softphone.errors import ConfigError, OutcomeUnknown, ProviderRefused, SoftphoneError, UsageError


@contextmanager
def told() -> Iterator[None]:
    """Turns the phone's own errors into a message and an exit; lets everything else pass."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(exits.INTERRUPTED) from None
    except SoftphoneError as error:
        print(f"softphone: {error}", file=sys.stderr)
        raise typer.Exit(code_of(error)) from None


def code_of(error: SoftphoneError) -> int:
    """The exit code that stands for this error."""
    if isinstance(error, ConfigError):
        return exits.CONFIG
    if isinstance(error, UsageError):
        return exits.USAGE
    if isinstance(error, OutcomeUnknown):
        return exits.UNKNOWN
    if isinstance(error, ProviderRefused):
        return exits.REFUSED
    return _of_control(error)


def _of_control(error: SoftphoneError) -> int:
    """Loaded late: only who spoke to the daemon can have met its errors."""
    from softphone.control.client import ControlError, ControlUnreachable

    if isinstance(error, ControlUnreachable):
        return exits.NO_DAEMON
    if isinstance(error, ControlError):
        return exits.REFUSED
    return exits.FAILED
