"""Looking at what is persisted, and acting on it by id: ``flowli.inspect`` and ``flowli.control``.

It knows the driver's reads. It refuses to know payload types: records carry what is stored, as JSON.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from flowli.core import Core
from flowli.driver import State
from flowli.errors import ValidationError
from flowli.handles import cancel_job
from flowli.ids import check_id, check_name
from flowli.reading import preview, read_job, read_runner, read_schedule
from flowli.records import JobRecord, Page, QueueCounts, RunnerRecord, ScheduleRecord
from flowli.repeat import repeat
from flowli.steering import delete_schedule, pause_schedule, resume_schedule, trigger_schedule

__all__ = ["Control", "Inspect"]

_MOST_A_PAGE = 500


class Inspect:
    """Typed reads of the store. Every method needs a driver (StrategyError) and raises DriverUnavailable, and
    ValidationError for an argument that cannot be meant, such as a cursor of another listing."""

    __slots__ = ("_core",)

    def __init__(self, core: Core) -> None:
        self._core = core

    async def get_job(self, id: str) -> JobRecord | None:
        """The record of a job, with its input; None when there is none."""
        driver, id = await self._core.driver("get_job()"), check_id(id)
        [stored] = await repeat(lambda: driver.get_jobs([id]))
        return None if stored is None else read_job(stored)

    async def get_jobs_by_state(
        self, state: State | str, *, queue: str | None = None, limit: int = 100, cursor: str | None = None
    ) -> Page[JobRecord]:
        """Up to ``limit`` (at most 500) records of a state, without inputs; pass ``.cursor`` for the next page."""
        driver, limit, which = await self._core.driver("get_jobs_by_state()"), _checked(limit), _state(state)
        queue = None if queue is None else check_name(queue)
        with _cursors():
            found = await repeat(lambda: driver.list_jobs(which, queue=queue, limit=limit, cursor=cursor))
        return Page([read_job(stored) for stored in found.items], found.cursor)

    async def get_queue_counts(self, queue: str | None = None) -> QueueCounts:
        """How many records stand in each state, in one queue or in all."""
        driver = await self._core.driver("get_queue_counts()")
        queues = None if queue is None else [check_name(queue)]
        view = await repeat(lambda: driver.overview(queues))
        sums = {state.value: sum(getattr(one, state.value) for one in view.queues.values()) for state in State}
        return QueueCounts(**sums, schedules=view.schedules)

    async def get_schedule(self, key: str) -> ScheduleRecord | None:
        """The schedule of a key; None when there is none."""
        driver, key = await self._core.driver("get_schedule()"), check_id(key)
        [stored] = await repeat(lambda: driver.get_schedules([key]))
        return None if stored is None else read_schedule(stored)

    async def get_schedules(self, *, limit: int = 100, cursor: str | None = None) -> Page[ScheduleRecord]:
        """Up to ``limit`` (at most 500) schedules, by key."""
        driver, limit = await self._core.driver("get_schedules()"), _checked(limit)
        with _cursors():
            found = await repeat(lambda: driver.list_schedules(limit=limit, cursor=cursor))
        return Page([read_schedule(stored) for stored in found.items], found.cursor)

    async def get_next_runs(self, key: str, *, limit: int = 5) -> list[datetime]:
        """The next instants (at most 500) of a schedule, paused or not; none when there is no such schedule."""
        driver, limit = await self._core.driver("get_next_runs()"), _checked(limit)
        [stored] = await repeat(lambda: driver.get_schedules([key]))
        return [] if stored is None else preview(stored, limit)

    async def get_runners(self) -> list[RunnerRecord]:
        """The runners that said within the last 30 s that they live."""
        driver = await self._core.driver("get_runners()")
        view = await repeat(lambda: driver.overview(()))
        return [read_runner(note) for note in view.runners]


class Control:
    """Acts on persisted jobs, by id."""

    __slots__ = ("_core",)

    def __init__(self, core: Core) -> None:
        self._core = core

    async def cancel(self, id: str) -> bool:
        """Cancel what waits, at once, and ask what runs to stop. False if the job is over, or unknown."""
        return await cancel_job(self._core, None, check_id(id))

    async def pause(self, *, schedule: str) -> bool:
        """Fire nothing of a schedule until it is resumed, also if it is put again. False if it is unknown."""
        return await pause_schedule(self._core, schedule) is not None

    async def resume(self, *, schedule: str) -> bool:
        """Fire a schedule again from its next instant on: a pause is not made up for. False if it is unknown."""
        return await resume_schedule(self._core, schedule) is not None

    async def trigger(self, schedule: str) -> str | None:
        """Make one job of a schedule now, also while it is paused; the job's id. None if it is unknown."""
        return await trigger_schedule(self._core, schedule)

    async def delete(self, *, schedule: str) -> bool:
        """Remove a schedule; jobs that it made go on. False if it is unknown."""
        return await delete_schedule(self._core, schedule)


@contextmanager
def _cursors() -> Generator[None]:
    """A driver says ValueError to a cursor that is none of its own."""
    try:
        yield
    except ValueError:
        raise ValidationError("cursor is none that this listing gave out. Begin again without one.") from None


def _checked(limit: Any) -> int:
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= _MOST_A_PAGE:
        shown = limit if isinstance(limit, int) else type(limit).__name__
        raise ValidationError(f"limit is a whole number from 1 to {_MOST_A_PAGE}; got {shown}.")
    return limit


def _state(state: State | str) -> State:
    try:
        return State(state)
    except ValueError:
        raise ValidationError(f"There is no state {str(state)[:20]!r}. States: {', '.join(State)}.") from None
