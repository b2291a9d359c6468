"""How a started runner ends: draining, handing back, what is left behind."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from flowli import Defaults, JobHandle, Runner, ValidationError, job
from flowli.events import JobFailed, JobStarted, RunnerEvent
from flowli.records import State
from tests.core.runner_kit import ShakyDriver, record, runtime, until

pytestmark = pytest.mark.anyio


class Gate:
    """A handler's: it says that it began, and waits to be let through."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.open = asyncio.Event()

    async def pass_through(self) -> str:
        self.began.set()
        await self.open.wait()
        return "through"


async def test_stop_waits_for_what_runs_and_writes_its_outcome() -> None:
    gate = Gate()

    @job
    async def slow() -> str:
        return await gate.pass_through()

    flowli = runtime(slow)
    handle = await flowli.use(slow).enqueue()
    runner = Runner(flowli)
    await runner.start()
    await asyncio.wait_for(gate.began.wait(), 20)
    stopping = asyncio.create_task(runner.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    gate.open.set()
    await asyncio.wait_for(stopping, 20)
    assert (runner.running, runner.abandoned) == (False, 0)
    assert (await record(flowli, handle.id)).state == State.COMPLETED


async def test_a_stopping_runner_claims_nothing_more() -> None:
    gate = Gate()

    @job
    async def slow() -> str:
        return await gate.pass_through()

    flowli = runtime(slow)
    await flowli.use(slow).enqueue()
    runner = Runner(flowli)
    await runner.start()
    await asyncio.wait_for(gate.began.wait(), 20)
    stopping = asyncio.create_task(runner.stop())
    await asyncio.sleep(0)
    late = await flowli.use(slow).enqueue()
    gate.open.set()
    await asyncio.wait_for(stopping, 20)
    assert (await record(flowli, late.id)).state == State.QUEUED


async def test_after_the_grace_a_job_is_handed_back_to_the_front_and_another_runner_gets_it() -> None:
    gate = Gate()
    numbers: list[str] = []

    @job
    async def slow(text: str) -> str:
        numbers.append(text)
        return await gate.pass_through()

    flowli = runtime(slow)
    handle = await flowli.use(slow).enqueue("first")
    first = Runner(flowli, concurrency=1)
    await first.start()
    await asyncio.wait_for(gate.began.wait(), 20)
    await flowli.use(slow).enqueue("second")
    await first.stop(grace="10ms")
    found = await record(flowli, handle.id)
    assert (found.state, found.failures, found.deliveries, found.attempts_made) == (State.QUEUED, 0, 0, 1)
    assert first.abandoned == 0
    gate.open.set()
    assert await Runner(flowli, concurrency=1).run_once() == 2
    assert numbers == ["first", "first", "second"]


async def test_what_a_handler_completes_on_its_way_out_counts() -> None:
    began = asyncio.Event()

    @job
    async def quick_witted() -> str:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "saved"
        return "never"

    flowli = runtime(quick_witted)
    handle = await flowli.use(quick_witted).enqueue()
    async with Runner(flowli) as runner:
        await asyncio.wait_for(began.wait(), 20)
        await runner.stop("0s")
    assert await handle.result(timeout=5) == "saved"


@pytest.mark.slow
async def test_a_handler_that_swallows_its_cancellation_is_abandoned_in_time() -> None:
    began, over = asyncio.Event(), asyncio.Event()

    @job
    async def deaf() -> None:
        began.set()
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                continue

    flowli = runtime(deaf)
    handle = await flowli.use(deaf).enqueue()
    runner = Runner(flowli)
    await runner.start()
    await asyncio.wait_for(began.wait(), 20)
    began_at = time.monotonic()
    await runner.stop("10ms")
    assert time.monotonic() - began_at < 10
    assert runner.abandoned == 1
    assert (await record(flowli, handle.id)).state == State.QUEUED
    over.set()


async def test_a_handler_that_sits_in_a_thread_is_abandoned() -> None:
    began, over = threading.Event(), threading.Event()

    @job
    def stuck() -> None:
        began.set()
        over.wait(20)

    flowli = runtime(stuck)
    handle = await flowli.use(stuck).enqueue()
    runner = Runner(flowli)
    await runner.start()
    await until(began.is_set, "the handler began")
    await runner.stop("10ms")
    assert runner.abandoned == 1
    assert (await record(flowli, handle.id)).failures == 0
    over.set()


@pytest.mark.slow
async def test_a_handler_that_was_deaf_and_ended_is_not_abandoned() -> None:
    over = asyncio.Event()
    ended = asyncio.Event()

    @job(timeout="10ms")
    async def deaf() -> None:
        try:
            await over.wait()
        except asyncio.CancelledError:
            await over.wait()
        ended.set()

    flowli = runtime(deaf)
    await flowli.use(deaf).enqueue()
    runner = Runner(flowli)
    failures: list[RunnerEvent] = []
    runner.on(JobFailed)(failures.append)
    async with runner:
        await until(lambda: failures, "its timeout is a failure")
        over.set()
        await asyncio.wait_for(ended.wait(), 20)
    assert runner.abandoned == 0


@pytest.mark.slow
async def test_no_job_is_lost_to_a_claim_that_is_cancelled_while_it_waits() -> None:
    done: list[str] = []

    @job
    async def note(text: str) -> None:
        done.append(text)

    flowli = runtime(note, defaults=Defaults(result_ttl="1h"))
    async with flowli:
        handles: list[JobHandle[None]] = []
        for n in range(120):
            runner = Runner(flowli)
            await runner.start()
            for _ in range(n % 9):
                await asyncio.sleep(0)
            sending = asyncio.create_task(flowli.use(note).enqueue(str(n)))
            for _ in range(n % 5):
                await asyncio.sleep(0)
            await runner.stop()
            handles.append(await sending)
        counts = await flowli.inspect.get_queue_counts()
        assert (counts.active, counts.queued + counts.completed) == (0, 120)
        await Runner(flowli).run_until_idle()
        assert sorted(done, key=int) == [str(n) for n in range(120)]
        assert {(await record(flowli, one.id)).deliveries for one in handles} == {0}


@pytest.mark.slow
async def test_a_job_that_is_stopped_before_its_first_step_is_handed_back_and_not_abandoned() -> None:
    @job
    async def slow() -> None:
        await asyncio.Event().wait()

    flowli = runtime(slow)
    async with flowli:
        handles = [await flowli.use(slow).enqueue() for _ in range(3)]
        for n in range(25):
            runner = Runner(flowli)
            await runner.start()
            for _ in range(n):
                await asyncio.sleep(0)
            await runner.stop("0s")
            assert runner.abandoned == 0
        found = [await record(flowli, one.id) for one in handles]
    assert {(one.state, one.failures, one.deliveries) for one in found} == {(State.QUEUED, 0, 0)}


async def test_stop_twice_and_stop_before_start_do_nothing() -> None:
    runner = Runner(runtime())
    await runner.stop()
    await runner.start()
    await asyncio.gather(runner.stop(), runner.stop())
    await runner.stop()
    assert not runner.running


async def test_a_runner_may_be_started_again() -> None:
    @job
    async def fine() -> None: ...

    flowli = runtime(fine)
    runner = Runner(flowli)
    for _ in range(2):
        async with runner:
            handle = await flowli.use(fine).enqueue()
            await handle.result(timeout=20)
            assert runner.running


async def test_a_grace_that_cannot_be_meant_leaves_the_runner_running() -> None:
    async with Runner(runtime()) as runner:
        with pytest.raises(ValidationError):
            await runner.stop("soon")
        assert runner.running


async def test_a_listener_may_stop_its_runner() -> None:
    @job
    async def boom() -> None:
        raise LookupError

    flowli = runtime(boom)
    runner = Runner(flowli)
    stopped = asyncio.Event()

    @runner.on(JobFailed)
    async def end(event: JobFailed) -> None:
        await runner.stop()
        stopped.set()

    await runner.start()
    await flowli.use(boom).enqueue()
    await asyncio.wait_for(stopped.wait(), 20)
    assert not runner.running


@pytest.mark.slow
async def test_stop_is_in_time_when_the_store_is_away(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    driver = ShakyDriver()

    @job
    async def slow() -> str:
        return await gate.pass_through()

    flowli = runtime(slow, driver=driver)
    await flowli.use(slow).enqueue()
    runner = Runner(flowli)
    await runner.start()
    await asyncio.wait_for(gate.began.wait(), 20)
    driver.is_down = True
    began_at = time.monotonic()
    await runner.stop("10ms")
    assert time.monotonic() - began_at < 10
    assert "the last outcomes could not be written" in caplog.text


@pytest.mark.slow
async def test_a_slow_listener_does_not_hold_up_the_end() -> None:
    @job
    async def fine() -> None: ...

    flowli = runtime(fine)
    runner = Runner(flowli)
    heard = asyncio.Event()

    @runner.on(JobStarted)
    async def hang(event: JobStarted) -> None:
        heard.set()
        await asyncio.Event().wait()

    await runner.start()
    await flowli.use(fine).enqueue()
    await asyncio.wait_for(heard.wait(), 20)
    await asyncio.wait_for(runner.stop(), 20)
    assert not runner.running
