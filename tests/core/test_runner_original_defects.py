"""Defects of the system that had this vocabulary first. Each test fails on that design."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from flowli import Defaults, Runner, job
from flowli.events import JobCompleted, RunnerEvent
from flowli.records import FailureReason, State
from flowli_memory import ManualClock
from tests.core.runner_kit import lost_runner, nudged, raw_job, record, runtime, store_raw, until

pytestmark = pytest.mark.anyio


@job
async def echo(text: str) -> str:
    return text


async def test_original_6_a_poison_job_does_not_loop_for_ever() -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock, defaults=Defaults(max_attempts=1, max_deliveries=2))
    handle = await flowli.use(echo).enqueue("x")
    await lost_runner(flowli, clock, times=2)
    assert await Runner(flowli).run_until_idle() == 0
    assert (await record(flowli, handle.id)).reason == FailureReason.POISON


async def test_original_7_an_unknown_name_does_not_end_the_loop() -> None:
    flowli = runtime(echo)
    async with Runner(flowli) as runner:
        await store_raw(flowli, raw_job(name="nobody knows"))
        assert await (await flowli.use(echo).enqueue("next")).result(timeout=20) == "next"
        assert runner.running
        assert (await record(flowli)).state == State.SCHEDULED


@pytest.mark.parametrize(("head", "body"), [(b"1{", b'"x"'), (b"1", b'{"'), (b"\xff", b"\xff")])
async def test_original_8_a_corrupt_record_does_not_end_the_loop(head: bytes, body: bytes) -> None:
    flowli = runtime(echo)
    async with Runner(flowli) as runner:
        await store_raw(flowli, raw_job(head=head, body=body))
        assert await (await flowli.use(echo).enqueue("next")).result(timeout=20) == "next"
        assert runner.running
        assert (await record(flowli)).state == State.SCHEDULED


async def test_original_9_an_instant_of_a_schedule_has_one_job_whoever_fires_it() -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock)
    await flowli.use(echo).schedule("1m", "x", key="s")
    clock.advance("1m")
    assert [await Runner(flowli).run_once() for _ in range(3)] == [1, 0, 0]
    [found] = await flowli.inspect.get_jobs_by_state(State.COMPLETED)
    assert found.id == f"s:1:{int(clock.now().timestamp() * 1000)}"


async def test_original_10_february_29_does_not_end_the_loop() -> None:
    clock = ManualClock(datetime(2032, 2, 28, 12, tzinfo=UTC))
    flowli = runtime(echo, clock=clock)
    async with Runner(flowli) as runner:
        done: list[RunnerEvent] = []
        runner.on(JobCompleted)(done.append)
        await flowli.use(echo).schedule("0 0 29 2 *", "x", key="leap")
        clock.advance("12h")
        await until(nudged(clock, lambda: done), "the schedule is fired")
        assert runner.running
        found = await flowli.inspect.get_schedule("leap")
        assert found is not None
        assert found.next_run_at == datetime(2036, 2, 29, tzinfo=UTC)


async def test_original_11_stop_waits_for_what_runs() -> None:
    began, let_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @job
    async def slow() -> None:
        began.set()
        await let_on.wait()
        done.set()

    flowli = runtime(slow)
    handle = await flowli.use(slow).enqueue()
    runner = Runner(flowli)
    await runner.start()
    await asyncio.wait_for(began.wait(), 20)
    stopping = asyncio.create_task(runner.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    let_on.set()
    await asyncio.wait_for(stopping, 20)
    assert done.is_set()
    assert (await record(flowli, handle.id)).state == State.COMPLETED


async def test_original_12_ended_jobs_do_not_stay_for_ever() -> None:
    clock = ManualClock()

    @job
    async def boom() -> None:
        raise LookupError

    flowli = runtime(echo, boom, clock=clock)
    await flowli.use(echo).enqueue("x")
    await flowli.use(boom).enqueue()
    await Runner(flowli).run_until_idle()
    clock.advance("7d")
    await Runner(flowli).run_once()
    counts = await flowli.inspect.get_queue_counts()
    assert (counts.completed, counts.failed) == (0, 0)


async def test_original_a_listener_that_raises_does_not_fail_its_job() -> None:
    flowli = runtime(echo, defaults=Defaults(max_attempts=3))
    runner = Runner(flowli)

    @runner.on(RunnerEvent)
    def fail(event: RunnerEvent) -> None:
        raise LookupError("in the listener")

    handle = await flowli.use(echo).enqueue("x")
    await runner.run_until_idle()
    found = await record(flowli, handle.id)
    assert (found.state, found.failures, found.attempts_made) == (State.COMPLETED, 0, 1)
