"""Why is this job not running? What its record, its queue, its limits and the runners alive say together.

It knows the driver's reads and asks only what bears on the state that the job is in. It refuses to guess: what the
store does not show is no reason, and a job that nothing hinders is said to be next.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from flowli.core import Core
from flowli.driver import Ability, Driver, State
from flowli.errors import ValidationError
from flowli.pausing import get_pauses
from flowli.reading import read_job, read_runner
from flowli.records import JobRecord, LimitRecord, WaitingFor
from flowli.repeat import repeat
from flowli.throttling import read_limit

__all__ = ["Cause", "Explanation", "Reason", "explain"]

_PAGE, _FURTHEST = 500, 10_000


class Cause(StrEnum):
    """What keeps a job from running."""

    UNKNOWN = "unknown"
    """There is no record of it."""
    OVER = "over"
    RUNNING = "running"
    NOT_DUE = "not_due"
    RETRY = "retry"
    """The wait after a failure."""
    PARENTS = "parents"
    LIMIT = "limit"
    PAUSED = "paused"
    UNSERVED = "unserved"
    """No runner that is alive serves its queue and registers its name, or the last one could not read it."""
    BEHIND = "behind"
    """Others of its queue are served before it."""
    NEXT = "next"
    """Nothing: it is what its queue serves next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One of them."""

    cause: Cause
    text: str
    """A sentence for people."""
    until: datetime | None = None
    """When it ends by itself, if that is known."""
    ids: tuple[str, ...] = ()
    """The jobs that it waits for: parents, or up to 100 that hold a limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a job is not running, as of the read. ``str()`` of it has a line for each reason."""

    id: str
    state: State | None
    """None for an unknown job."""
    reasons: tuple[Reason, ...]
    """At least one; what comes first holds whatever becomes of the others."""

    def __str__(self) -> str:
        return "\n".join(reason.text for reason in self.reasons)


async def explain(core: Core, id: str) -> Explanation:
    """Read what bears on the job, and say it."""
    driver = await core.driver("explain()")
    [stored] = await repeat(lambda: driver.get_jobs([id]))
    if stored is None:
        text = f"There is no record of {id!r}: it never was, it has expired, or its result was not to be kept."
        return Explanation(id=id, state=None, reasons=(Reason(cause=Cause.UNKNOWN, text=text),))
    record = read_job(stored)
    reasons = [reason async for reason in _reasons(core, driver, record)]
    return Explanation(id=id, state=record.state, reasons=tuple(reasons))


async def _reasons(core: Core, driver: Driver, record: JobRecord) -> AsyncIterator[Reason]:
    if record.state.is_terminal:
        why = f", reason {record.reason}" if record.reason else ""
        yield Reason(cause=Cause.OVER, text=f"It is {record.state}{why}.")
    elif record.state is State.ACTIVE:
        text = f"It is running: attempt {record.attempts_made}, under a lease until {record.lease_until}."
        yield Reason(cause=Cause.RUNNING, text=text, until=record.lease_until)
    else:
        if record.state is State.SCHEDULED:
            async for reason in _waits(core, record):
                yield reason
        elif (paused := await _paused(core, driver, record)) is not None:
            yield paused
        unserved = await _unserved(driver, record)
        if unserved is not None and record.waiting_for is not WaitingFor.RUNNER:
            yield unserved
        if record.state is State.QUEUED:
            yield await _place(driver, record)


async def _waits(core: Core, record: JobRecord) -> AsyncIterator[Reason]:
    due = record.scheduled_for
    match record.waiting_for:
        case WaitingFor.RETRY:
            text = f"Attempt {record.attempts_made} failed; the next one is due at {due}."
            yield Reason(cause=Cause.RETRY, text=text, until=due)
        case WaitingFor.RUNNER:
            text = f"No runner so far knew the job {record.name!r} or could read it; it is offered again at {due}."
            yield Reason(cause=Cause.UNSERVED, text=text, until=due)
        case WaitingFor.PARENTS:
            text = f"Steps before it have not ended; it follows {len(record.parents)}."
            yield Reason(cause=Cause.PARENTS, text=text, ids=record.parents)
        case WaitingFor.LIMIT:
            for reason in await _limits(core, record):
                yield reason
        case WaitingFor.RESUME:
            yield _of_pause("job", record.name)
        case _:
            yield Reason(cause=Cause.NOT_DUE, text=f"It is not due before {due}.", until=due)


def _of_pause(kind: str, name: str) -> Reason:
    text = f"The {kind} {name!r} is paused: flowli.control.resume({kind}={name!r}) lets it go on."
    return Reason(cause=Cause.PAUSED, text=text)


async def _paused(core: Core, driver: Driver, record: JobRecord) -> Reason | None:
    if Ability.PAUSES not in driver.abilities:
        return None
    paused = {(what.kind, what.name) for what, _ in await get_pauses(core, "explain()")}
    for kind, name in (("queue", record.queue), ("job", record.name)):
        if (kind, name) in paused:
            return _of_pause(kind, name)
    return None


async def _unserved(driver: Driver, record: JobRecord) -> Reason | None:
    runners = [read_runner(note) for note in (await repeat(lambda: driver.overview(()))).runners]
    serving = [one for one in runners if one.queues is None or record.queue in one.queues]
    if any(record.name in one.jobs for one in serving):
        return None
    if not runners:
        text = "No runner is alive: start one (flowli runner)."
    elif not serving:
        text = f"None of the {len(runners)} runners alive serves the queue {record.queue!r}."
    else:
        text = f"None of the {len(serving)} runners that serve its queue registers the job {record.name!r}."
    return Reason(cause=Cause.UNSERVED, text=text)


async def _place(driver: Driver, record: JobRecord) -> Reason:
    """How many of its queue are served before it."""
    before, cursor = 0, None
    while before < _FURTHEST:
        at = cursor
        page = await repeat(lambda at=at: driver.list_jobs(State.QUEUED, queue=record.queue, limit=_PAGE, cursor=at))  # type: ignore[misc]
        ids = [one.id for one in page.items]
        if record.id in ids:
            before += ids.index(record.id)
            break
        before, cursor = before + len(ids), page.cursor
        if cursor is None:
            break
    if before == 0:
        return Reason(cause=Cause.NEXT, text=f"It is what the queue {record.queue!r} serves next.")
    number = f"{before} or more" if before >= _FURTHEST else before
    return Reason(cause=Cause.BEHIND, text=f"It is behind {number} others in the queue {record.queue!r}.")


async def _limits(core: Core, record: JobRecord) -> list[Reason]:
    """The limits that have no room for it; what they are is in the definition of the job."""
    full = [one for name, key, weight in _needs(core, record) if (one := await _full(core, name, key, weight))]
    if not full:
        text = "A limit lent nothing when it was asked; if there is room again, it is started shortly."
        return [Reason(cause=Cause.LIMIT, text=text)]
    return full


def _needs(core: Core, record: JobRecord) -> list[tuple[str, str, int]]:
    job: Any = core.jobs.get(record.name)
    if job is None or record.parents:
        return []
    try:
        input = job.input_adapter.validate_json(record.input_json or b"null") if job.input_adapter else None
        meta = job.meta_adapter.validate_json(record.meta_json) if job.meta_adapter and record.meta_json else None
        needs = job.bonding.bonds(input, meta).needs
    except (ValueError, ValidationError):
        return []
    return [(need.rule.limit, need.key, need.weight) for need in needs]


async def _full(core: Core, name: str, key: str, weight: int) -> Reason | None:
    limit = await read_limit(core, name, key)
    if limit is None:
        return None
    what = f"limit {name!r}" + (f", key {key!r}" if key else "")
    if limit.held_until is not None:
        text = f"The {what} is on hold until {limit.held_until}."
        return Reason(cause=Cause.LIMIT, text=text, until=limit.held_until)
    if _has_room(limit, weight):
        return None
    used = f"{limit.held} of {limit.at_once}" if limit.at_once is not None else f"{limit.used} of {limit.most}"
    text = f"The {what} lends no more: {used} are in use, and {limit.waiting} jobs wait."
    return Reason(cause=Cause.LIMIT, text=text, ids=limit.holders)


def _has_room(limit: LimitRecord, weight: int) -> bool:
    at_once = limit.at_once is None or limit.held == 0 or limit.held + weight <= limit.at_once
    return at_once and (limit.most is None or limit.used == 0 or limit.used + weight <= limit.most)
