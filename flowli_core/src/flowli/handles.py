"""What persisting calls return: a receipt that can also wait, read and cancel.

It knows how to turn an outcome into a result or an error. It refuses to know how waiting is done (`flowli.outcomes`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import ValidationError as PydanticError

from flowli.core import Core
from flowli.driver import Act, Deed, Disposition, Millis, State, StoredJob, StoredSchedule
from flowli.durations import millis_to_instant, parse_span, parse_timeout
from flowli.errors import (
    JobCancelledError,
    JobFailedError,
    JobNotFoundError,
    ValidationError,
)
from flowli.following import follow
from flowli.instants import next_instants
from flowli.job import Job
from flowli.reading import read_job
from flowli.records import JobError, JobRecord, Progress
from flowli.repeat import repeat
from flowli.steering import delete_schedule, pause_schedule, resume_schedule, trigger_schedule
from flowli.wire import ScheduleBody

__all__ = ["JobHandle", "Receipt", "ScheduleHandle", "awaited", "cancel_job", "result_of"]

_R = TypeVar("_R")
_R_co = TypeVar("_R_co", covariant=True)


class Receipt(NamedTuple):
    """What a persisting call was told. Nothing of it changes afterwards."""

    state: State | None = None
    due: Millis = Millis(0)
    attempts_made: int = 0
    disposition: Disposition | None = None


class JobHandle(Generic[_R_co]):
    """A persisted job: what its call was told, and ways to ask again. Made by a strategy, or from an id by
    ``.handle(id)``."""

    __slots__ = ("_core", "_id", "_job", "_receipt")

    def __init__(self, core: Core, job: Job[Any, Any, Any, _R_co], id: str, receipt: Receipt) -> None:
        self._core = core
        self._job = job
        self._id = id
        self._receipt = receipt

    @property
    def id(self) -> str:
        """Unique in the driver's prefix."""
        return self._id

    @property
    def name(self) -> str:
        """Of the job."""
        return self._job.name

    @property
    def state(self) -> State | None:
        """As of the call; None for a handle that was made from an id."""
        return self._receipt.state

    @property
    def scheduled_for(self) -> datetime | None:
        """When it is to be ready, by the store's clock, as of the call."""
        return millis_to_instant(self._receipt.due) if self._receipt.due else None

    @property
    def attempts_made(self) -> int:
        """As of the call."""
        return self._receipt.attempts_made

    @property
    def deduplicated(self) -> bool:
        """The call made no job: this is the one that had its id or holds its unique key, whatever its input."""
        return self._receipt.disposition not in (None, Disposition.CREATED)

    @property
    def disposition(self) -> Disposition | None:
        """What the call did; None for a handle that was made from an id."""
        return self._receipt.disposition

    async def record(self) -> JobRecord:
        """The record as it stands now. Raises JobNotFoundError when it is gone."""
        driver = await self._core.driver("record()")
        [stored] = await repeat(lambda: driver.get_jobs([self._id]))
        if stored is None:
            raise _gone(self._job, self._id)
        return read_job(stored)

    async def progress(self, *, every: timedelta | str = "500ms") -> AsyncGenerator[Progress]:
        """What the handler reports with ``current_attempt().progress(...)``: the newest, then each newer one, until the
        job has ended; ``async for report in handle.progress()``.

        The store is asked ``every`` so often, and what was replaced meanwhile is not seen. StrategyError where the
        driver keeps no reports.
        """
        every_s = parse_span(every, what="every").total_seconds()
        async with aclosing(follow(self._core, self._id, every_s)) as reports:
            async for report in reports:
                yield report

    async def cancel(self, *, wait: float | timedelta | str | None = None) -> bool:
        """Cancel what waits, at once, and ask what runs to stop; of a chain, every step that is not over. False if the
        job is over, or unknown.

        With ``wait``, in seconds or a duration, it is confirmed: True once the job has ended as cancelled, False if it
        had ended, or ends, in another way. TimeoutError when it passes; what was asked stands. A runner that is up
        confirms within a second or two, for a ``def`` handler too, whose thread goes on and whose result is refused.
        """
        limit = parse_timeout(wait)
        if not await cancel_job(self._core, self._job, self._id):
            return False
        if limit is None:
            return True
        try:
            ended = await self._ended(limit)
        except TimeoutError:
            text = f"Job {self.name!r} ({self._id}) was asked to stop, and has not ended within {limit:g}s."
            raise TimeoutError(text) from None
        # Nothing is kept of it: what was cancelled in time is over, and nobody can say more.
        return ended is None or ended.state is State.CANCELLED

    async def result(self, *, timeout: float | timedelta | str | None = None) -> _R_co:
        """The handler's result, as soon as there is one.

        ``timeout`` is in seconds, or a duration; when it passes TimeoutError is raised and the job goes on. Raises
        JobFailedError, JobCancelledError, and JobNotFoundError where no record (any more) says how it ended.
        """
        limit = parse_timeout(timeout)
        try:
            return result_of(self._job, self._id, await self._ended(limit))
        except TimeoutError:
            raise TimeoutError(f"Job {self.name!r} ({self._id}) did not end within {limit:g}s. It goes on.") from None

    async def _ended(self, limit: float | None) -> StoredJob | None:
        driver = await self._core.driver("result()")
        if limit == 0:  # asks once: a wait of no time would be over before the question
            found = await repeat(lambda: driver.outcomes([self._id]))
            if self._id not in found:
                raise TimeoutError
            return found[self._id]
        return await asyncio.wait_for(self._core.watches.here().outcome(driver, self._id), limit)

    def __repr__(self) -> str:
        return f"<JobHandle {self.name} {self._id} {self.state or 'unknown'}>"


def awaited(handle: JobHandle[Any]) -> tuple[Core, Job[Any, Any, Any, Any], str]:
    """Where the job of a handle is, its definition, and its id."""
    return handle._core, handle._job, handle.id  # pyright: ignore[reportPrivateUsage]


def result_of(job: Job[Any, Any, Any, _R], id: str, stored: StoredJob | None) -> _R:
    """The result of a job that is over, or its error raised."""
    if stored is None:
        raise _gone(job, id)
    record = read_job(stored)
    if record.state is State.CANCELLED:
        why = "." if record.error is None else f": {record.error.message}"
        raise JobCancelledError(f"Job {job.name!r} ({id}) was cancelled{why}")
    if record.state is State.FAILED:
        error = record.error or JobError(type="", message="")
        text = f"Job {job.name!r} ({id}) failed ({record.reason}): {error.type}: {error.message}"
        failed = JobFailedError(text, error=error, record=record)
        if error.traceback is not None:
            failed.add_note(f"In the runner (most recent call last):\n{error.traceback.rstrip()}")
        raise failed
    try:
        result: _R = job.result_adapter.validate_json(record.result_json or b"null")
    except PydanticError:
        raise ValidationError(
            f"Job {job.name!r} ({id}): its stored result does not validate. Did its return type change?"
        ) from None
    return result


def _gone(job: Job[Any, Any, Any, Any], id: str) -> JobNotFoundError:
    return JobNotFoundError(
        f"There is no record of job {job.name!r} ({id}). Its retention has passed, nothing was to be kept "
        f"(result_ttl='0s'), or it never was."
    )


async def cancel_job(core: Core, job: Job[Any, Any, Any, Any] | None, id: str) -> bool:
    """Cancel by id, and the steps that a step of a chain waits for. The job's own retention decides how long the
    cancelled records are kept."""
    driver = await core.driver("cancel()")
    options = core.defaults if job is None else core.plan(job).options
    ids, found = [id], None
    while ids:
        acts = [Act(id=one, deed=Deed.CANCEL, keep_for=options.result_ttl) for one in ids]
        acted = await repeat(partial(driver.act, acts))
        found = found or acted[0].found
        ids = [parent for one in acted for parent in one.parents]
    return found is not None and not found.is_terminal


class ScheduleHandle:
    """A stored schedule, as of the call that made it."""

    __slots__ = ("_body", "_core", "_stored")

    def __init__(self, core: Core, stored: StoredSchedule, body: ScheduleBody) -> None:
        self._core = core
        self._stored = stored
        self._body = body

    @property
    def key(self) -> str:
        """The schedule's identity: scheduling again with it updates."""
        return self._stored.key

    @property
    def name(self) -> str:
        """Of the job."""
        return self._body.name

    @property
    def when(self) -> str:
        """The cron fields or the interval."""
        return self._body.when

    @property
    def tz(self) -> str:
        """The IANA zone in which cron fields are meant."""
        return self._body.tz

    @property
    def next_run_at(self) -> datetime | None:
        """As of the call."""
        at = self._stored.next_run_at
        return None if at is None else millis_to_instant(at)

    async def pause(self) -> bool:
        """Fire nothing until `resume`, whoever puts the definition again. False if the schedule is gone."""
        return await pause_schedule(self._core, self.key) is not None

    async def resume(self) -> bool:
        """Fire again from the next instant on: a pause is not made up for. False if the schedule is gone."""
        return await resume_schedule(self._core, self.key) is not None

    async def trigger(self) -> str | None:
        """Make one job now, beside its instants and also while it is paused; the job's id. None if it is gone."""
        return await trigger_schedule(self._core, self.key)

    async def delete(self) -> bool:
        """Remove the schedule; jobs that it made go on. False if it is gone already."""
        return await delete_schedule(self._core, self.key)

    def preview(self, most: int = 5) -> list[datetime]:
        """The next instants of the definition as of the call, paused or not."""
        return [millis_to_instant(at) for at in next_instants(self._body, most)]

    def __repr__(self) -> str:
        return f"<ScheduleHandle {self.key!r} {self.when!r} {self.tz}>"
