"""What is kept is bounded by number, size and age."""

from __future__ import annotations

import time
from dataclasses import replace

from softphone.tracing.message import SipMessage
from softphone.tracing.store import ENTRY_BYTES, Store
from tests.tracing.samples import message, request


def now(data: bytes = b"", *, age_s: float = 0) -> SipMessage:
    return replace(message(data or request()), time_us=int((time.time() - age_s) * 1e6))


def test_the_oldest_go_first_and_are_counted() -> None:
    store = Store(messages=3, size_bytes=1_000_000, age_s=60)
    for number in range(5):
        store.add(now(), store.dialog(str(number)))
    assert [entry.seq for entry in store] == [3, 4, 5]
    assert (len(store), store.forgotten) == (3, 2)


def test_size_is_bounded_too() -> None:
    store = Store(messages=1000, size_bytes=10 * (ENTRY_BYTES + 100), age_s=60)
    for _ in range(50):
        store.add(now(b"x" * 100), store.dialog("one"))
    assert len(store) == 10
    assert store.bytes == 10 * (ENTRY_BYTES + 100)
    store.add(now(b"x" * 1_000_000), store.dialog("one"))  # the newest stays, whatever its size
    assert len(store) == 1


def test_old_messages_are_forgotten_without_a_word() -> None:
    store = Store(messages=10, size_bytes=1_000_000, age_s=60)
    store.add(now(age_s=61), store.dialog("old"))
    store.add(now(), store.dialog("new"))
    assert [entry.dialog.sip_call_id for entry in store] == ["new"]
    assert store.forgotten == 0


def test_dialogs_go_with_their_last_message() -> None:
    store = Store(messages=2, size_bytes=1_000_000, age_s=60)
    first = store.dialog("first")
    first.call = "c1"
    for _ in range(2):
        store.add(now(), first)
    store.add(now(), store.dialog("second"))
    assert store.dialog("first").call == "c1"
    store.add(now(), store.dialog("second"))
    assert store.dialog("first") is not first
    store.settle_all()
    store.clear()
    assert (len(store), store.bytes, list(store)) == (0, 0, [])


def test_reading_on_from_a_number() -> None:
    store = Store(messages=5, size_bytes=1_000_000, age_s=60)
    for _ in range(8):
        store.add(now(), store.dialog("one"))
    assert [entry.seq for entry in store.after(6)] == [7, 8]
    assert [entry.seq for entry in store.after(0)] == [4, 5, 6, 7, 8]
    assert store.after(8) == []
