"""Firing schedules that are due: one compare-and-set each, from as many runners as there are.

It knows recurrence and the ids of the jobs that come of it. It refuses to know leaders, locks and the definition of the
job: what a schedule fires is in its own record.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from flowli.cron import parse_when
from flowli.driver import Change, Driver, Millis, NewJob, StoredSchedule
from flowli.errors import DriverClosed, DriverError, SchedulingError
from flowli.journal import logger
from flowli.wire import ScheduleBody, Unreadable, decode_head, decode_schedule, encode_head, encode_schedule

__all__ = ["fire_due", "successor_of", "try_to_fire"]

_AT_ONCE = 100
_BROKEN_AGAIN = 60_000
_recurrence = lru_cache(maxsize=4096)(parse_when)


async def try_to_fire(driver: Driver, now: Millis) -> bool:
    """`fire_due`; False where the store is full or away: that puts schedules off, and nothing else."""
    try:
        await fire_due(driver, now)
    except DriverClosed:
        raise
    except DriverError as exc:
        logger.warning("schedules could not be fired, trying again in a moment: %s", exc)
        return False
    except Exception:
        logger.exception("schedules could not be fired, trying again in a moment")
        return False
    return True


async def fire_due(driver: Driver, now: Millis) -> int:
    """Fire every schedule whose instant has come; how many were this caller's. ``now`` is the store's."""
    fired = 0
    while True:
        page = await driver.list_schedules(due=True, limit=_AT_ONCE)
        if not page.items:
            return fired
        changes = [change for stored in page.items if (change := _change(stored, now)) is not None]
        changed = await driver.change_schedules(changes)
        fired += sum(one.applied and bool(change.jobs) for one, change in zip(changed, changes, strict=True))
        if len(page.items) < _AT_ONCE:
            return fired


def _change(stored: StoredSchedule, now: Millis) -> Change | None:
    if stored.next_run_at is None:
        return None
    now = Millis(max(now, stored.next_run_at))
    try:
        body = decode_schedule(stored.body)
        successor, job = successor_of(stored, body, now)
    except Exception as exc:
        # Kept as it is, for a runner that can read it, and out of the way of the others. Damage may surface anywhere,
        # and only the two that say nothing of what is stored are quoted.
        why = exc if isinstance(exc, Unreadable | SchedulingError) else f"it is damaged ({type(exc).__name__})"
        logger.error("schedule %r cannot be fired here, looking again in a minute: %s", stored.key, why)
        later = replace(stored, next_run_at=Millis(now + _BROKEN_AGAIN))
        return Change(key=stored.key, expected=stored.version, successor=later)
    return Change(key=stored.key, expected=stored.version, successor=successor, jobs=() if job is None else (job,))


def successor_of(stored: StoredSchedule, body: ScheduleBody, now: Millis) -> tuple[StoredSchedule, NewJob | None]:
    """The schedule after firing, and the job of the latest instant that has come: missed ones are not made up for."""
    assert stored.next_run_at is not None
    recurrence = _recurrence(body.when, body.tz)
    since = stored.next_run_at
    if recurrence.next_after(Millis(since - 1), anchor=body.anchor) != since:
        # Put off by a runner that could not read it: the first instant that was missed counts.
        since = recurrence.next_after(body.last_run_at or body.anchor, anchor=body.anchor)
        if since > now:
            return replace(stored, next_run_at=since), None
    instant = recurrence.latest_at(now, since=since)
    id = f"{stored.key}:{body.revision}:{instant}"
    head = decode_head(body.head)
    job = NewJob(
        id=id,
        queue=body.queue,
        name=body.name,
        head=encode_head(head.options, created_at=now, schedule_key=stored.key),
        body=body.body,
        priority=body.priority,
    )
    after = replace(body, last_run_at=instant, last_job_id=id)
    following = recurrence.next_after(instant, anchor=body.anchor)
    return replace(stored, next_run_at=following, body=encode_schedule(after)), job
