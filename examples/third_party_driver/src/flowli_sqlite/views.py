"""What an operator sees: jobs by state, counts, the runners alive. It only reads, but for the notes of runners."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from flowli.driver import Millis, Overview, QueueView, RunnerNote, Slice, State, StoredJob
from flowli_sqlite.cursors import Position, check_limit, read_cursor, write_cursor
from flowli_sqlite.records import COLUMNS, stored_job

__all__ = ["announce", "list_jobs", "overview"]

_LARGEST = 2**63 - 1
_EMPTY = QueueView(scheduled=0, queued=0, active=0, completed=0, failed=0, cancelled=0, oldest_ready=None)

_IN_ORDER_OF_SERVICE = f"""
SELECT {COLUMNS}, NULL AS body, place FROM jobs
WHERE queue = :queue AND state = 'queued' AND (urgency, due, place) > (:urgency, :due, :place)
ORDER BY urgency, due, place LIMIT :limit
"""
_OF_QUEUE = f"""
SELECT {COLUMNS}, NULL AS body, place FROM jobs
WHERE state = :state AND queue = :queue AND place > :place AND due > :seen
ORDER BY place LIMIT :limit
"""
_OF_ALL = f"""
SELECT {COLUMNS}, NULL AS body, place FROM jobs
WHERE state = :state AND (queue, place) > (:queue, :place) AND due > :seen
ORDER BY queue, place LIMIT :limit
"""
_COUNTS = """
SELECT state, number - CASE WHEN state IN ('completed', 'failed', 'cancelled')
    THEN (SELECT count(*) FROM jobs WHERE jobs.queue = counts.queue AND jobs.state = counts.state AND due <= :now)
    ELSE 0 END
FROM counts WHERE queue = :queue
"""
_HEAD = "SELECT due FROM jobs WHERE queue = ? AND state = 'queued' ORDER BY urgency, due LIMIT 1"


def list_jobs(
    db: sqlite3.Connection, now: Millis, state: State, queue: str | None, limit: int, cursor: str | None
) -> Slice[StoredJob]:
    """By their place, which never changes; those of one queue in the order in which they will be served."""
    check_limit(limit)
    start: Position
    if queue is None:
        select, keys, start = _OF_ALL, ["queue", "place"], ["", 0]
    elif state is State.QUEUED:
        select, keys, start = _IN_ORDER_OF_SERVICE, ["urgency", "due", "place"], [-_LARGEST, 0, 0]
    else:
        select, keys, start = _OF_QUEUE, ["place"], [0]
    listing = json.dumps([state.value, queue])
    values: dict[str, object] = {"state": state.value, "queue": queue, "limit": limit + 1}
    values["seen"] = now if state.is_terminal else -_LARGEST
    values |= zip(keys, read_cursor(cursor, listing, start), strict=True)
    rows = db.execute(select, values).fetchall()
    items = [stored_job(row) for row in rows[:limit]]
    if len(rows) <= limit:
        return Slice(items, None)
    last = rows[limit - 1]
    return Slice(items, write_cursor(listing, [last[key] for key in keys]))


def overview(db: sqlite3.Connection, now: Millis, queues: Sequence[str] | None) -> Overview:
    if queues is None:
        known = db.execute("SELECT DISTINCT queue FROM counts ORDER BY queue").fetchall()
        views = {queue: view for (queue,) in known if (view := _view(db, now, queue)) != _EMPTY}
    else:
        views = {queue: _view(db, now, queue) for queue in queues}
    (schedules,) = db.execute("SELECT count(*) FROM schedules").fetchone()
    return Overview(queues=views, schedules=schedules, runners=_runners(db, now), now=now)


def announce(db: sqlite3.Connection, now: Millis, note: RunnerNote) -> None:
    """Write the note of one runner, and forget those whose time has come."""
    queues = None if note.queues is None else list(note.queues)
    db.execute(
        "REPLACE INTO runners (id, queues, note, alive_until) VALUES (?, ?, ?, ?)",
        (note.id, json.dumps(queues), note.note, note.alive_until),
    )
    db.execute("DELETE FROM runners WHERE alive_until <= ?", (now,))


def _view(db: sqlite3.Connection, now: Millis, queue: str) -> QueueView:
    numbers: dict[str, int] = dict(db.execute(_COUNTS, {"queue": queue, "now": now}).fetchall())
    head = db.execute(_HEAD, (queue,)).fetchone()
    return QueueView(
        scheduled=numbers.get("scheduled", 0),
        queued=numbers.get("queued", 0),
        active=numbers.get("active", 0),
        completed=numbers.get("completed", 0),
        failed=numbers.get("failed", 0),
        cancelled=numbers.get("cancelled", 0),
        oldest_ready=head and Millis(head[0]),
    )


def _runners(db: sqlite3.Connection, now: Millis) -> list[RunnerNote]:
    rows = db.execute("SELECT id, queues, note, alive_until FROM runners WHERE alive_until > ? ORDER BY id", (now,))
    return [
        RunnerNote(id=id, queues=json.loads(queues), note=note, alive_until=Millis(until))
        for id, queues, note, until in rows
    ]
