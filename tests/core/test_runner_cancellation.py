"""Cancelling what runs, from outside."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from flowli import Defaults, JobCancelledError, Runner, job
from flowli.events import JobCancelled
from flowli.records import State
from tests.core.runner_kit import bare_lease, hearing, record, runtime, until
from tests.support.polling import eventually_sync

pytestmark = pytest.mark.anyio


@pytest.mark.slow
async def test_a_running_handler_is_cancelled_and_the_job_with_it() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    @job(max_attempts=3)
    async def slow() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    flowli = runtime(slow)
    handle = await flowli.use(slow).enqueue()
    async with Runner(flowli) as runner:
        heard = hearing(runner, JobCancelled)
        await asyncio.wait_for(began.wait(), 20)
        assert await handle.cancel()
        with pytest.raises(JobCancelledError):
            await handle.result(timeout=20)
        assert ended.is_set()
        await until(lambda: heard, "the event is heard")
    found = await record(flowli, handle.id)
    assert (found.state, found.failures, found.attempts_made) == (State.CANCELLED, 0, 1)


@pytest.mark.slow
async def test_a_handler_in_a_thread_is_left_and_its_job_is_cancelled() -> None:
    began = asyncio.Event()
    loop = asyncio.get_running_loop()
    over: list[bool] = []

    @job
    def slow() -> str:
        loop.call_soon_threadsafe(began.set)
        eventually_sync(lambda: over, every=0.01, what="the end of the job")
        return "too late"

    flowli = runtime(slow)
    handle = await flowli.use(slow).enqueue()
    async with Runner(flowli):
        await asyncio.wait_for(began.wait(), 20)
        await handle.cancel()
        with pytest.raises(JobCancelledError):
            await handle.result(timeout=20)
        over.append(True)
    assert (await record(flowli, handle.id)).result_json is None


@pytest.mark.slow
async def test_the_cancellation_of_a_running_handler_is_confirmed_to_who_asks() -> None:
    began = asyncio.Event()

    @job
    async def slow() -> None:
        began.set()
        await asyncio.Event().wait()

    flowli = runtime(slow)
    handle = await flowli.use(slow).enqueue()
    async with Runner(flowli):
        await asyncio.wait_for(began.wait(), 20)
        since = time.monotonic()
        assert await handle.cancel(wait="20s")
        assert (await record(flowli, handle.id)).state is State.CANCELLED
        assert time.monotonic() - since < 5, "about half a second on an idle machine"
        assert not await handle.cancel(wait="20s")


@pytest.mark.slow
async def test_a_handler_in_a_thread_is_confirmed_as_cancelled_refused_its_result_and_counted() -> None:
    began, over = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    @job
    def slow() -> str:
        loop.call_soon_threadsafe(began.set)
        over.wait(20)
        return "too late"

    flowli = runtime(slow)
    handle = await flowli.use(slow).enqueue()
    runner = Runner(flowli)
    await runner.start()
    await asyncio.wait_for(began.wait(), 20)
    assert await handle.cancel(wait=20)
    await runner.stop("0s")
    assert runner.abandoned == 1
    over.set()
    found = await record(flowli, handle.id)
    assert (found.state, found.result_json) == (State.CANCELLED, None)


async def test_a_cancellation_that_nobody_confirms_is_told_so_and_stands() -> None:
    @job
    async def brief() -> str:
        return "done"

    flowli = runtime(brief)
    handle = await flowli.use(brief).enqueue()
    await bare_lease(flowli)
    with pytest.raises(TimeoutError, match="was asked to stop, and has not ended within 0.01s"):
        await handle.cancel(wait="10ms")
    with pytest.raises(TimeoutError):
        await handle.cancel(wait=0)


async def test_a_confirmed_cancellation_of_what_waits_is_at_once_also_where_nothing_is_kept() -> None:
    @job
    async def never() -> None: ...

    flowli = runtime(never, defaults=Defaults(result_ttl="0s"))
    handle = await flowli.use(never).enqueue()
    assert await handle.cancel(wait=0)
    assert not await handle.cancel(wait=0)


async def test_a_job_that_waits_is_cancelled_and_never_called() -> None:
    calls: list[int] = []

    @job
    async def never() -> None:
        calls.append(1)

    flowli = runtime(never)
    handle = await flowli.use(never).enqueue()
    assert await handle.cancel()
    assert (await Runner(flowli).run_once(), calls) == (0, [])
