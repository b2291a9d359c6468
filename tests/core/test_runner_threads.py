"""``def`` handlers: 32 threads for all of them, and what the time that one waits for a thread counts as."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime

import pytest

from flowli import Flowli, JobFailedError, Runner, current_attempt, job
from flowli.records import State
from flowli.threads import HANDLER_THREADS
from flowli_memory import MemoryDriver
from tests.core.runner_kit import block_the_thread, record, runtime, until
from tests.support.polling import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


class Crowd:
    """As many handlers as there are threads, until they are let on."""

    def __init__(self) -> None:
        self.seated = threading.Semaphore(0)
        self.let_on = threading.Event()

        @job
        def sit(number: int) -> None:
            del number
            self.seated.release()
            self.let_on.wait(30)

        self.sit = sit

    async def take_every_thread(self, flowli: Flowli[None]) -> None:
        await flowli.use(self.sit).enqueue_many(range(HANDLER_THREADS))
        for _ in range(HANDLER_THREADS):
            assert await asyncio.to_thread(self.seated.acquire, timeout=20)

    @contextmanager
    def let_on_at_last(self) -> Generator[None]:
        try:
            yield
        finally:
            self.let_on.set()


async def test_the_timeout_of_a_handler_counts_from_when_it_has_a_thread() -> None:
    crowd, deadlines = Crowd(), list[datetime | None]()

    @job(timeout="300ms")
    def work() -> str:
        deadlines.append(current_attempt().deadline)
        return "done"

    flowli = runtime(crowd.sit, work)
    with crowd.let_on_at_last():
        async with Runner(flowli):
            await crowd.take_every_thread(flowli)
            handle = await flowli.use(work).enqueue()
            began = await _active(flowli, handle.id)
            await asyncio.to_thread(block_the_thread, 0.6)
            crowd.let_on.set()
            assert await handle.result(timeout=20) == "done"
    assert (await record(flowli, handle.id)).failures == 0
    [deadline] = deadlines
    assert deadline is not None and (deadline - began).total_seconds() > 0.6, "it is told the instant that holds"


async def test_a_handler_that_waits_for_a_thread_is_not_silent() -> None:
    crowd = Crowd()

    @job(heartbeat="300ms")
    def work() -> str:
        return "done"

    flowli = runtime(crowd.sit, work)
    with crowd.let_on_at_last():
        async with Runner(flowli):
            await crowd.take_every_thread(flowli)
            handle = await flowli.use(work).enqueue()
            await _active(flowli, handle.id)
            await asyncio.to_thread(block_the_thread, 0.6)
            crowd.let_on.set()
            assert await handle.result(timeout=20) == "done"


async def _active(flowli: Flowli[None], id: str) -> datetime:
    async def ask() -> bool:
        return (await record(flowli, id)).state is State.ACTIVE

    await eventually(ask, within=20, every=0.005, what="the job is leased")
    return datetime.now().astimezone()


async def test_a_context_that_takes_too_long_is_still_the_timeouts() -> None:
    @asynccontextmanager
    async def stuck() -> AsyncGenerator[int]:
        await asyncio.Event().wait()
        yield 1

    @job(timeout="100ms", max_attempts=1)
    def work(*, ctx: int) -> int:
        return ctx

    flowli = Flowli(context=stuck, jobs=[work], driver=MemoryDriver())
    handle = await flowli.use(work).enqueue()
    await Runner(flowli).run_until_idle()
    with pytest.raises(JobFailedError, match="timeout"):
        await handle.result(timeout=1)


async def test_what_waits_for_a_thread_when_the_runner_stops_is_handed_back_and_never_called() -> None:
    crowd, calls = Crowd(), list[int]()

    @job(timeout="10s")
    def work() -> None:
        calls.append(1)

    flowli = runtime(crowd.sit, work)
    with crowd.let_on_at_last():
        runner = Runner(flowli)
        await runner.start()
        await crowd.take_every_thread(flowli)
        handle = await flowli.use(work).enqueue()
        await _active(flowli, handle.id)
        await runner.stop("0s")
    await until(lambda: threading.active_count() < HANDLER_THREADS, "the threads have ended")
    found = await record(flowli, handle.id)
    assert (found.state, found.failures, calls) == (State.QUEUED, 0, [])
