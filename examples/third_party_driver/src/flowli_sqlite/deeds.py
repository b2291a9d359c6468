"""What an operator does to single jobs, and the notes of it. Why he does it is core's."""

from __future__ import annotations

import json
import sqlite3

from flowli.driver import Act, Acted, Deed, Millis, Note, Seen, Slice, State
from flowli_sqlite.cursors import check_limit, read_cursor, write_cursor
from flowli_sqlite.records import is_gone

__all__ = ["act", "list_notes", "note"]

_WAITING = (State.SCHEDULED, State.QUEUED)
_LARGEST = 2**63 - 1
_LISTING = json.dumps(["notes"])

_CANCEL = "UPDATE jobs SET state = 'cancelled', due = ?, memo = coalesce(?, memo) WHERE id = ?"
_REPLAY = """
UPDATE jobs SET state = ?, due = ?, memo = coalesce(?, memo), body = coalesce(?, body), asked = 0, deliveries = 0
WHERE id = ?
"""
_NOTE = """
INSERT INTO notes (id, at, until, body) VALUES (:id, :now, :now + :keep_for, :body)
ON CONFLICT DO UPDATE SET body = :body, until = at + :keep_for
"""
_DROP = """
DELETE FROM notes WHERE at <= :now - :keep_for
    OR id NOT IN (SELECT id FROM notes ORDER BY at DESC, id DESC LIMIT :most)
"""
_NOTES = """
SELECT id, at, body FROM notes WHERE until > :now AND (at, id) < (:at, :id) ORDER BY at DESC, id DESC LIMIT :limit
"""


def act(db: sqlite3.Connection, now: Millis, act: Act) -> Acted:
    row = db.execute("SELECT state, due, token, memo FROM jobs WHERE id = ?", (act.id,)).fetchone()
    if row is None or is_gone(row["state"], row["due"], now):
        return Acted(None, False)
    stands = Seen(State(row["state"]), row["token"])
    if act.deed is Deed.CANCEL:
        done = _cancel(db, now, act, stands.state)
    elif act.deed is Deed.REPLAY:
        done = _replay(db, now, act, stands, row["memo"])
    else:
        done = stands.state is not State.ACTIVE and act.seen in (None, stands)
        if done:
            db.execute("DELETE FROM jobs WHERE id = ?", (act.id,))
    return Acted(stands.state, done)


def _cancel(db: sqlite3.Connection, now: Millis, act: Act, state: State) -> bool:
    if state is State.ACTIVE:
        db.execute("UPDATE jobs SET asked = 1 WHERE id = ?", (act.id,))
    elif state in _WAITING and act.keep_for <= 0:
        db.execute("DELETE FROM jobs WHERE id = ?", (act.id,))
    elif state in _WAITING:
        db.execute(_CANCEL, (now + act.keep_for, act.memo, act.id))
    return state in _WAITING


def _replay(db: sqlite3.Connection, now: Millis, act: Act, stands: Seen, memo: bytes) -> bool:
    if not stands.state.is_terminal:
        return stands.state is not State.ACTIVE and memo == act.memo
    if act.seen not in (None, stands):
        return False
    state = State.SCHEDULED if act.delay > 0 else State.QUEUED
    db.execute(_REPLAY, (state.value, now + max(act.delay, 0), act.memo, act.body, act.id))
    return True


def note(db: sqlite3.Connection, now: Millis, id: str, body: bytes, keep_for: Millis, most: int) -> None:
    values: dict[str, object] = {"id": id, "body": body, "now": now, "keep_for": keep_for, "most": most}
    db.execute(_NOTE, values)
    db.execute(_DROP, values)


def list_notes(db: sqlite3.Connection, now: Millis, limit: int, cursor: str | None) -> Slice[Note]:
    check_limit(limit)
    at, id = read_cursor(cursor, _LISTING, [_LARGEST, ""])
    rows = db.execute(_NOTES, {"now": now, "at": at, "id": id, "limit": limit + 1}).fetchall()
    notes = [Note(id, Millis(at), body) for id, at, body in rows[:limit]]
    more = len(rows) > limit
    return Slice(notes, write_cursor(_LISTING, [notes[-1].at, notes[-1].id]) if more else None)
