"""Messages in memory, bounded by number, size and age, and which dialog, call and account each belongs to."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from softphone.tracing.message import SipMessage

ENTRY_BYTES = 700
"""What a kept message takes beside its text; measured with tracemalloc."""


@dataclass(slots=True)
class Dialog:
    """All messages of one Call-ID. `call` and `account` are '' as long as nobody said whose they are."""

    sip_call_id: str
    call: str = ""
    account: str = ""
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A kept message; `seq` counts from 1 over the life of the process."""

    seq: int
    message: SipMessage
    dialog: Dialog

    @property
    def tag(self) -> str:
        """The call's id, or else the account's."""
        return self.dialog.call or self.dialog.account


class Store:
    """A queue that forgets its oldest entries. Limits may be changed at any time."""

    def __init__(self, messages: int, size_bytes: int, age_s: float) -> None:
        self.limits(messages, size_bytes, age_s)
        self.bytes = 0
        self.seq = 0
        self.forgotten = 0
        """Entries that went because there was no more room; those that grew old do not count."""
        self._entries: deque[Entry] = deque()
        self._dialogs: dict[str, Dialog] = {}

    def limits(self, messages: int, size_bytes: int, age_s: float) -> None:
        """How much is kept."""
        self._max, self._max_bytes, self._age_us = messages, size_bytes, int(age_s * 1e6)

    def dialog(self, sip_call_id: str) -> Dialog:
        """The dialog of this Call-ID, made where there is none."""
        return self._dialogs.setdefault(sip_call_id, Dialog(sip_call_id))

    def settle(self, dialog: Dialog) -> None:
        """Forgets a dialog that no message is kept of."""
        if not dialog.kept:
            self._dialogs.pop(dialog.sip_call_id, None)

    @property
    def dialogs(self) -> int:
        """How many are known."""
        return len(self._dialogs)

    def settle_all(self) -> None:
        for dialog in list(self._dialogs.values()):
            self.settle(dialog)

    def add(self, message: SipMessage, dialog: Dialog) -> Entry:
        """Keeps a message, at the cost of old ones."""
        self.seq += 1
        entry = Entry(self.seq, message, dialog)
        dialog.kept += 1
        self._entries.append(entry)
        self.bytes += _cost(entry)
        while len(self._entries) > self._max or (self.bytes > self._max_bytes and len(self._entries) > 1):
            self._drop_oldest()
            self.forgotten += 1
        self._drop_aged()
        return entry

    def clear(self) -> None:
        while self._entries:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        entry = self._entries.popleft()
        self.bytes -= _cost(entry)
        entry.dialog.kept -= 1
        self.settle(entry.dialog)

    def _drop_aged(self) -> None:
        limit_us = time.time_ns() // 1000 - self._age_us
        while self._entries and self._entries[0].message.time_us < limit_us:
            self._drop_oldest()

    def after(self, seq: int) -> list[Entry]:
        """Those with a higher number, oldest first. Costs no more than they are many."""
        self._drop_aged()
        found = list(takewhile(lambda entry: entry.seq > seq, reversed(self._entries)))
        found.reverse()
        return found

    def __iter__(self) -> Iterator[Entry]:
        """Oldest first."""
        return iter(self.after(0))

    def __len__(self) -> int:
        return len(self._entries)


def _cost(entry: Entry) -> int:
    return len(entry.message.data) + ENTRY_BYTES
