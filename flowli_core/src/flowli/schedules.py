"""Putting a schedule: a durable recurring definition, written by compare-and-set under its key.

It knows what makes two definitions the same. It refuses to fire (`flowli.firing`) and to compute instants
(`flowli.cron`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from flowli.core import Core
from flowli.cron import Recurrence, parse_when
from flowli.driver import Change, Driver, Millis, StoredSchedule
from flowli.errors import ValidationError
from flowli.handles import ScheduleHandle
from flowli.ids import check_id
from flowli.job import Job
from flowli.repeat import repeat
from flowli.strategies import encode_payload, prepare
from flowli.wire import ScheduleBody, Unreadable, decode_schedule, encode_schedule

__all__ = ["put_schedule"]

_MOST_KEY = 150
"""Bytes: the ids of its jobs are the key, a revision and an instant."""


async def put_schedule(
    core: Core,
    job: Job[Any, Any, Any, Any],
    when: str | timedelta,
    input: Any,
    meta: Any,
    *,
    key: str | None,
    tz: str,
    given: Mapping[str, Any],
) -> ScheduleHandle:
    """Store the definition, or update the one under this key; the same definition again changes nothing."""
    core.need_hub(f"Job {job.name!r} cannot use schedule()")
    if "id" in given:
        raise ValidationError("schedule() takes no id=: each of its jobs gets its own. Name the schedule with key=.")
    recurrence = parse_when(when, tz)
    ready = prepare(core, job, given)
    wanted = ScheduleBody(
        name=job.name,
        when=recurrence.canonical,
        tz=tz,
        queue=ready.options.queue,
        priority=ready.options.priority,
        head=ready.head,
        body=encode_payload(job, input, meta),
        anchor=Millis(0),
    )
    driver = await core.driver("schedule")
    return await _put(core, driver, _checked_key(key) if key is not None else _derived_key(wanted), wanted, recurrence)


async def _put(core: Core, driver: Driver, key: str, wanted: ScheduleBody, recurrence: Recurrence) -> ScheduleHandle:
    [stands] = await repeat(lambda: driver.get_schedules([key]))
    now = (await repeat(lambda: driver.overview(()))).now
    while True:
        stored, body = _merged(key, stands, wanted, recurrence, now)
        if stands is not None and stored.body == stands.body:
            return ScheduleHandle(core, stands, body)
        change = Change(key=key, expected=0 if stands is None else stands.version, successor=stored)
        [changed] = await repeat(lambda change=change: driver.change_schedules([change]))  # type: ignore[misc]
        if changed.applied and changed.stands is not None:
            return ScheduleHandle(core, changed.stands, body)
        stands = changed.stands


def _merged(
    key: str, stands: StoredSchedule | None, wanted: ScheduleBody, recurrence: Recurrence, now: Millis
) -> tuple[StoredSchedule, ScheduleBody]:
    """What to write over what stands. The rhythm begins anew only where ``when`` or ``tz`` changed."""
    found: ScheduleBody | None = None
    if stands is not None:
        try:
            found = decode_schedule(stands.body)
        except Unreadable:
            found = None
    if stands is None or found is None:
        body = replace(wanted, anchor=now)
        next_run_at: Millis | None = recurrence.next_after(now, anchor=now)
        return StoredSchedule(key=key, version=0, next_run_at=next_run_at, body=encode_schedule(body)), body
    same_rhythm = (found.when, found.tz) == (wanted.when, wanted.tz)
    body = replace(
        wanted,
        anchor=found.anchor if same_rhythm else now,
        last_run_at=found.last_run_at,
        last_job_id=found.last_job_id,
    )
    body = replace(body, revision=found.revision)
    if body != found:
        body = replace(body, revision=found.revision + 1)
    next_run_at = stands.next_run_at if same_rhythm else recurrence.next_after(now, anchor=now)
    return StoredSchedule(key=key, version=0, next_run_at=next_run_at, body=encode_schedule(body)), body


def _checked_key(key: str) -> str:
    check_id(key)
    if len(key.encode()) > _MOST_KEY:
        raise ValidationError(f"A schedule's key has at most {_MOST_KEY} bytes; this one has {len(key.encode())}.")
    return key


def _derived_key(wanted: ScheduleBody) -> str:
    """From job, ``when``, zone and input, so that the same call again is the same schedule."""
    parts = (wanted.name.encode(), wanted.when.encode(), wanted.tz.encode(), wanted.body)
    digest = hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).hexdigest()
    name = wanted.name.encode()[:80].decode("utf-8", "ignore")
    return f"{name}:{digest[:16]}"
