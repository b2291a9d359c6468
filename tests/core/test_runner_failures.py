"""What becomes of an attempt that fails: retries, waits, the end, and every way in which a handler can raise."""

from __future__ import annotations

import asyncio

import pytest

from flowli import Backoff, Cancel, Defaults, Retry, Runner, current_attempt, job
from flowli.records import FailureReason, State
from flowli_memory import ManualClock
from tests.core.runner_kit import lost_runner, record, runtime

pytestmark = pytest.mark.anyio

EXACT = Backoff(delay="1s", max_delay="5s", jitter=False)


@job(max_attempts=3, backoff=EXACT)
async def boom() -> None:
    raise LookupError("nothing here")


class Abort(BaseException):
    """Neither an Exception nor one that asyncio knows."""


class Mute(Exception):
    """Its text cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


async def test_a_retry_waits_for_its_backoff_to_the_millisecond() -> None:
    clock = ManualClock()
    flowli = runtime(boom, clock=clock)
    await flowli.use(boom).enqueue()
    runner = Runner(flowli)
    assert await runner.run_once() == 1
    clock.advance("999ms")
    assert await runner.run_once() == 0
    clock.advance("1ms")
    assert await runner.run_once() == 1


async def test_waits_double_up_to_the_cap() -> None:
    clock = ManualClock()
    flowli = runtime(boom, clock=clock)
    handle = await flowli.use(boom).enqueue(max_attempts=10)
    waits: list[float] = []
    for _ in range(5):
        await Runner(flowli).run_once()
        found = await record(flowli, handle.id)
        assert found.scheduled_for is not None
        waits.append((found.scheduled_for - clock.now()).total_seconds())
        clock.advance("5s")
    assert waits == [1, 2, 4, 5, 5]


async def test_max_attempts_failures_are_the_end() -> None:
    clock = ManualClock()
    flowli = runtime(boom, clock=clock)
    handle = await flowli.use(boom).enqueue()
    for _ in range(5):
        await Runner(flowli).run_once()
        clock.advance("10s")
    found = await record(flowli, handle.id)
    assert (found.state, found.reason, found.attempts_made, found.failures) == (
        State.FAILED,
        FailureReason.ATTEMPTS,
        3,
        3,
    )
    assert found.error is not None
    assert (found.error.type, found.error.message) == ("LookupError", "nothing here")
    assert "boom" in (found.error.traceback or "")


async def test_max_attempts_counts_failures_and_no_crashes() -> None:
    clock = ManualClock()
    numbers: list[int] = []

    @job(max_attempts=2, backoff=EXACT)
    async def count() -> None:
        numbers.append(current_attempt().number)
        raise LookupError

    flowli = runtime(count, clock=clock)
    handle = await flowli.use(count).enqueue()
    await lost_runner(flowli, clock, times=3)
    await Runner(flowli).run_once()
    clock.advance("1s")
    await Runner(flowli).run_once()
    found = await record(flowli, handle.id)
    assert numbers == [4, 5]
    assert (found.state, found.attempts_made, found.failures, found.deliveries) == (State.FAILED, 5, 2, 3)


async def test_retry_chooses_its_own_wait_and_counts_as_a_failure() -> None:
    clock = ManualClock()

    @job(max_attempts=2)
    async def later() -> None:
        raise Retry("not yet", after="30s")

    flowli = runtime(later, clock=clock)
    handle = await flowli.use(later).enqueue()
    await Runner(flowli).run_once()
    found = await record(flowli, handle.id)
    assert found.scheduled_for is not None
    assert (found.failures, (found.scheduled_for - clock.now()).total_seconds()) == (1, 30)
    clock.advance("30s")
    await Runner(flowli).run_once()
    assert (await record(flowli, handle.id)).state == State.FAILED


async def test_a_retry_after_nothing_is_executed_by_the_next_tick() -> None:
    @job(max_attempts=3)
    async def again() -> None:
        raise Retry(after="0s")

    flowli = runtime(again)
    await flowli.use(again).enqueue()
    runner = Runner(flowli)
    assert [await runner.run_once(), await runner.run_until_idle()] == [1, 2]


@pytest.mark.parametrize("threaded", [False, True])
async def test_cancel_ends_the_job_without_a_failure(threaded: bool) -> None:
    @job(name="drop", max_attempts=3)
    async def drop() -> None:
        raise Cancel("not needed")

    @job(name="drop", max_attempts=3)
    def drop_in_thread() -> None:
        raise Cancel("not needed")

    chosen = drop_in_thread if threaded else drop
    flowli = runtime(chosen)
    handle = await flowli.use(chosen).enqueue()
    await Runner(flowli).run_once()
    found = await record(flowli, handle.id)
    assert (found.state, found.failures, found.attempts_made) == (State.CANCELLED, 0, 1)


ERRORS = [
    LookupError("x"),
    SystemExit(3),
    Abort("stop"),
    GeneratorExit(),
    asyncio.CancelledError("by itself"),
    ExceptionGroup("many", [ValueError("x")]),
    StopIteration(1),
    Mute(),
    OSError("a file named \udcff"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("threaded", [False, True], ids=["async", "def"])
async def test_whatever_a_handler_raises_is_one_failure_and_the_next_job_runs(
    error: BaseException, threaded: bool
) -> None:
    @job(name="raise_it", max_attempts=2, backoff=EXACT)
    async def raise_it() -> None:
        raise error

    @job(name="raise_it", max_attempts=2, backoff=EXACT)
    def raise_in_thread() -> None:
        raise error

    @job
    async def fine() -> None: ...

    chosen = raise_in_thread if threaded else raise_it
    flowli = runtime(chosen, fine)
    handle = await flowli.use(chosen).enqueue()
    other = await flowli.use(fine).enqueue()
    assert await asyncio.wait_for(Runner(flowli, concurrency=1).run_once(), 20) == 2
    found = await record(flowli, handle.id)
    assert (found.state, found.failures, found.attempts_made) == (State.SCHEDULED, 1, 1)
    assert (await record(flowli, other.id)).state == State.COMPLETED


async def test_the_errors_of_a_handler_are_bounded_in_the_record() -> None:
    @job
    async def verbose() -> None:
        raise LookupError("x" * 1_000_000)

    flowli = runtime(verbose)
    handle = await flowli.use(verbose).enqueue()
    await Runner(flowli).run_once()
    error = (await record(flowli, handle.id)).error
    assert error is not None
    assert len(error.message) < 3_000


async def test_an_async_handler_fails_when_its_timeout_passes() -> None:
    @job(timeout="20ms")
    async def slow() -> None:
        await asyncio.Event().wait()

    flowli = runtime(slow)
    handle = await flowli.use(slow).enqueue()
    assert await asyncio.wait_for(Runner(flowli).run_once(), 20) == 1
    error = (await record(flowli, handle.id)).error
    assert error is not None
    assert (error.code, error.message) == ("FLOWLI_TIMEOUT", "Job 'slow': its timeout of 0.02s passed.")


async def test_a_timeout_is_retried_like_any_failure() -> None:
    @job(timeout="10ms", max_attempts=2, backoff=Backoff(delay="1ms", jitter=False))
    async def once_slow() -> str:
        if current_attempt().number == 1:
            await asyncio.Event().wait()
        return "done"

    flowli = runtime(once_slow)
    handle = await flowli.use(once_slow).enqueue()
    async with Runner(flowli):
        assert await handle.result(timeout=20) == "done"
    assert (await record(flowli, handle.id)).failures == 1


async def test_a_result_that_comes_after_the_timeout_is_refused() -> None:
    @job(timeout="10ms")
    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "too late"
        return "never"

    flowli = runtime(stubborn)
    handle = await flowli.use(stubborn).enqueue()
    await asyncio.wait_for(Runner(flowli).run_once(), 20)
    found = await record(flowli, handle.id)
    assert (found.state, found.result_json) == (State.FAILED, None)
    assert found.error is not None
    assert found.error.code == "FLOWLI_TIMEOUT"


async def test_a_validator_that_raises_is_a_failure_of_the_attempt() -> None:
    from pydantic import BaseModel, field_validator

    broken = False

    class Fragile(BaseModel):
        text: str

        @field_validator("text")
        @classmethod
        def look(cls, value: str) -> str:
            if broken:
                raise RuntimeError("the dictionary is away")
            return value

    async def read(input: Fragile) -> None: ...

    read.__annotations__["input"] = Fragile
    reading = job(read)
    flowli = runtime(reading, defaults=Defaults(max_attempts=2))
    handle = await flowli.use(reading).enqueue(Fragile(text="x"))
    broken = True
    await Runner(flowli).run_once()
    found = await record(flowli, handle.id)
    assert (found.state, found.failures) == (State.SCHEDULED, 1)
