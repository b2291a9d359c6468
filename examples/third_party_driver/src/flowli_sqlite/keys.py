"""Unique keys: who holds one, and what becomes of a request for one that is held.

It refuses to know when a key is freed: the triggers of the schema do that, with the change of the job's state.
"""

from __future__ import annotations

import sqlite3

from flowli.driver import Disposition, Enqueued, Millis, NewJob, OnConflict, State, UniqueKey

__all__ = ["meet", "take"]

_WAITING = (State.SCHEDULED, State.QUEUED)

_HELD = """
SELECT keys.id, first, ends, state, due FROM keys LEFT JOIN jobs
ON jobs.id = keys.id AND (jobs.due > :now OR state NOT IN ('completed', 'failed', 'cancelled')) WHERE key = :key
"""
_REPLACE = """
UPDATE jobs SET queue = ?, name = ?, state = ?, urgency = ?, due = ?, head = ?, body = ?, memo = x'',
    token = 0, settled = NULL, asked = 0, deliveries = 0
WHERE id = ?
"""


def take(db: sqlite3.Connection, now: Millis, unique: UniqueKey, id: str, first: int | None = None) -> None:
    """Have a job hold its key; one that replaced another goes on with the span of that one."""
    begin = now if first is None else first
    ends = None if unique.within is None else begin + unique.within
    db.execute("REPLACE INTO keys VALUES (?, ?, ?, ?, ?)", (unique.key, id, unique.until.value, begin, ends))


def meet(db: sqlite3.Connection, now: Millis, job: NewJob, unique: UniqueKey, due: Millis) -> Enqueued | None:
    """What a request for a key comes to that is held; None for one that is free. ``due`` is the request's instant."""
    db.execute("DELETE FROM keys WHERE ends <= ?", (now,))
    row = db.execute(_HELD, {"now": now, "key": unique.key}).fetchone()
    if row is None:
        return None
    id, first, ends, stands, instant = row
    if stands not in _WAITING or unique.on_conflict is OnConflict.KEEP:
        is_waiting = stands in _WAITING
        state = None if stands is None else State(stands)
        return Enqueued(Disposition.EXISTING, id, state, instant if is_waiting else Millis(0))
    due = due if ends is None else min(due, ends)
    state, due = (State.SCHEDULED, due) if due > now else (State.QUEUED, now)
    if unique.on_conflict is OnConflict.RESCHEDULE:
        db.execute("UPDATE jobs SET state = ?, due = ? WHERE id = ?", (state.value, due, id))
        return Enqueued(Disposition.RESCHEDULED, id, state, due)
    row = (job.queue, job.name, state.value, -job.priority, due, job.head, job.body, id)
    db.execute(_REPLACE, row)
    db.execute("DELETE FROM keys WHERE id = ? AND until <> 'spent'", (id,))
    take(db, now, unique, id, first)
    return Enqueued(Disposition.REPLACED, id, state, due)
