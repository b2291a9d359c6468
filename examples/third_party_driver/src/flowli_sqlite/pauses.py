"""What is paused, and what waits for it. It knows where a job that is set aside stands; it leases none."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from flowli.driver import Millis, Pause, Paused

__all__ = ["ASIDE", "get_pauses", "pause", "resume", "set_aside", "stopped_queues"]

ASIDE = 4 * 10**15
"""What is added to the ready instant of a job that waits for its name to be resumed: an instant that never comes."""

_SET_ASIDE = """
UPDATE jobs SET state = 'scheduled', due = due + :aside
WHERE queue = :queue AND state = 'queued' AND name IN (SELECT name FROM pauses WHERE kind = 'job')
"""
_BACK = "UPDATE jobs SET due = due - ? WHERE state = 'scheduled' AND due >= ? AND name = ?"


def pause(db: sqlite3.Connection, now: Millis, what: Sequence[Paused]) -> None:
    rows = [(kind, name, now) for kind, name in what]
    db.executemany("INSERT OR IGNORE INTO pauses (kind, name, since) VALUES (?, ?, ?)", rows)


def resume(db: sqlite3.Connection, what: Sequence[Paused]) -> None:
    db.executemany("DELETE FROM pauses WHERE kind = ? AND name = ?", what)
    db.executemany(_BACK, [(ASIDE, ASIDE, name) for kind, name in what if kind == "job"])


def get_pauses(db: sqlite3.Connection) -> list[Pause]:
    return [
        Pause(Paused(kind, name), since) for kind, name, since in db.execute("SELECT kind, name, since FROM pauses")
    ]


def stopped_queues(db: sqlite3.Connection) -> set[str]:
    """The queues from which nothing is leased."""
    return {name for (name,) in db.execute("SELECT name FROM pauses WHERE kind = 'queue'")}


def set_aside(db: sqlite3.Connection, queues: Sequence[str]) -> None:
    """Have what is ready and whose name is paused wait for no instant."""
    if db.execute("SELECT EXISTS (SELECT 1 FROM pauses WHERE kind = 'job')").fetchone()[0]:
        db.executemany(_SET_ASIDE, [{"queue": queue, "aside": ASIDE} for queue in queues])
