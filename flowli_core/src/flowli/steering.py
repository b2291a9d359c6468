"""Changing a schedule that stands: compare-and-set until it holds, and what operators do by it.

It knows pause, resume, trigger and delete. It refuses to know definitions (`flowli.schedules`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from flowli.core import Core
from flowli.driver import Change, Millis, NewJob, StoredSchedule
from flowli.errors import SchedulingError
from flowli.ids import make_id
from flowli.instants import MOST_RECENT, job_of, stored_as
from flowli.repeat import repeat
from flowli.wire import ScheduleBody, Unreadable, decode_schedule

__all__ = ["Revised", "change_schedule", "delete_schedule", "pause_schedule", "resume_schedule", "trigger_schedule"]


class Revised(NamedTuple):
    """What is to stand, None for nothing, and the jobs that are stored in the same step."""

    successor: StoredSchedule | None
    jobs: tuple[NewJob, ...] = ()


async def change_schedule(
    core: Core, key: str, revise: Callable[[StoredSchedule | None, Millis], Revised | None]
) -> StoredSchedule | None:
    """Write what ``revise`` makes of what stands, at the store's instant; None from it leaves all as it is.

    It is asked again whenever somebody else's write came between. Returns what stands in the end.
    """
    driver = await core.driver("a schedule")
    now = (await repeat(lambda: driver.overview(()))).now
    [stands] = await repeat(lambda: driver.get_schedules([key]))
    while True:
        revised = revise(stands, now)
        if revised is None:
            break
        expected = 0 if stands is None else stands.version
        change = Change(key=key, expected=expected, successor=revised.successor, jobs=revised.jobs)
        [changed] = await repeat(lambda change=change: driver.change_schedules([change]))  # type: ignore[misc]
        if changed.applied:
            return changed.stands
        stands = changed.stands
        # A reply may have been lost, and the repeat of what was written finds it standing.
        if _stands(revised.successor, stands, expected):
            break
    await repeat(lambda: driver.change_schedules([]))  # it may stand unconfirmed, since a NotDurable or a lost reply
    return stands


def _stands(wanted: StoredSchedule | None, stands: StoredSchedule | None, expected: int) -> bool:
    if wanted is None or stands is None:
        return wanted is stands
    return stands.version > expected and replace(wanted, version=stands.version) == stands


async def pause_schedule(core: Core, key: str) -> StoredSchedule | None:
    """Fire nothing until `resume_schedule`; None if there is no such schedule."""

    def revise(stands: StoredSchedule | None, now: Millis) -> Revised | None:
        body = _read(stands)
        if stands is None or body is None or body.is_paused:
            return None
        return Revised(stored_as(stands, replace(body, is_paused=True), now))

    return await change_schedule(core, key, revise)


async def resume_schedule(core: Core, key: str) -> StoredSchedule | None:
    """Fire again, from the next instant on: what came during the pause is not made up for."""

    def revise(stands: StoredSchedule | None, now: Millis) -> Revised | None:
        body = _read(stands)
        if stands is None or body is None or not body.is_paused:
            return None
        past = Millis(max(now, body.past or 0))
        return Revised(stored_as(stands, replace(body, is_paused=False, past=past), now))

    return await change_schedule(core, key, revise)


async def trigger_schedule(core: Core, key: str) -> str | None:
    """Make one job of it now, whether it is paused or not; its id, or None if there is no such schedule.

    The row of instants, and what counts towards the limit, stay as they are.
    """
    mark, made = make_id(), list[str]()

    def revise(stands: StoredSchedule | None, now: Millis) -> Revised | None:
        made.clear()
        body = _read(stands)
        if stands is None or body is None:
            return None
        job = job_of(key, body, now, now, mark=mark)
        made.append(job.id)
        recent = (*body.recent, (now, job.id))[-MOST_RECENT:]
        after = replace(body, last_job_id=job.id, recent=recent)
        return Revised(stored_as(stands, after, now), (job,))

    await change_schedule(core, key, revise)
    return made[0] if made else None


async def delete_schedule(core: Core, key: str) -> bool:
    """Remove it; jobs that it made go on. False if there is none."""
    found = False

    def revise(stands: StoredSchedule | None, now: Millis) -> Revised | None:
        nonlocal found
        del now
        found = found or stands is not None
        return None if stands is None else Revised(None)

    await change_schedule(core, key, revise)
    return found


def _read(stands: StoredSchedule | None) -> ScheduleBody | None:
    if stands is None:
        return None
    try:
        return decode_schedule(stands.body)
    except Unreadable as exc:
        raise SchedulingError(
            f"Schedule {stands.key!r} cannot be changed by this version: {exc}. Use the version that wrote it."
        ) from None
