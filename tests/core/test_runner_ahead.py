"""What a runner leases ahead of its free slots while handlers are fast, and what becomes of it when one is slow."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from flowli import Flowli, Job, JobHandle, Runner, current_attempt, job
from flowli.records import State
from flowli_memory import MemoryDriver
from tests.core.runner_kit import Faraway, runtime, until
from tests.support.polling import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SLOW, ALL = 300, 600
"""Which job is slow, and how many there are: fast ones before it, so that the runner leases ahead, and after it."""


class Work:
    """Many fast jobs, one that waits to be let through, and runners with one slot."""

    def __init__(self, driver: MemoryDriver) -> None:
        self.began = asyncio.Event()
        self.open = asyncio.Event()
        self.started: list[int] = []

        @job
        async def work(number: int) -> int:
            self.started.append(number)
            if number == SLOW:
                self.began.set()
                await self.open.wait()
            return number

        self.job: Job[object, int, None, int] = work
        self.flowli: Flowli[None] = runtime(work, driver=driver)
        self.handles: list[JobHandle[int]] = []

    async def enqueue(self) -> list[JobHandle[int]]:
        self.handles = await self.flowli.use(self.job).enqueue_many(range(ALL))
        return self.handles

    async def active(self) -> int:
        return (await self.flowli.inspect.get_queue_counts()).active

    async def leased_ahead(self) -> bool:
        """Whether the job behind the slow one is leased, beside the one slot that there is."""
        return (await self.handles[SLOW + 1].record()).state == State.ACTIVE

    @asynccontextmanager
    async def stuck(self) -> AsyncGenerator[Runner]:
        """A runner whose one slot the slow job has."""
        runner = Runner(self.flowli, concurrency=1)
        async with runner:
            await asyncio.wait_for(self.began.wait(), 20)
            yield runner
            self.open.set()


@pytest.fixture
def work() -> Work:
    return Work(Faraway())


async def test_fast_handlers_are_leased_ahead_within_bounds(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowli.backlog._PATIENCE_S", 600.0)
    await work.enqueue()
    async with work.stuck():
        await eventually(work.leased_ahead, what="a lease beside that of the one slot")

        async def within_bounds() -> bool:  # once what has ended is settled
            return await work.active() <= 1 + 200

        await eventually(within_bounds, what="no more than 200 ahead")
        assert await work.leased_ahead()


async def test_jobs_that_were_leased_ahead_start_in_their_order(work: Work) -> None:
    work.open.set()
    await work.enqueue()
    async with Runner(work.flowli, concurrency=1):
        await until(lambda: len(work.started) == ALL)
    assert work.started == list(range(ALL))


async def test_a_slow_handler_does_not_keep_what_was_leased_ahead_of_it(work: Work) -> None:
    handles = await work.enqueue()
    async with work.stuck(), Runner(work.flowli, concurrency=1):
        rest = [handle for number, handle in enumerate(handles) if number != SLOW]
        results = await asyncio.wait_for(asyncio.gather(*[handle.result() for handle in rest]), 20)
        assert results == [number for number in range(ALL) if number != SLOW]
        assert not work.open.is_set(), "another runner had all of them, while the first was stuck"
    assert sorted(work.started) == list(range(ALL)), "each of them once"


async def test_stop_hands_back_what_was_leased_ahead_before_it_waits_for_handlers(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowli.backlog._PATIENCE_S", 600.0)
    handles = await work.enqueue()
    async with work.stuck() as runner:
        await eventually(work.leased_ahead, what="a lease beside that of the one slot")
        stopping = asyncio.create_task(runner.stop())

        async def only_the_slow_one_is_held() -> bool:
            return await work.active() == 1

        await eventually(only_the_slow_one_is_held, what="the others to be handed back")
        assert not stopping.done(), "its handler may go on for the grace"
        work.open.set()
        await asyncio.wait_for(stopping, 20)
    records = [await handle.record() for handle in handles[SLOW + 1 :]]
    assert {(one.state, one.attempts_made, one.deliveries) for one in records} == {(State.QUEUED, 0, 0)}
    assert work.started == list(range(SLOW + 1))


async def test_a_job_that_was_leased_ahead_is_cancelled_without_being_started(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowli.backlog._PATIENCE_S", 600.0)
    handles = await work.enqueue()
    next_one = handles[SLOW + 1]
    async with work.stuck():
        await eventually(work.leased_ahead, what="a lease beside that of the one slot")
        assert await next_one.cancel()

        async def is_cancelled() -> bool:
            return (await next_one.record()).state == State.CANCELLED

        await eventually(is_cancelled, what="the cancellation")
    record = await next_one.record()
    assert (record.attempts_made, record.failures, record.started_at) == (0, 0, None)
    assert SLOW + 1 not in work.started


TENANT: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody's")


async def test_a_job_does_not_see_the_variables_of_the_one_before_it() -> None:
    seen: list[str] = []

    @job
    async def look(number: int) -> None:
        seen.append(TENANT.get())
        TENANT.set(f"job {number}'s")
        if number % 7 == 0:
            await asyncio.sleep(0)

    flowli = runtime(look)
    await flowli.use(look).enqueue_many(range(ALL))
    async with Runner(flowli, concurrency=3):
        await until(lambda: len(seen) == ALL)
    assert set(seen) == {"nobody's"}


async def test_an_attempt_is_one_object_for_as_long_as_its_handler_runs() -> None:
    @job
    async def look() -> bool:
        before = current_attempt()
        await asyncio.sleep(0)
        return before is current_attempt()

    flowli = runtime(look)
    handle = await flowli.use(look).enqueue()
    await Runner(flowli).run_once()
    assert await handle.result()
