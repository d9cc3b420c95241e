"""A control client that costs little, so that what is timed is the daemon: one connection, and events in a thread.

The thread ends with the daemon, which is what every benchmark ends with.
"""

from __future__ import annotations

import http.client
import json
import queue
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import BenchError


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@dataclass(frozen=True, slots=True)
class Told:
    """An event, and when it reached us (time.perf_counter)."""

    type: str
    data: dict[str, Any]
    at_s: float


class FastClient:
    """One keep-alive connection for requests, and after `follow` one for events."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._http = _UnixConnection(path)
        self._told: queue.SimpleQueue[Told] = queue.SimpleQueue()

    def request(self, method: str, path: str, body: object = None) -> Any:
        """The answer's JSON. BenchError for a refusal."""
        payload = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        self._http.request(method, path, payload, headers)
        with self._http.getresponse() as response:
            text = response.read()
            if response.status >= 400:
                raise BenchError(f"{method} {path}: {response.status} {text.decode(errors='replace')}")
        return json.loads(text) if text else None

    def follow(self, types: str) -> None:
        """From now on events of these types, and no others, are kept for `next_event`."""
        self._told = queue.SimpleQueue()
        stream = _UnixConnection(self._path)
        stream.request("GET", f"/v1/events?types={types}")
        response = stream.getresponse()
        first = response.readline()  # the server greets once it has subscribed
        if response.status != 200 or not first:
            raise BenchError(f"no events: HTTP {response.status}")
        threading.Thread(target=self._read, args=(response, self._told), daemon=True).start()

    @staticmethod
    def _read(response: http.client.HTTPResponse, told: queue.SimpleQueue[Told]) -> None:
        with suppress(OSError, http.client.HTTPException):
            while line := response.readline():
                at_s = time.perf_counter()
                if line.startswith(b"data:"):
                    data = json.loads(line[5:])
                    told.put(Told(data["type"], data, at_s))

    def next_event(self, within_s: float = 20.0) -> Told:
        """The next one; BenchError if none comes."""
        try:
            return self._told.get(timeout=within_s)
        except queue.Empty:
            raise BenchError(f"no event within {within_s:g} s") from None

    def wait_for(self, call: str, *types: str) -> Told:
        """The next event of this call that is one of these; others are skipped."""
        while True:
            told = self.next_event()
            if told.type in types and told.data.get("call") == call:
                return told
