"""Putting a schedule: a durable recurring definition, written by compare-and-set under its key.

It knows what makes two definitions the same. It refuses to fire (`flowli.firing`) and to compute instants
(`flowli.instants`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from flowli.core import Core
from flowli.cron import parse_when
from flowli.driver import Millis, StoredSchedule
from flowli.errors import SchedulingError, ValidationError
from flowli.handles import ScheduleHandle
from flowli.ids import check_id
from flowli.instants import anchored, next_instants, stored_as
from flowli.job import Job
from flowli.rules import take_rules
from flowli.steering import Revised, change_schedule
from flowli.strategies import prepare, take_payload
from flowli.unique import need_unique_keys, unique_key
from flowli.wire import ScheduleBody, Unreadable, decode_schedule

__all__ = ["check_key", "definition_of", "put_definition", "put_schedule"]

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
    wanted = definition_of(core, job, when, input, meta, tz=tz, given=given)
    return await put_definition(core, check_key(key) if key is not None else _derived_key(wanted), wanted)


def definition_of(
    core: Core,
    job: Job[Any, Any, Any, Any],
    when: str | timedelta,
    input: Any,
    meta: Any,
    *,
    tz: str,
    given: Mapping[str, Any],
) -> ScheduleBody:
    """The definition, checked. Raises SchedulingError and ValidationError."""
    if "id" in given:
        raise ValidationError("schedule() takes no id=: each of its jobs gets its own. Name the schedule with key=.")
    rules, rest = take_rules(given)
    ready = prepare(core, job, rest)
    payload, unique = take_payload(core, job, input, meta), ready.options.unique
    return ScheduleBody(
        name=job.name,
        when=parse_when(when, tz).canonical,
        tz=tz,
        queue=ready.options.queue,
        priority=ready.options.priority,
        head=ready.head,
        body=payload.body,
        bonds=payload.bonds,
        anchor=Millis(0),
        rules=rules,
        unique=None if unique is None else unique_key(unique, job.name, unique.key_of(payload.input)),
    )


async def put_definition(core: Core, key: str, wanted: ScheduleBody) -> ScheduleHandle:
    """Write it over what stands under the key; what is paused stays so, and what was fired stays known."""

    def revise(stands: StoredSchedule | None, now: Millis) -> Revised | None:
        body = _merged(_read(stands), wanted, now)
        if not next_instants(body, 1) and body.runs == 0:
            raise SchedulingError(f"Schedule {key!r} has no instant that is still to come: look at its start and end.")
        stored = stored_as(stands or StoredSchedule(key=key, version=0, next_run_at=None, body=b""), body, now)
        return None if stands is not None and stored.body == stands.body else Revised(stored)

    if wanted.unique is not None:
        need_unique_keys(await core.driver("schedule"), wanted.name)
    stands = await change_schedule(core, key, revise)
    assert stands is not None
    return ScheduleHandle(core, stands, decode_schedule(stands.body))


def _read(stands: StoredSchedule | None) -> ScheduleBody | None:
    try:
        return None if stands is None else decode_schedule(stands.body)
    except Unreadable:
        return None


def _merged(found: ScheduleBody | None, wanted: ScheduleBody, now: Millis) -> ScheduleBody:
    """The row of instants begins anew only where ``when``, ``tz`` or the start changed."""
    if found is None:
        return anchored(wanted, now)
    row = (wanted.when, wanted.tz, wanted.rules.start)
    if (found.when, found.tz, found.rules.start) == row:
        body = replace(wanted, anchor=found.anchor, past=found.past)
    else:
        body = anchored(wanted, now)
    body = replace(
        body,
        declared=wanted.declared or found.declared,
        is_paused=found.is_paused,
        runs=found.runs,
        last_run_at=found.last_run_at,
        last_job_id=found.last_job_id,
        recent=found.recent,
        backlog=found.backlog if wanted.rules.overlap == "queue" else (),
        revision=found.revision,
    )
    is_same = replace(body, declared=None) == replace(found, declared=None)
    return body if is_same else replace(body, revision=found.revision + 1)


def check_key(key: str) -> str:
    """The key as it was given, if a schedule can have it; otherwise ValidationError."""
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
