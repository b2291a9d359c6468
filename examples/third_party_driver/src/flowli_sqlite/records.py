"""Single jobs: stored, settled, renewed, read. Which of them come next is what `claims` knows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence

from flowli.driver import (
    Disposition,
    Enqueued,
    Hold,
    Millis,
    NewJob,
    Renewal,
    Settled,
    Settlement,
    State,
    StoredJob,
    Turn,
)
from flowli_sqlite.keys import meet, take
from flowli_sqlite.pauses import ASIDE
from flowli_sqlite.turns import recall, remember

__all__ = ["COLUMNS", "enqueue", "get", "is_gone", "look", "outcomes", "renew", "settle", "store", "stored_job"]

COLUMNS = "id, queue, name, state, urgency, due, token, deliveries, head, memo"
"""What `stored_job` reads beside the body."""

_CHUNK = 500
_WAITING = (State.SCHEDULED, State.QUEUED)

_FREE_ID = """
DELETE FROM jobs WHERE id = ? AND due <= ? AND state IN ('completed', 'failed', 'cancelled')
"""
_INSERT = """
INSERT INTO jobs (id, queue, name, state, urgency, due, head, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""


def enqueue(db: sqlite3.Connection, now: Millis, jobs: Sequence[NewJob], turn: Turn | None) -> list[Enqueued]:
    known = turn and recall(db, now, turn)
    if known is not None:
        return [
            Enqueued(Disposition(str(made)), str(id), State(str(state)) if state else None, Millis(int(due)))
            for made, id, state, due in known
        ]
    answers = [store(db, now, job) for job in jobs]
    if turn is not None:
        remember(db, now, turn, [(made.value, id, state or "", due) for made, id, state, due in answers])
    return answers


def store(db: sqlite3.Connection, now: Millis, job: NewJob) -> Enqueued:
    """Store one job, or say what stands under its id or its unique key."""
    due = _instant(now, job.due, job.delay)
    db.execute(_FREE_ID, (job.id, now))
    unique = None if job.bonds is None else job.bonds.unique
    if unique is not None and not _is_known(db, job.id):
        held = meet(db, now, job, unique, due)
        if held is not None:
            return held
        take(db, now, unique, job.id)
    state = State.SCHEDULED if due > now else State.QUEUED
    due = max(due, now)
    row = (job.id, job.queue, job.name, state.value, -job.priority, due, job.head, job.body)
    if db.execute(_INSERT, row).rowcount:
        return Enqueued(Disposition.CREATED, job.id, state, due)
    stands, due = db.execute("SELECT state, due FROM jobs WHERE id = ?", (job.id,)).fetchone()
    waits = stands in _WAITING and due < ASIDE
    return Enqueued(Disposition.EXISTING, job.id, State(stands), due if waits else Millis(0))


def _is_known(db: sqlite3.Connection, id: str) -> bool:
    return db.execute("SELECT 1 FROM jobs WHERE id = ?", (id,)).fetchone() is not None


def settle(db: sqlite3.Connection, now: Millis, settlement: Settlement) -> Settled:
    row = db.execute("SELECT state, due, token, settled FROM jobs WHERE id = ?", (settlement.id,)).fetchone()
    if row is None or is_gone(row[0], row[1], now):
        return Settled.GONE
    state, _, token, settled = row
    if token != settlement.token:
        return Settled.LOST
    if state != State.ACTIVE:
        return Settled.REPEATED if settled == token else Settled.LOST
    _write(db, now, settlement)
    return Settled.WRITTEN


def _write(db: sqlite3.Connection, now: Millis, settlement: Settlement) -> None:
    match settlement.state:
        case State.SCHEDULED:
            due = _instant(now, settlement.due, settlement.delay)
        case State.QUEUED:
            due = Millis(0)
        case _:
            if settlement.keep_for <= 0:
                db.execute("DELETE FROM jobs WHERE id = ?", (settlement.id,))
                return
            due = Millis(now + settlement.keep_for)
    db.execute(
        "UPDATE jobs SET state = ?, due = ?, memo = ?, settled = token WHERE id = ?",
        (settlement.state.value, due, settlement.memo, settlement.id),
    )


def renew(db: sqlite3.Connection, now: Millis, hold: Hold, lease_for: Millis) -> Renewal:
    renewal = look(db, hold)
    if renewal is not Renewal.LOST:
        db.execute("UPDATE jobs SET due = ? WHERE id = ?", (now + lease_for, hold.id))
    return renewal


def look(db: sqlite3.Connection, hold: Hold) -> Renewal:
    """What became of a lease; nothing is extended."""
    row = db.execute(
        "SELECT asked FROM jobs WHERE id = ? AND state = 'active' AND token = ?", (hold.id, hold.token)
    ).fetchone()
    if row is None:
        return Renewal.LOST
    return Renewal.CANCEL if row[0] else Renewal.RENEWED


def get(db: sqlite3.Connection, now: Millis, ids: Sequence[str]) -> list[StoredJob | None]:
    found = {job.id: job for job in _find(db, now, ids)}
    return [found.get(id) for id in ids]


def outcomes(db: sqlite3.Connection, now: Millis, ids: Sequence[str]) -> Mapping[str, StoredJob | None]:
    found = {job.id: job for job in _find(db, now, ids)}
    jobs = {id: found.get(id) for id in ids}
    return {id: job for id, job in jobs.items() if job is None or job.state.is_terminal}


def stored_job(row: sqlite3.Row) -> StoredJob:
    """A record from `COLUMNS` and ``body``, which a listing selects as NULL."""
    return StoredJob(
        id=row["id"],
        queue=row["queue"],
        name=row["name"],
        state=State(row["state"]),
        priority=-row["urgency"],
        due=Millis(0) if row["state"] == State.SCHEDULED and row["due"] >= ASIDE else row["due"],
        token=row["token"],
        deliveries=row["deliveries"],
        head=row["head"],
        body=row["body"],
        memo=row["memo"],
    )


def _find(db: sqlite3.Connection, now: Millis, ids: Sequence[str]) -> Iterator[StoredJob]:
    wanted = list(dict.fromkeys(ids))
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        marks = ", ".join("?" * len(chunk))
        for row in db.execute(f"SELECT {COLUMNS}, body FROM jobs WHERE id IN ({marks})", chunk):
            if not is_gone(row["state"], row["due"], now):
                yield stored_job(row)


def _instant(now: Millis, due: Millis | None, delay: Millis | None) -> Millis:
    return due if due is not None else Millis(now + (delay or 0))


def is_gone(state: str, due: int, now: Millis) -> bool:
    """Whether a record has expired, swept or not."""
    return State(state).is_terminal and due <= now
