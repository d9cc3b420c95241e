"""Timelines on disk: SQLite, in one thread that the store owns, so that no disk ever holds up the phone.

Write-ahead log, synced at each commit: what `put` has returned from survives a power cut. Old timelines go by age and
by number. A file that is damaged, locked or of another version costs a StoreFailed with a cause in words, and is never
deleted.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from json import dumps, loads
from pathlib import Path
from typing import Any, TypeVar

from softphone.errors import UsageError
from softphone.timeline.facts import Fact, from_json, to_json
from softphone.timeline.query import Query, StoreFailed
from softphone.timeline.views import TimelineView, from_dict

VERSION = 1
LOCK_PATIENCE_S = 2.0
_SCHEMA = """
CREATE TABLE timelines (
    id TEXT PRIMARY KEY, started_s REAL NOT NULL, state TEXT NOT NULL, complete INTEGER NOT NULL,
    account TEXT NOT NULL, extension TEXT NOT NULL, direction TEXT NOT NULL, number TEXT NOT NULL,
    differences TEXT NOT NULL, record TEXT NOT NULL, facts TEXT NOT NULL);
CREATE INDEX timelines_by_time ON timelines (started_s, id);
CREATE INDEX timelines_open ON timelines (state) WHERE state = 'open';
CREATE TABLE names (name TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (name, id)) WITHOUT ROWID;
CREATE INDEX names_by_id ON names (id);
"""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """A timeline to be kept, with what it is made of. `started_s` is Unix time."""

    view: TimelineView
    facts: tuple[Fact, ...]
    started_s: float


class Store:
    """keep_s, keep_count: how old and how many timelines may be; beyond that the oldest go."""

    def __init__(self, path: Path, *, keep_s: float, keep_count: int) -> None:
        self.path = path
        self._keep_s, self._keep_count = keep_s, keep_count
        self._thread = ThreadPoolExecutor(1, "timeline store")
        self._base: sqlite3.Connection | None = None

    async def open(self) -> int:
        """Returns how many timelines there are. Raises StoreFailed. May be called again after a failure."""
        return await self._do(self._open)

    async def put(self, rows: Sequence[Row], gone: Sequence[str], now_s: float) -> int:
        """Keeps timelines, forgets names that are now part of others, and what is too old. Returns how many there are.

        Raises StoreFailed; then nothing of it was done.
        """
        return await self._do(lambda: self._put(rows, gone, now_s))

    async def get(self, name: str) -> list[TimelineView]:
        """The timelines that go by this name: their id, a call id, a SIP Call-ID or a UUID; the newest first."""
        return await self._do(lambda: self._get(name))

    async def find(self, query: Query) -> tuple[list[TimelineView], str | None]:
        """A page of timelines without their entries, and `before` for the next one. Raises StoreFailed, UsageError."""
        place = _place(query.before)
        return await self._do(lambda: self._find(query, place))

    async def facts(self, names: Sequence[str]) -> list[Fact]:
        """What the timelines that go by these names are made of."""
        return await self._do(lambda: self._facts(names))

    async def unfinished(self) -> list[Fact]:
        """What the timelines that were open at the last stop are made of."""
        return await self._do(lambda: self._unfinished())

    async def close(self) -> None:
        """Safe to call twice."""

        def end() -> None:
            if self._base is not None:
                self._base.close()
                self._base = None

        try:
            await self._do(end)
        except StoreFailed:  # closing what is broken
            pass
        self._thread.shutdown(wait=False)

    async def _do(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.Error, OSError, ValueError) as error:
            cause = _explain(error, self.path)
        raise StoreFailed(cause)

    # ---- in the thread

    @property
    def _open_base(self) -> sqlite3.Connection:
        if self._base is None:
            raise OSError("it is not open")
        return self._base

    def _open(self) -> int:
        if self._base is not None:
            self._base.close()
            self._base = None
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        base = sqlite3.connect(self.path, timeout=LOCK_PATIENCE_S, isolation_level=None)
        try:
            self.path.chmod(0o600)
            _prepare(base)
            count = _count(base)
        except BaseException:
            base.close()
            raise
        self._base = base
        return count

    def _put(self, rows: Sequence[Row], gone: Sequence[str], now_s: float) -> int:
        base = self._open_base
        base.execute("BEGIN IMMEDIATE")
        try:
            for id in [*gone, *(row.view.id for row in rows)]:
                base.execute("DELETE FROM names WHERE id = ?", (id,))
            base.executemany("DELETE FROM timelines WHERE id = ?", [(id,) for id in gone])
            for row in rows:
                _write(base, row)
            count = self._prune(base, now_s)
            base.execute("COMMIT")
        except BaseException:
            if base.in_transaction:
                base.execute("ROLLBACK")
            raise
        return count

    def _prune(self, base: sqlite3.Connection, now_s: float) -> int:
        old = "SELECT id FROM timelines WHERE state = 'closed' AND started_s < ? ORDER BY started_s LIMIT 1000"
        gone = base.execute(old, (now_s - self._keep_s,)).fetchall()
        if (over := _count(base) - len(gone) - self._keep_count) > 0:
            most = "SELECT id FROM timelines ORDER BY started_s LIMIT ? OFFSET ?"
            gone += base.execute(most, (over, len(gone))).fetchall()
        base.executemany("DELETE FROM names WHERE id = ?", gone)
        base.executemany("DELETE FROM timelines WHERE id = ?", gone)
        return _count(base)

    def _get(self, name: str) -> list[TimelineView]:
        wanted = "SELECT record FROM timelines WHERE id = ? OR id IN (SELECT id FROM names WHERE name = ?)"
        rows = self._open_base.execute(wanted + " ORDER BY started_s DESC LIMIT 100", (name, name)).fetchall()
        return [from_dict(loads(record)) for (record,) in rows]

    def _find(self, query: Query, place: tuple[float, str] | None) -> tuple[list[TimelineView], str | None]:
        where, values = _conditions(query, place)
        text = f"SELECT record, started_s, id FROM timelines{where} ORDER BY started_s DESC, id DESC LIMIT ?"
        rows = self._open_base.execute(text, (*values, query.limit + 1)).fetchall()
        page = rows[: query.limit]
        more = f"{page[-1][1]!r}:{page[-1][2]}" if len(rows) > query.limit else None
        return [from_dict(loads(record), entries=False) for record, _, _ in page], more

    def _facts(self, names: Sequence[str]) -> list[Fact]:
        found: list[Fact] = []
        text = "SELECT facts FROM timelines WHERE id IN (SELECT id FROM names WHERE name = ?)"
        for name in names:
            for (facts,) in self._open_base.execute(text, (name,)):
                found += from_json(facts)
        return found

    def _unfinished(self) -> list[Fact]:
        rows = self._open_base.execute("SELECT facts FROM timelines WHERE state = 'open'")
        return [fact for (facts,) in rows for fact in from_json(facts)]


def _prepare(base: sqlite3.Connection) -> None:
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("PRAGMA synchronous = FULL")
    base.execute("BEGIN IMMEDIATE")
    (version,) = base.execute("PRAGMA user_version").fetchone()
    if version not in (0, VERSION):
        raise OSError(f"it is of version {version}, and this phone knows version {VERSION}")
    if version == 0:
        for statement in _SCHEMA.split(";"):
            base.execute(statement)
        base.execute(f"PRAGMA user_version = {VERSION}")
    base.execute("COMMIT")


def _count(base: sqlite3.Connection) -> int:
    with closing(base.execute("SELECT COUNT(*) FROM timelines")) as cursor:
        (count,) = cursor.fetchone()
    return int(count)


def _write(base: sqlite3.Connection, row: Row) -> None:
    view = row.view
    columns = (
        view.id,
        row.started_s,
        view.state,
        view.complete,
        view.account,
        view.extension,
        view.direction,
        view.number,
        _words(view) if view.differences else "",
        dumps(asdict(view)),
        to_json(row.facts),
    )
    base.execute("INSERT OR REPLACE INTO timelines VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", columns)
    names = {view.call, view.call_uuid, *view.sip_call_ids} - {""}
    base.executemany("INSERT OR IGNORE INTO names VALUES (?, ?)", [(name, view.id) for name in names])


def _words(view: TimelineView) -> str:
    """The kinds of its differences, with a space on both sides of each."""
    return f" {' '.join(dict.fromkeys(each.kind for each in view.differences))} "


def _conditions(query: Query, place: tuple[float, str] | None) -> tuple[str, list[Any]]:
    parts: list[tuple[str, list[Any]]] = []
    for column in ("account", "extension", "direction", "state"):
        if value := getattr(query, column):
            parts.append((f"{column} = ?", [value]))
    if query.number:
        parts.append(("number LIKE ? ESCAPE '!'", ["%" + query.number.translate(_ESCAPED)]))
    if query.difference == "any":
        parts.append(("differences != ''", []))
    elif query.difference:
        parts.append(("instr(differences, ?) > 0", [f" {query.difference} "]))
    if query.complete is not None:
        parts.append(("complete = ?", [query.complete]))
    if query.since_s is not None:
        parts.append(("started_s >= ?", [query.since_s]))
    if query.until_s is not None:
        parts.append(("started_s < ?", [query.until_s]))
    if place is not None:
        parts.append(("(started_s, id) < (?, ?)", list(place)))
    where = " WHERE " + " AND ".join(text for text, _ in parts) if parts else ""
    return where, [value for _, values in parts for value in values]


_ESCAPED = {ord("%"): "!%", ord("_"): "!_", ord("!"): "!!"}


def _place(before: str) -> tuple[float, str] | None:
    if not before:
        return None
    time, colon, id = before.partition(":")
    try:
        return float(time), id
    except ValueError:
        raise UsageError(f"before={before[:40]!r} is not the `next` of a page") from None


def _explain(error: Exception, path: Path) -> str:
    text = str(error)
    if "locked" in text or "busy" in text:
        advice = "another program holds it; end that, or give this phone a file of its own (timeline.file)"
    elif "not a database" in text or "malformed" in text or isinstance(error, ValueError):
        advice = "it is damaged; move it away, and a new one is begun"
    else:
        advice = f"{text}; see that its folder can be written and has room"
    return f"timelines cannot be kept in {path}: {advice}"
