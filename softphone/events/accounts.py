"""Accounts, and calls that they expect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from softphone.events.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountAdded(Event):
    type: ClassVar[str] = "account.added"
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChanged(Event):
    type: ClassVar[str] = "account.changed"
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRemoved(Event):
    type: ClassVar[str] = "account.removed"
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRegistering(Event):
    type: ClassVar[str] = "account.registering"
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRegistered(Event):
    """The registrar has our contact. Sent for the first success and for each one after a failure, not for refreshes.

    `address` is the one that answered (numeric, with port); `preferred` is false where those before it had failed.
    """

    type: ClassVar[str] = "account.registered"
    account: str
    expires_s: int
    address: str = ""
    preferred: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRegistrarFailed(Event):
    """One of several registrars (or addresses of one) failed; the next is tried at once. `others` are left to try."""

    type: ClassVar[str] = "account.registrar_failed"
    account: str
    address: str
    code: int
    reason: str
    cause: str
    advice: str
    others: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFailed(Event):
    """Registration failed. `cause` and `advice` are plain English; `retry_in_s` is when it is tried again."""

    type: ClassVar[str] = "account.failed"
    account: str
    code: int
    reason: str
    cause: str
    advice: str
    retry_in_s: float
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountConnectionLost(Event):
    """The connection to the registrar broke or went silent; it is opened and registered anew at once."""

    type: ClassVar[str] = "account.connection_lost"
    account: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUnregistered(Event):
    type: ClassVar[str] = "account.unregistered"
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDnd(Event):
    """Do-not-disturb was switched on or off: callers of this account are refused with `code`."""

    type: ClassVar[str] = "account.dnd"
    account: str
    on: bool
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectStarted(Event):
    """A program announced a call: the next one from `caller` (a pattern) within `within_s` is answered by itself."""

    type: ClassVar[str] = "expect.started"
    expect: str
    account: str
    caller: str
    within_s: float
    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectEnded(Event):
    """`reason`: met (by `call`), expired or cancelled."""

    type: ClassVar[str] = "expect.ended"
    expect: str
    account: str
    reason: str
    call: str
