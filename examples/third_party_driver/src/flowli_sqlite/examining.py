"""Whether the file is whole: what SQLite finds in it, and what its tables owe each other. It only reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from flowli.driver import Examination, Finding, Millis, Severity, State

__all__ = ["examine"]

_MOST = 1_000
"""Findings of each kind."""

_FALSE_COUNTS = """
SELECT queue, state FROM (
    SELECT queue, state, number FROM counts UNION ALL SELECT queue, state, -count(*) FROM jobs GROUP BY queue, state
) GROUP BY queue, state HAVING sum(number) <> 0 LIMIT ?
"""
_NO_STATE = f"""
SELECT id, state FROM jobs WHERE state NOT IN ({", ".join(repr(state.value) for state in State)}) LIMIT ?
"""
_NO_TOKEN = "SELECT id FROM jobs WHERE state = 'active' AND (token < 1 OR token IS settled) LIMIT ?"
_HELD = "SELECT count(*) FROM keys WHERE ends IS NULL OR ends > ?"
_LEAKED = f"""
SELECT key FROM keys WHERE until NOT IN ('lapsed', 'spent') AND id NOT IN (
    SELECT id FROM jobs WHERE state IN ({", ".join(repr(state.value) for state in State if not state.is_terminal)})
) LIMIT ?
"""
_ABOVE = "SELECT id FROM jobs WHERE token > (SELECT value FROM marks WHERE name = 'token') LIMIT ?"


def examine(db: sqlite3.Connection, now: Millis) -> Examination:
    """Look through the whole file, as one reading transaction sees it: writers go on beside it."""
    # That an instant has come is no damage: a claim keeps house.
    records, schedules = (db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("jobs", "schedules"))
    (held,) = db.execute(_HELD, (now,)).fetchone()
    facts = {"version": sqlite3.sqlite_version, "records": records, "schedules": schedules, "unique_keys": held}
    return Examination(findings=list(_findings(db)), facts=facts)


def _findings(db: sqlite3.Connection) -> Iterator[Finding]:
    for (said,) in db.execute(f"PRAGMA integrity_check({_MOST})"):
        if said != "ok":
            yield _error("file", "integrity_check", f"{said}: restore a backup")
    for queue, state in db.execute(_FALSE_COUNTS, (_MOST,)):
        yield _error("count", queue, f"its count of {state} jobs is not how many there are")
    for id, state in db.execute(_NO_STATE, (_MOST,)):
        yield _error("unreachable", id, f"{state!r} is no state: it is never run")
    for (id,) in db.execute(_NO_TOKEN, (_MOST,)):
        yield _error("no-token", id, "it is active, and no lease of it can settle")
    for (key,) in db.execute(_LEAKED, (_MOST,)):
        yield _error("unique-leaked", key, "it is held by a job that is over: jobs under it are not made")
    for (id,) in db.execute(_ABOVE, (_MOST,)):
        yield _error("token-above-mark", id, "its token is above the last one given: a later lease may get it again")


def _error(code: str, subject: str, message: str) -> Finding:
    return Finding(code, Severity.ERROR, subject, message)
