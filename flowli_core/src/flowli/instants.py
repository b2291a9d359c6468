"""Which instants of a schedule make jobs now, and what stands after them. Arithmetic alone: no store and no clock.

It knows rules, backlog and ids of jobs. It refuses to know what the fields of a cron expression mean (`flowli.cron`).
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from flowli.cron import Interval, Recurrence, parse_when
from flowli.driver import Bonds, Millis, NewJob, OnConflict, StoredSchedule
from flowli.errors import SchedulingError
from flowli.rules import GRACE_MS, Rules
from flowli.unique import name_of
from flowli.wire import ScheduleBody, decode_head, encode_head, encode_schedule

__all__ = ["MOST_RECENT", "anchored", "job_of", "next_instants", "recurrence_of", "stored_as", "successor_of"]

_LOOK_AGAIN = 1_000
"""Milliseconds after which a schedule whose last job was not settled is looked at again."""

MOST_RECENT = 10
"""How many of its last jobs a schedule remembers."""

_recurrence = lru_cache(maxsize=4096)(parse_when)


def recurrence_of(body: ScheduleBody) -> Recurrence:
    """The row of instants of a stored definition. Raises SchedulingError for one that this version cannot read."""
    return _recurrence(body.when, body.tz)


def anchored(body: ScheduleBody, now: Millis) -> ScheduleBody:
    """The definition at the beginning of its row: ``now``, or the start that its rules name."""
    start, recurrence = body.rules.start, recurrence_of(body)
    if start is None:
        return replace(body, anchor=now, past=now)
    anchor = start - recurrence.every if isinstance(recurrence, Interval) else start
    return replace(body, anchor=Millis(anchor), past=Millis(max(now, start - 1)))


def next_instants(body: ScheduleBody, most: int, *, after: Millis | None = None) -> list[Millis]:
    """Up to ``most`` instants that are still to come, from behind ``after`` or behind what was dealt with."""
    recurrence, rules = recurrence_of(body), body.rules
    at = _past(body) if after is None else max(after, _past(body))
    if rules.limit is not None:
        most = min(most, rules.limit - body.runs - len(body.backlog))
    found: list[Millis] = []
    while len(found) < most:
        try:
            at = recurrence.next_after(Millis(at), anchor=body.anchor)
        except SchedulingError:  # the calendar ends
            break
        if rules.end is not None and at > rules.end:
            break
        found.append(at)
    return found


def successor_of(
    stored: StoredSchedule, body: ScheduleBody, now: Millis, *, is_busy: bool = False
) -> tuple[StoredSchedule, list[NewJob]]:
    """What stands after firing, and the jobs of it. ``is_busy``: the last job of the schedule is not settled."""
    until = now if body.rules.end is None else Millis(min(now, body.rules.end))
    came, past = _came(body, until, now)
    starting, backlog = _admitted(body, came, is_busy)
    if body.rules.limit is not None:
        starting = starting[: max(0, body.rules.limit - body.runs)]
        backlog = backlog[: max(0, body.rules.limit - body.runs - len(starting))]
    jobs = [job_of(stored.key, body, instant, now) for instant in starting]
    after = replace(body, past=past, backlog=tuple(backlog), runs=body.runs + len(jobs))
    if jobs:
        made = [*body.recent, *((instant, job.id) for instant, job in zip(starting, jobs, strict=True))]
        after = replace(after, last_run_at=starting[-1], last_job_id=jobs[-1].id, recent=tuple(made[-MOST_RECENT:]))
    return stored_as(stored, after, now), jobs


def stored_as(stored: StoredSchedule, body: ScheduleBody, now: Millis) -> StoredSchedule:
    """The schedule with this definition, due when it next has something to do."""
    next_run_at: Millis | None = None
    if not body.is_paused:
        next_run_at = next(iter(next_instants(body, 1)), None)
        if body.backlog:
            next_run_at = Millis(min(next_run_at or now + _LOOK_AGAIN, now + _LOOK_AGAIN))
    if body.past == body.last_run_at:
        body = replace(body, past=None)
    return replace(stored, next_run_at=next_run_at, body=encode_schedule(body))


def job_of(key: str, body: ScheduleBody, instant: Millis, now: Millis, *, mark: str = "") -> NewJob:
    """The job of one instant. Its id is a function of key, revision and instant; ``mark`` sets one apart that somebody
    triggered."""
    due = instant + _jitter(body.rules, key, instant) if not mark else 0
    unique = body.unique
    head = encode_head(
        decode_head(body.head).options,
        created_at=now,
        schedule_key=key,
        unique_key=None if unique is None else name_of(unique),
        is_replaceable=unique is not None and unique.on_conflict is OnConflict.REPLACE,
    )
    return NewJob(
        id=f"{key}:{body.revision}:{mark or instant}",
        queue=body.queue,
        name=body.name,
        head=head,
        body=body.body,
        priority=body.priority,
        due=Millis(due) if due > now else None,
        bonds=None if unique is None and body.bonds is None else replace(body.bonds or Bonds(), unique=unique),
    )


def _past(body: ScheduleBody) -> Millis:
    """The latest instant that was dealt with; nothing up to it is fired any more."""
    return body.past or body.last_run_at or body.anchor


def _came(body: ScheduleBody, until: Millis, now: Millis) -> tuple[list[Millis], Millis]:
    """The instants that make jobs, by the policy for missed ones; and the latest that has come, which is behind us."""
    recurrence, past = recurrence_of(body), _past(body)
    first = recurrence.next_after(past, anchor=body.anchor)
    if first > until:
        return [], past
    latest = recurrence.latest_at(until, since=first)
    match body.rules.misfire:
        case "skip":
            return [latest] if now - latest <= GRACE_MS else [], latest
        case "all":
            return _last_of(recurrence, body, first, latest), latest
        case _:
            return [latest], latest


def _last_of(recurrence: Recurrence, body: ScheduleBody, first: Millis, latest: Millis) -> list[Millis]:
    """The last instants from ``first`` to ``latest``, as many as the cap allows.

    The row is only searched forward, so a window that ends at ``latest`` is doubled until it holds enough.
    """
    window = 1_000
    while True:
        at = Millis(max(first, latest - window) - 1)
        found: deque[Millis] = deque(maxlen=body.rules.misfire_cap)
        while at < latest:
            at = recurrence.next_after(at, anchor=body.anchor)
            found.append(at)
        if len(found) == body.rules.misfire_cap or latest - window <= first:
            return list(found)
        window *= 2


def _admitted(body: ScheduleBody, came: Sequence[Millis], is_busy: bool) -> tuple[list[Millis], list[Millis]]:
    """Instants that make a job now, and those that wait, by the policy for overlaps."""
    match body.rules.overlap:
        case "skip":
            return [] if is_busy else list(came[-1:]), []
        case "queue":
            waiting = [*body.backlog, *came][-body.rules.misfire_cap :]
            return ([], waiting) if is_busy else (waiting[:1], waiting[1:])
        case _:
            return list(came), []


def _jitter(rules: Rules, key: str, instant: Millis) -> int:
    """Up to ``jitter`` milliseconds, the same for the same key and instant, whoever fires it."""
    if not rules.jitter:
        return 0
    digest = hashlib.sha256(f"{instant}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % (rules.jitter + 1)
