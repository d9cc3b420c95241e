"""A small client of the Asterisk Manager Interface: actions with their answers, and a stream of events.

One thread reads; tests wait for counted events with a deadline, and a wait looks back to where the test
began, so an event that came early is not missed.
"""

import itertools
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self


class AmiError(Exception):
    """The manager refused an action, or is gone."""


class EventTimeoutError(AssertionError):
    """The events a test waited for did not come in time; the text shows what came instead."""


@dataclass(frozen=True)
class Message:
    """One block of `Key: value` lines: an event, or the answer to an action."""

    fields: dict[str, str]
    output: tuple[str, ...] = field(default=(), repr=False)  # of the Command action

    def __getitem__(self, name: str) -> str:
        return self.fields[name]

    def get(self, name: str, default: str = "") -> str:
        return self.fields.get(name, default)

    @property
    def name(self) -> str:
        """The event's name; of a user event, its own one (`Digits`), not `UserEvent`."""
        return self.get("UserEvent") or self.get("Event")

    def matches(self, name: str, wanted: dict[str, str]) -> bool:
        return self.name == name and all(self.get(key) == value for key, value in wanted.items())


def parse_message(block: str) -> Message:
    """Reads one block; of a field that is repeated the last value stays, but `Output` lines are all kept."""
    fields: dict[str, str] = {}
    output: list[str] = []
    for line in block.split("\r\n"):
        key, colon, value = line.partition(":")
        if colon and key == "Output":
            output.append(value.removeprefix(" "))
        elif colon:
            fields[key] = value.strip()
    return Message(fields, tuple(output))


class Ami:
    """A logged-in connection to the manager."""

    def __init__(self, port: int, user: str, secret: str, timeout_s: float = 5) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self._socket.settimeout(None)
        self._reader = self._socket.makefile("rb")
        self._ids = itertools.count(1)
        self._changed = threading.Condition()
        self._events: list[Message] = []
        self._answers: dict[str, list[Message]] = {}
        self._closed = False
        self._thread = threading.Thread(target=self._read, name="ami", daemon=True)
        self._thread.start()
        self.action("Login", Username=user, Secret=secret)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection; waits that are under way fail."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:  # the PBX was faster
            pass
        self._thread.join(timeout=5)
        self._reader.close()
        self._socket.close()

    def action(self, name: str, *, timeout_s: float = 10, **fields: str) -> Message:
        """Does one action and returns its answer.

        Raises:
            AmiError: the answer is an error.
        """
        action_id = self._send(name, fields)
        answer = self._wait_answers(action_id, 1, lambda _: True, timeout_s)[0]
        if answer.get("Response") == "Error":
            raise AmiError(f"{name} {fields}: {answer.get('Message')} {' '.join(answer.output)}")
        return answer

    def listing(self, name: str, *, timeout_s: float = 10, **fields: str) -> list[Message]:
        """Does an action that answers by a list of events, and returns the list's entries."""
        action_id = self._send(name, fields)
        answers = self._wait_answers(action_id, 1, _ends_list, timeout_s)
        return [answer for answer in answers if "Event" in answer.fields and not _ends_list(answer)]

    def mark(self) -> int:
        """The place in the stream of events where it stands now."""
        with self._changed:
            return len(self._events)

    def events(self, since: int = 0) -> list[Message]:
        """All events since a mark."""
        with self._changed:
            return self._events[since:]

    def wait(self, name: str, *, count: int = 1, since: int = 0, timeout_s: float = 10, **wanted: str) -> list[Message]:
        """Waits until `count` events of this name with these fields have come since the mark.

        Raises:
            EventTimeoutError: they did not come in time.
        """
        found: list[Message] = []

        def enough() -> bool:
            found[:] = [event for event in self._events[since:] if event.matches(name, wanted)]
            return len(found) >= count or self._closed

        with self._changed:
            self._changed.wait_for(enough, timeout=timeout_s)
            if len(found) < count:
                raise EventTimeoutError(self._what_came(name, wanted, count, len(found), since))
            return found

    def _what_came(self, name: str, wanted: dict[str, str], count: int, got: int, since: int) -> str:
        events = self._events[since:]
        same_name = "\n".join(f"  {event.fields}" for event in events if event.name == name)
        last = ", ".join(event.name for event in events[-20:])
        gone = " (and the connection is closed)" if self._closed else ""
        return f"{got} of {count} events {name} {wanted} came{gone}\n{same_name}\nthe last ones: {last}"

    def _send(self, name: str, fields: dict[str, str]) -> str:
        action_id = str(next(self._ids))
        with self._changed:
            self._answers[action_id] = []
        lines = [f"Action: {name}", f"ActionID: {action_id}"]
        lines += [f"{key}: {value}" for key, value in fields.items()]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return action_id

    def _wait_answers(
        self, action_id: str, count: int, counts: Callable[[Message], bool], timeout_s: float
    ) -> list[Message]:
        def enough() -> bool:
            return sum(map(counts, self._answers[action_id])) >= count or self._closed

        with self._changed:
            arrived = self._changed.wait_for(enough, timeout=timeout_s)
            answers = self._answers.pop(action_id)
        if not arrived or not answers:
            raise AmiError(f"no answer in {timeout_s} s" if not self._closed else "the manager is gone")
        return answers

    def _read(self) -> None:
        self._reader.readline()  # the greeting, "Asterisk Call Manager/..."
        lines: list[bytes] = []
        for line in self._reader:
            if line != b"\r\n":
                lines.append(line)
                continue
            if lines:  # lists are followed by one empty line more
                self._take(parse_message(b"".join(lines).decode("utf-8", "replace")))
                lines.clear()
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _take(self, message: Message) -> None:
        with self._changed:
            answers = self._answers.get(message.get("ActionID"))
            if answers is None:
                self._events.append(message)
            else:
                answers.append(message)
            self._changed.notify_all()


def _ends_list(message: Message) -> bool:
    return message.get("EventList") in ("Complete", "Cancelled") or message.get("Response") == "Error"


def connect(port: int, user: str, secret: str, timeout_s: float, alive: Callable[[], bool]) -> Ami:
    """Connects as soon as the manager listens, trying until the deadline or until the PBX is not `alive`."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return Ami(port, user, secret)
        except ConnectionRefusedError:
            if time.monotonic() > deadline or not alive():
                raise
            time.sleep(0.02)
