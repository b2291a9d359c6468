"""Firing schedules that are due: one compare-and-set each, from as many runners as there are.

It knows the store's verbs for schedules. It refuses to know leaders, locks and the definition of the job: what a
schedule fires is in its own record, and which instants make jobs is `flowli.instants`' to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowli.driver import Change, Driver, Millis, StoredSchedule
from flowli.errors import DriverClosed, DriverError, NotDurable, SchedulingError
from flowli.instants import successor_of
from flowli.journal import logger
from flowli.wire import ScheduleBody, Unreadable, decode_schedule

__all__ = ["fire_due", "try_to_fire"]

_AT_ONCE = 100
_BROKEN_AGAIN = 60_000


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
        read = [(stored, _read(stored)) for stored in page.items if stored.next_run_at is not None]
        busy = await _unsettled(driver, [body for _, body in read if isinstance(body, ScheduleBody)])
        changes = [_change(stored, body, now, busy) for stored, body in read]
        try:
            changed = await driver.change_schedules(changes)
            fired += sum(one.applied and bool(change.jobs) for one, change in zip(changed, changes, strict=True))
        except NotDurable as exc:
            # A failover that loses the job loses in the same step that the schedule has fired: it fires again.
            logger.warning("schedules were fired, and that is not confirmed: %s", exc)
            fired += len(exc.outcomes)
        if len(page.items) < _AT_ONCE:
            return fired


def _read(stored: StoredSchedule) -> ScheduleBody | Exception:
    try:
        return decode_schedule(stored.body)
    except Exception as exc:  # damage may surface anywhere
        return exc


async def _unsettled(driver: Driver, bodies: Sequence[ScheduleBody]) -> frozenset[str]:
    """Ids of the last jobs that are not settled, of those schedules that ask."""
    ids = [body.last_job_id for body in bodies if body.rules.overlap != "allow" and body.last_job_id is not None]
    if not ids:
        return frozenset()
    found = await driver.get_jobs(ids)
    return frozenset(job.id for job in found if job is not None and not job.state.is_terminal)


def _change(stored: StoredSchedule, body: ScheduleBody | Exception, now: Millis, busy: frozenset[str]) -> Change:
    now = Millis(max(now, stored.next_run_at or now))
    why = body
    if isinstance(body, ScheduleBody):
        try:
            successor, jobs = successor_of(stored, body, now, is_busy=body.last_job_id in busy)
            return Change(key=stored.key, expected=stored.version, successor=successor, jobs=jobs)
        except Exception as exc:
            why = exc
    # Kept as it is, for a runner that can read it, and out of the way of the others. Only the two that say nothing of
    # what is stored are quoted.
    said = why if isinstance(why, Unreadable | SchedulingError) else f"it is damaged ({type(why).__name__})"
    logger.error("schedule %r cannot be fired here, looking again in a minute: %s", stored.key, said)
    later = replace(stored, next_run_at=Millis(now + _BROKEN_AGAIN))
    return Change(key=stored.key, expected=stored.version, successor=later)
