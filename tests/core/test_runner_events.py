"""Events: which there are, in which order, and what a listener can and cannot do."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from flowli import Backoff, Cancel, DefinitionError, Runner, job
from flowli.events import (
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobParked,
    JobRetryScheduled,
    JobStarted,
    LeaseRecovered,
    RunnerEvent,
)
from flowli.records import FailureReason, State
from flowli_memory import ManualClock
from tests.core.runner_kit import hearing, lost_runner, raw_job, record, runtime, store_raw, until

pytestmark = pytest.mark.anyio


@job
async def fine() -> None: ...


@job(max_attempts=2, backoff=Backoff(delay="1s", jitter=False))
async def boom() -> None:
    raise LookupError("x")


@job
async def drop() -> None:
    raise Cancel


async def test_a_job_that_completes_is_started_and_completed() -> None:
    flowli = runtime(fine)
    handle = await flowli.use(fine).enqueue()
    runner = Runner(flowli)
    heard = hearing(runner)
    await runner.run_once()
    started, completed = heard
    assert isinstance(started, JobStarted)
    assert isinstance(completed, JobCompleted)
    assert (started.job_id, started.job_name, started.attempt) == (handle.id, "fine", 1)
    assert (completed.job_id, completed.attempt) == (handle.id, 1)
    assert completed.run_s >= 0


async def test_started_says_how_long_the_job_waited() -> None:
    clock = ManualClock()
    flowli = runtime(fine, clock=clock)
    await flowli.use(fine).enqueue()
    clock.advance("7s")
    runner = Runner(flowli)
    heard = hearing(runner, JobStarted)
    await runner.run_once()
    [started] = heard
    assert isinstance(started, JobStarted)
    assert 7 <= started.wait_s < 8


async def test_a_failure_comes_before_its_retry_and_the_last_one_is_final() -> None:
    clock = ManualClock()
    flowli = runtime(boom, clock=clock)
    await flowli.use(boom).enqueue()
    runner = Runner(flowli)
    heard = hearing(runner)
    await runner.run_once()
    clock.advance("1s")
    await runner.run_once()
    assert [type(event) for event in heard] == [JobStarted, JobFailed, JobRetryScheduled, JobStarted, JobFailed]
    first, retry, last = heard[1], heard[2], heard[4]
    assert isinstance(first, JobFailed)
    assert isinstance(last, JobFailed)
    assert isinstance(retry, JobRetryScheduled)
    assert (first.final, first.reason, first.attempt) == (False, None, 1)
    assert (last.final, last.reason, last.attempt) == (True, FailureReason.ATTEMPTS, 2)
    assert (retry.wait_s, retry.attempt) == (1.0, 1)
    assert isinstance(last.error, LookupError)


async def test_cancelled_parked_and_recovered_are_events() -> None:
    clock = ManualClock()
    flowli = runtime(drop, fine, clock=clock)
    await flowli.use(fine).enqueue()
    await lost_runner(flowli, clock)
    await flowli.use(drop).enqueue()
    await store_raw(flowli, raw_job(name="stranger"))
    runner = Runner(flowli)
    heard = hearing(runner)
    await runner.run_once()
    kinds = {type(event) for event in heard}
    assert kinds == {LeaseRecovered, JobStarted, JobCancelled, JobParked, JobCompleted}
    [parked] = [event for event in heard if isinstance(event, JobParked)]
    assert (parked.wait_s, "no job 'stranger' is registered" in parked.why) == (1.0, True)


async def test_a_listener_for_one_class_hears_nothing_else() -> None:
    flowli = runtime(fine, boom)
    await flowli.use(fine).enqueue()
    await flowli.use(boom).enqueue()
    runner = Runner(flowli)
    heard = hearing(runner, JobCompleted)
    await runner.run_once()
    assert [type(event) for event in heard] == [JobCompleted]


@pytest.mark.parametrize("event", [int, print, None])
async def test_what_is_no_event_is_refused_as_it_would_never_come(event: Any) -> None:
    with pytest.raises(DefinitionError, match=r"@runner\.on\(JobFailed\)"):
        Runner(runtime()).on(event)


async def test_listeners_may_be_sync_or_async_and_stay_what_they_were() -> None:
    flowli = runtime(fine)
    runner = Runner(flowli)
    heard: list[str] = []

    @runner.on(JobCompleted)
    def plain(event: JobCompleted) -> None:
        heard.append("plain")

    @runner.on(JobCompleted)
    async def waiting(event: JobCompleted) -> None:
        await asyncio.sleep(0)
        heard.append("waiting")

    await flowli.use(fine).enqueue()
    await runner.run_once()
    assert heard == ["plain", "waiting"]
    assert inspect.iscoroutinefunction(waiting)
    assert not inspect.iscoroutinefunction(plain)


@pytest.mark.parametrize("error", [LookupError("x"), SystemExit(1), asyncio.CancelledError()], ids=repr)
async def test_an_error_in_a_listener_is_logged_and_changes_nothing(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    flowli = runtime(fine)
    runner = Runner(flowli)

    @runner.on(RunnerEvent)
    async def fail(event: RunnerEvent) -> None:
        raise error

    @runner.on(RunnerEvent)
    def fail_too(event: RunnerEvent) -> None:
        raise error

    heard = hearing(runner)
    handles = [await flowli.use(fine).enqueue() for _ in range(2)]
    assert await asyncio.wait_for(runner.run_once(), 20) == 2
    assert {(await record(flowli, one.id)).state for one in handles} == {State.COMPLETED}
    assert len(heard) == 4
    assert caplog.text.count("a listener for JobCompleted failed, the job's outcome stands") == 4


async def test_a_slow_listener_does_not_delay_jobs() -> None:
    flowli = runtime(fine)
    let_on = asyncio.Event()
    runner = Runner(flowli, concurrency=1)
    heard: list[RunnerEvent] = []

    @runner.on(JobStarted)
    async def wait(event: JobStarted) -> None:
        await let_on.wait()
        heard.append(event)

    async with runner:
        for _ in range(5):
            await (await flowli.use(fine).enqueue()).result(timeout=20)
        assert heard == []
        let_on.set()
        await until(lambda: len(heard) == 5, "the listener catches up")


async def test_an_event_is_told_after_its_outcome_was_written() -> None:
    flowli = runtime(fine)
    runner = Runner(flowli)
    states: list[State] = []

    @runner.on(JobCompleted)
    async def look(event: JobCompleted) -> None:
        states.append((await record(flowli, event.job_id)).state)

    await flowli.use(fine).enqueue()
    await runner.run_once()
    assert states == [State.COMPLETED]
