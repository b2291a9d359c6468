"""Schedules: one compare-and-set, and two ways to read. It refuses to know what a body says."""

from __future__ import annotations

import sqlite3

from flowli.driver import Change, Changed, Millis, Slice, StoredSchedule
from flowli_sqlite.cursors import check_limit, read_cursor, write_cursor
from flowli_sqlite.records import store

__all__ = ["change", "get_schedule", "list_due", "list_schedules"]

_SELECT = "SELECT key, version, next_run_at, body FROM schedules"


def change(db: sqlite3.Connection, now: Millis, change: Change) -> Changed:
    stands = get_schedule(db, change.key)
    if change.expected != (stands.version if stands else 0):
        return Changed(applied=False, stands=stands)
    if change.successor is None:
        db.execute("DELETE FROM schedules WHERE key = ?", (change.key,))
        db.execute("UPDATE marks SET value = max(value, ?) WHERE name = 'buried'", (change.expected,))
    else:
        (buried,) = db.execute("SELECT value FROM marks WHERE name = 'buried'").fetchone()
        db.execute(
            "REPLACE INTO schedules (key, version, next_run_at, body) VALUES (?, ?, ?, ?)",
            (
                change.key,
                (change.expected if stands else buried) + 1,
                change.successor.next_run_at,
                change.successor.body,
            ),
        )
    jobs = [store(db, now, job) for job in change.jobs]
    return Changed(applied=True, stands=get_schedule(db, change.key), jobs=jobs)


def get_schedule(db: sqlite3.Connection, key: str) -> StoredSchedule | None:
    row = db.execute(f"{_SELECT} WHERE key = ?", (key,)).fetchone()
    return row and _schedule(*row)


def list_due(db: sqlite3.Connection, now: Millis, limit: int) -> Slice[StoredSchedule]:
    check_limit(limit)
    rows = db.execute(f"{_SELECT} WHERE next_run_at <= ? ORDER BY next_run_at, key LIMIT ?", (now, limit))
    return Slice([_schedule(*row) for row in rows], None)


def list_schedules(db: sqlite3.Connection, limit: int, cursor: str | None) -> Slice[StoredSchedule]:
    check_limit(limit)
    (first,) = read_cursor(cursor, "schedules", [""])
    rows = db.execute(f"{_SELECT} WHERE key >= ? ORDER BY key LIMIT ?", (first, limit + 1))
    items = [_schedule(*row) for row in rows]
    if len(items) <= limit:
        return Slice(items, None)
    return Slice(items[:limit], write_cursor("schedules", [items[limit].key]))


def _schedule(key: str, version: int, next_run_at: int | None, body: bytes) -> StoredSchedule:
    return StoredSchedule(
        key=key, version=version, next_run_at=None if next_run_at is None else Millis(next_run_at), body=body
    )
