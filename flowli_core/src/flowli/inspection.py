"""Looking at what is persisted, and acting on it: ``flowli.inspect`` and ``flowli.control``.

It knows the driver's reads. It refuses to know payload types: records carry what is stored, as JSON.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar, cast, overload

from flowli import desk
from flowli.audit import Act as Entry
from flowli.audit import keep, read_act
from flowli.core import Core
from flowli.desk import Many, Replay, Told
from flowli.driver import Ability, Audits, State
from flowli.errors import StrategyError, ValidationError
from flowli.explaining import Explanation, explain
from flowli.filters import JobFilter, find_jobs
from flowli.following import newest
from flowli.ids import check_id, check_name
from flowli.pausing import JobNames, change_pauses, get_pauses, paused_of
from flowli.reading import preview, read_job, read_pause, read_queue, read_runner, read_schedule
from flowli.records import (
    ActRecord,
    JobRecord,
    LimitRecord,
    Page,
    PauseRecord,
    Progress,
    QueueCounts,
    QueueRecord,
    RunnerRecord,
    ScheduleRecord,
    Tally,
)
from flowli.repeat import repeat
from flowli.steering import delete_schedule, pause_schedule, resume_schedule, trigger_schedule
from flowli.throttling import hold_limit, read_limit, read_limits, release_limit

__all__ = ["Control", "Inspect"]

_MOST_A_PAGE = 500

T = TypeVar("T")


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

    async def explain(self, id: str) -> Explanation:
        """Why a job is not running: not due, paused, over a limit, behind others, waiting for a step before it, or
        without a runner that registers it. As of the read; of a queue, up to 10,000 places are counted."""
        return await explain(self._core, check_id(id))

    async def get_progress(self, id: str) -> Progress | None:
        """What the handler of a running job reported last; None when it said nothing, or is not under way."""
        return await newest(self._core, check_id(id), "get_progress()")

    async def get_jobs_by_state(
        self, state: State | str, *, queue: str | None = None, limit: int = 100, cursor: str | None = None
    ) -> Page[JobRecord]:
        """Up to ``limit`` (at most 500) records of a state, without inputs; pass ``.cursor`` for the next page."""
        driver, limit, which = await self._core.driver("get_jobs_by_state()"), _checked(limit), _state(state)
        queue = None if queue is None else check_name(queue)
        with _cursors():
            found = await repeat(lambda: driver.list_jobs(which, queue=queue, limit=limit, cursor=cursor))
        return Page([read_job(stored) for stored in found.items], found.cursor)

    async def find_jobs(self, where: JobFilter, *, limit: int = 100, cursor: str | None = None) -> Page[JobRecord]:
        """Up to ``limit`` (at most 500) records that match, without inputs; pass ``.cursor`` for the next page.

        As much of the listing of that state is read as it takes to find them.
        """
        driver, limit = await self._core.driver("find_jobs()"), _checked(limit)
        with _cursors():
            found = await find_jobs(driver, self._core.jobs, where, limit=limit, cursor=cursor)
        return Page([read_job(stored) for stored in found.items], found.cursor)

    async def get_acts(self, *, limit: int = 100, cursor: str | None = None) -> Page[ActRecord]:
        """What was done through ``flowli.control``, the latest millisecond first: the last two thousand acts of ninety
        days.

        StrategyError where the store keeps no record of acts.
        """
        driver, limit = await self._core.driver("get_acts()"), _checked(limit)
        if Ability.AUDIT not in driver.abilities:
            raise StrategyError(f"The store of {driver} keeps no record of what operators did.")
        audits = cast("Audits", driver)
        with _cursors():
            found = await repeat(lambda: audits.list_notes(limit=limit, cursor=cursor))
        return Page([read_act(note) for note in found.items], found.cursor)

    async def get_queue_counts(self, queue: str | None = None) -> QueueCounts:
        """How many records stand in each state, in one queue or in all."""
        driver = await self._core.driver("get_queue_counts()")
        queues = None if queue is None else [check_name(queue)]
        view = await repeat(lambda: driver.overview(queues))
        sums = {state.value: sum(getattr(one, state.value) for one in view.queues.values()) for state in State}
        return QueueCounts(**sums, schedules=view.schedules)

    async def get_queues(self) -> list[QueueRecord]:
        """Each queue that the store knows: its counts, how long its head has been waiting, and whether it is paused."""
        driver = await self._core.driver("get_queues()")
        view = await repeat(driver.overview)
        paused = {what.name for what, _ in await get_pauses(self._core, "get_queues()") if what.kind == "queue"}
        return [read_queue(name, one, view.now, is_paused=name in paused) for name, one in sorted(view.queues.items())]

    async def get_pauses(self) -> list[PauseRecord]:
        """The queues and job names that are paused, and since when."""
        found = await get_pauses(self._core, "get_pauses()")
        return [read_pause(one) for one in sorted(found)]

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
        driver, limit, key = await self._core.driver("get_next_runs()"), _checked(limit), check_id(key)
        [stored] = await repeat(lambda: driver.get_schedules([key]))
        return [] if stored is None else preview(stored, limit)

    async def get_limits(self) -> list[LimitRecord]:
        """Every limit of the store: up to 100 of its keys that are in use, or the limit by itself."""
        return await read_limits(self._core)

    async def get_limit(self, name: str, key: str = "") -> LimitRecord | None:
        """Who holds a limit, or one key of it, and how many wait; None for a limit that the store does not know."""
        return await read_limit(self._core, name, key)

    async def get_runners(self) -> list[RunnerRecord]:
        """The runners that said within the last 30 s that they live."""
        driver = await self._core.driver("get_runners()")
        view = await repeat(lambda: driver.overview(()))
        return [read_runner(note) for note in view.runners]


class Control:
    """Acts on what is persisted, each recorded with who and when (``flowli.inspect.get_acts()``).

    Jobs are named by an id, by several in a list, tuple or set, or by a `JobFilter`. One id is answered True or False,
    more by a `Tally`. ``by`` says who acts; without it, the user of this process does. ``on_progress`` is called with
    the `Tally` so far, after each some hundred jobs.
    """

    __slots__ = ("_core",)

    def __init__(self, core: Core) -> None:
        self._core = core

    @overload
    async def cancel(self, which: str, /, *, by: str | None = None) -> bool: ...
    @overload
    async def cancel(self, which: Many, /, *, by: str | None = None, on_progress: Told = None) -> Tally: ...
    async def cancel(self, which: str | Many, /, *, by: str | None = None, on_progress: Told = None) -> bool | Tally:
        """Cancel what waits, at once, and ask what runs to stop. Not done if a job is over, or unknown."""
        return _answer(which, await desk.cancel(self._core, which, by, on_progress))

    @overload
    async def replay(
        self,
        which: str,
        /,
        input: object = None,
        *,
        edit: Callable[[Any], object] | None = None,
        rate: str | None = None,
        by: str | None = None,
    ) -> bool: ...
    @overload
    async def replay(
        self,
        which: Many,
        /,
        input: object = None,
        *,
        edit: Callable[[Any], object] | None = None,
        rate: str | None = None,
        by: str | None = None,
        on_progress: Told = None,
    ) -> Tally: ...
    async def replay(
        self,
        which: str | Many,
        /,
        input: object = None,
        *,
        edit: Callable[[Any], object] | None = None,
        rate: str | None = None,
        by: str | None = None,
        on_progress: Told = None,
    ) -> bool | Tally:
        """Have what failed, was cancelled or completed run once more, under its id. Not done if it waits or runs.

        ``input`` replaces the stored one; ``edit`` makes the new one from the stored JSON. Either is validated as at a
        call (ValidationError). ``rate`` (``"10/s"``) spreads the jobs over time: those that have to wait are scheduled
        in the store. Failures count from 0 again, attempts go on.
        """
        how = Replay(input=input, edit=edit, rate=rate)
        return _answer(which, await desk.replay(self._core, which, how, by, on_progress))

    @overload
    async def delete(self, which: str, /, *, by: str | None = None) -> bool: ...
    @overload
    async def delete(self, which: Many, /, *, by: str | None = None, on_progress: Told = None) -> Tally: ...
    @overload
    async def delete(self, /, *, schedule: str, by: str | None = None) -> bool: ...
    async def delete(
        self,
        which: str | Many | None = None,
        /,
        *,
        schedule: str | None = None,
        by: str | None = None,
        on_progress: Told = None,
    ) -> bool | Tally:
        """Remove jobs that wait or have ended, with all that is kept of them; what runs stays. A filter purges.

        Or remove a schedule; jobs that it made go on. Not done if unknown.
        """
        if which is not None:
            return _answer(which, await desk.delete(self._core, which, by, on_progress))
        if schedule is None:
            raise ValidationError("delete() takes an id, several, a JobFilter, or schedule=.")
        key = check_id(schedule)
        return await self._noted("delete", by, delete_schedule(self._core, key), schedule=key)

    @overload
    async def pause(self, *, schedule: str, by: str | None = None) -> bool: ...
    @overload
    async def pause(self, *, queue: str | Iterable[str], by: str | None = None) -> bool: ...
    @overload
    async def pause(self, *, job: JobNames, by: str | None = None) -> bool: ...
    async def pause(self, *, schedule: Any = None, queue: Any = None, job: Any = None, by: str | None = None) -> bool:
        """Stop a schedule, queues or jobs, one or many, until they are resumed; whether that stands now.

        A schedule fires nothing, also if it is put again; False if it is unknown. Of a queue, or of a job in every
        queue, no runner starts anything; what runs goes on, and what is enqueued waits. StrategyError where the driver
        keeps no pauses of these.
        """
        kind, given = _one_of(schedule=schedule, queue=queue, job=job)
        if kind == "schedule":
            key = check_id(given)
            return await self._noted("pause", by, pause_schedule(self._core, key), schedule=key) is not None
        return await self._change("pause", kind, given, by)

    @overload
    async def resume(self, *, schedule: str, by: str | None = None) -> bool: ...
    @overload
    async def resume(self, *, queue: str | Iterable[str], by: str | None = None) -> bool: ...
    @overload
    async def resume(self, *, job: JobNames, by: str | None = None) -> bool: ...
    async def resume(self, *, schedule: Any = None, queue: Any = None, job: Any = None, by: str | None = None) -> bool:
        """Let a schedule, queues or jobs go on, and wake the runners that wait for them; whether that stands now.

        A schedule fires from its next instant on: a pause is not made up for; False if it is unknown. Jobs keep the
        place that they had in the order of service.
        """
        kind, given = _one_of(schedule=schedule, queue=queue, job=job)
        if kind == "schedule":
            key = check_id(given)
            return await self._noted("resume", by, resume_schedule(self._core, key), schedule=key) is not None
        return await self._change("resume", kind, given, by)

    async def trigger(self, schedule: str, *, by: str | None = None) -> str | None:
        """Make one job of a schedule now, also while it is paused; the job's id. None if it is unknown."""
        key = check_id(schedule)
        return await self._noted("trigger", by, trigger_schedule(self._core, key), schedule=key)

    async def hold(
        self, limit: str, span: str | timedelta, /, *, key: str | None = None, by: str | None = None
    ) -> None:
        """Lend nothing of a limit, or of one key of it, for a span: a provider said 429. What runs goes on, what waits
        is woken when the span is over."""
        await self._on_limit("hold", limit, key, by, hold_limit(self._core, limit, span, key))

    async def release(self, limit: str, /, *, key: str | None = None, by: str | None = None) -> None:
        """End a hold before its time."""
        await self._on_limit("release", limit, key, by, release_limit(self._core, limit, key))

    async def _on_limit(self, deed: str, limit: str, key: str | None, by: str | None, act: Awaitable[None]) -> None:
        where = f"limit {limit!r}" if key is None else f"limit {limit!r}, key {key!r}"
        await self._noted(deed, by, _true(act), where=where)

    async def _change(self, verb: Literal["pause", "resume"], kind: Any, given: object, by: str | None) -> bool:
        what = paused_of(kind, given)
        where = f"{kind}={', '.join(name for _, name in what)}"
        return await self._noted(verb, by, change_pauses(self._core, verb, what), where=where)

    async def _noted(self, deed: str, by: str | None, act: Awaitable[T], **about: Any) -> T:
        """Do it, noted before and after."""
        driver, entry = await self._core.driver(f"{deed}()"), Entry.begin(deed, by, **about)
        await keep(driver, entry)
        answer = await act
        done = 1 if answer else 0
        await keep(driver, entry.after(asked=1, done=done, is_over=True))
        return answer


async def _true(act: Awaitable[None]) -> bool:
    await act
    return True


def _one_of(**given: Any) -> tuple[Any, Any]:
    named = [(kind, value) for kind, value in given.items() if value is not None]
    if len(named) != 1:
        raise ValidationError("Name one of schedule=, queue= and job=.")
    return named[0]


def _answer(which: str | Many, tally: Tally) -> bool | Tally:
    return tally.done == 1 if isinstance(which, str) else tally


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
