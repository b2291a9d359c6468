"""A runner's conversation: settle, keep house, lease what is next. It knows the order of service; it never waits."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence

from flowli.driver import Claim, Exchanged, Lease, Millis, Recovered, Settlement
from flowli_sqlite.pauses import ASIDE, set_aside, stopped_queues
from flowli_sqlite.records import settle
from flowli_sqlite.turns import Answer, recall, remember

__all__ = ["beckons", "exchange", "settle_only"]

_AT_ONCE = 300
"""How much of each kind of housekeeping a call does for each queue."""

_LAPSED = """
SELECT due, place, id, queue, name, deliveries + 1 FROM jobs
WHERE queue = ? AND state = 'active' AND due <= ? ORDER BY due LIMIT ?
"""
_HAND_BACK = "UPDATE jobs SET state = 'queued', due = 0, deliveries = deliveries + 1 WHERE place = ?"
_PROMOTE = """
UPDATE jobs SET state = 'queued' WHERE place IN (
    SELECT place FROM jobs WHERE queue = ? AND state = 'scheduled' AND due <= ? ORDER BY due LIMIT ?)
"""
_SWEEP = """
DELETE FROM jobs WHERE place IN (
    SELECT place FROM jobs
    WHERE queue = ? AND state IN ('completed', 'failed', 'cancelled') AND due <= ? LIMIT ?)
"""
_READY = """
SELECT place, id, name, deliveries, due, head, body, memo FROM jobs
WHERE queue = ? AND state = 'queued' ORDER BY urgency, due, place LIMIT ?
"""
_LEASE = "UPDATE jobs SET state = 'active', ready_at = due, due = ?, token = ? WHERE place = ?"
_HELD = """
SELECT due, id, queue, name, token, deliveries, ready_at, head, body, memo FROM jobs
WHERE id = ? AND token = ? AND state = 'active'
"""
_BECKONS = """
SELECT EXISTS (SELECT 1 FROM jobs WHERE queue = :queue AND state = 'queued' AND :serves)
    OR EXISTS (SELECT 1 FROM jobs WHERE queue = :queue AND state = 'active' AND due <= :now)
    OR EXISTS (SELECT 1 FROM jobs WHERE queue = :queue AND state = 'scheduled' AND due <= :now)
    OR EXISTS (SELECT 1 FROM jobs
               WHERE queue = :queue AND state IN ('completed', 'failed', 'cancelled') AND due <= :now)
"""
_NEXT = """
SELECT min(due) FROM jobs WHERE queue = :queue AND state = 'active'
UNION ALL
SELECT min(due) FROM jobs WHERE queue = :queue AND state = 'scheduled' AND due < :aside
"""


def settle_only(db: sqlite3.Connection, now: Millis, settlements: Sequence[Settlement]) -> Exchanged:
    return Exchanged(
        settled=[settle(db, now, settlement) for settlement in settlements],
        leases=[],
        lease_until=now,
        recovered=[],
        more=False,
        next_at=None,
        schedule_at=None,
        now=now,
    )


def exchange(
    db: sqlite3.Connection, now: Millis, settlements: Sequence[Settlement], claim: Claim
) -> tuple[Exchanged, bool]:
    """Everything that an exchange does at once; and whether this is a turn that was answered before."""
    settled = [settle(db, now, settlement) for settlement in settlements]
    queues = _queues(db, claim.queues)
    recovered = _keep_house(db, now, queues)
    answered = recall(db, now, claim.turn)
    if answered is None:
        leases, until = _lease(db, now, claim, queues), now + claim.lease_for
    else:
        leases, until = _held(db, answered, now + claim.lease_for)
    (schedule_at,) = db.execute("SELECT min(next_run_at) FROM schedules").fetchone()
    found = Exchanged(
        settled=settled,
        leases=leases,
        lease_until=Millis(until),
        recovered=recovered,
        more=beckons(db, now, queues),
        next_at=_next_at(db, queues),
        schedule_at=schedule_at,
        now=now,
    )
    return found, answered is not None


def beckons(db: sqlite3.Connection, now: Millis, queues: Sequence[str] | None) -> bool:
    """Whether anything could be taken, handed back, promoted or swept now: the cheap look while a claim waits."""
    names = _queues(db, queues)
    stopped = stopped_queues(db)
    return any(
        db.execute(_BECKONS, {"queue": queue, "now": now, "serves": queue not in stopped}).fetchone()[0]
        for queue in names
    )


def _queues(db: sqlite3.Connection, named: Sequence[str] | None) -> list[str]:
    """The queues in the order in which to serve them; all of them begin behind the one that was served last."""
    if named is not None:
        return list(dict.fromkeys(named))
    known = [queue for (queue,) in db.execute("SELECT DISTINCT queue FROM counts ORDER BY queue")]
    (served,) = db.execute("SELECT value FROM marks WHERE name = 'served'").fetchone()
    return [queue for queue in known if queue > served] + [queue for queue in known if queue <= served]


def _keep_house(db: sqlite3.Connection, now: Millis, queues: Sequence[str]) -> list[Recovered]:
    lapsed: list[tuple[int, int, str, str, str, int]] = []
    for queue in queues:
        of_queue = (queue, now, _AT_ONCE)
        lapsed += map(tuple, db.execute(_LAPSED, of_queue))
        db.execute(_PROMOTE, of_queue)
        db.execute(_SWEEP, of_queue)
    lapsed.sort()
    db.executemany(_HAND_BACK, [(place,) for _, place, *_ in lapsed])
    return [Recovered(id, queue, name, deliveries) for _, _, id, queue, name, deliveries in lapsed]


def _lease(db: sqlite3.Connection, now: Millis, claim: Claim, queues: Sequence[str]) -> list[Lease]:
    set_aside(db, queues)
    stopped = stopped_queues(db)
    leases: list[Lease] = []
    places: list[int] = []
    token, room = _next_token(db), claim.max_bytes
    for queue in (queue for queue in queues if queue not in stopped):
        if len(leases) >= claim.limit or room < 0:
            break
        for place, id, name, deliveries, ready_at, head, body, memo in db.execute(
            _READY, (queue, claim.limit - len(leases))
        ):
            room -= len(body)
            if leases and room < 0:
                break
            leases.append(Lease(id, queue, name, token + len(leases), deliveries, ready_at, head, body, memo))
            places.append(place)
    if leases:
        until = now + claim.lease_for
        db.executemany(_LEASE, [(until, lease.token, place) for lease, place in zip(leases, places, strict=True)])
        marks = [(leases[-1].token, "token"), (leases[-1].queue, "served")]
        db.executemany("UPDATE marks SET value = ? WHERE name = ?", marks)
        remember(db, now, claim.turn, [(lease.id, lease.token) for lease in leases])
    return leases


def _held(db: sqlite3.Connection, answered: Answer, until: int) -> tuple[list[Lease], int]:
    """Those of the leases that hold still, and when the first of them ends."""
    leases: list[Lease] = []
    for id_and_token in answered:
        for due, *lease in db.execute(_HELD, tuple(id_and_token)):
            leases.append(Lease(*lease))
            until = min(until, due)
    return leases, until


def _next_token(db: sqlite3.Connection) -> int:
    """Greater than every one given, also where the file is a restored copy that has not seen the last ones."""
    (last,) = db.execute("SELECT value FROM marks WHERE name = 'token'").fetchone()
    return max(int(last) + 1, time.time_ns() // 1_000)


def _next_at(db: sqlite3.Connection, queues: Sequence[str]) -> Millis | None:
    instants = [
        due for queue in queues for (due,) in db.execute(_NEXT, {"queue": queue, "aside": ASIDE}) if due is not None
    ]
    return min(instants, default=None)
