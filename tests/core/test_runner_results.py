"""What is left of a job that ended: its result, for how long, and results that cannot be written."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from flowli import Cancel, JobFailedError, JobNotFoundError, Runner, job
from flowli.driver import State
from flowli.records import FailureReason
from flowli_memory import ManualClock
from tests.core.runner_kit import record, runtime

pytestmark = pytest.mark.anyio


@dataclass
class Point:
    x: int
    y: int


@job
async def place(x: int) -> Point:
    return Point(x, 2)


@job
async def boom() -> None:
    raise LookupError("x")


@job
async def drop() -> None:
    raise Cancel


async def test_a_result_comes_back_as_what_the_handler_returned() -> None:
    flowli = runtime(place)
    handle = await flowli.use(place).enqueue(1)
    await Runner(flowli).run_once()
    assert await handle.result(timeout=1) == Point(1, 2)


async def test_a_job_that_keeps_nothing_leaves_nothing() -> None:
    flowli = runtime(place)
    handle = await flowli.use(place).enqueue(1, result_ttl="0s")
    assert await Runner(flowli).run_once() == 1
    with pytest.raises(JobNotFoundError):
        await handle.result(timeout=1)
    counts = await flowli.inspect.get_queue_counts()
    assert sum(getattr(counts, state.value) for state in State) == 0


async def test_a_job_that_keeps_nothing_and_is_cancelled_leaves_nothing() -> None:
    flowli = runtime(drop)
    handle = await flowli.use(drop).enqueue(result_ttl="0s")
    assert await Runner(flowli).run_once() == 1
    assert await flowli.inspect.get_job(handle.id) is None


async def test_a_result_is_kept_for_result_ttl_and_no_longer() -> None:
    clock = ManualClock()
    flowli = runtime(place, clock=clock)
    handle = await flowli.use(place).enqueue(1, result_ttl="10m")
    await Runner(flowli).run_once()
    clock.advance("9m59s999ms")
    assert (await record(flowli, handle.id)).state == State.COMPLETED
    clock.advance("1ms")
    assert await flowli.inspect.get_job(handle.id) is None


async def test_a_failed_job_is_kept_for_failed_ttl_and_no_longer() -> None:
    clock = ManualClock()

    @job(failed_ttl="2h")
    async def fail() -> None:
        raise LookupError

    flowli = runtime(fail, clock=clock)
    handle = await flowli.use(fail).enqueue()
    await Runner(flowli).run_once()
    clock.advance("1h59m")
    assert (await record(flowli, handle.id)).state == State.FAILED
    clock.advance("1m")
    assert await flowli.inspect.get_job(handle.id) is None


UNWRITABLE = {"another type": "text", "no JSON": object(), "surrogate": "\udcff"}


async def test_a_result_that_json_has_no_number_for_is_refused_and_named() -> None:
    @job
    async def ratio() -> float | None:
        return float("nan")

    flowli = runtime(ratio)
    handle = await flowli.use(ratio).enqueue()
    await Runner(flowli).run_once()
    with pytest.raises(JobFailedError, match="failed \\(validation\\): .*it holds NaN or an infinity"):
        await handle.result(timeout=1)


@pytest.mark.parametrize("value", UNWRITABLE.values(), ids=UNWRITABLE.keys())
async def test_a_result_that_cannot_be_written_fails_the_job_without_retries(value: object) -> None:
    @job(max_attempts=5)
    async def wrong() -> int:
        return value  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    flowli = runtime(wrong)
    handle = await flowli.use(wrong).enqueue()
    await Runner(flowli).run_until_idle()
    found = await record(flowli, handle.id)
    assert (found.state, found.reason, found.attempts_made, found.failures) == (
        State.FAILED,
        FailureReason.VALIDATION,
        1,
        0,
    )
    assert found.error is not None
    assert "cannot be serialised by the return annotation" in found.error.message


async def test_waiting_for_a_job_that_fails_raises_what_was_kept() -> None:
    flowli = runtime(boom)
    handle = await flowli.use(boom).enqueue()
    await Runner(flowli).run_once()
    with pytest.raises(JobFailedError, match="failed \\(attempts\\): LookupError: x") as caught:
        await handle.result(timeout=1)
    assert caught.value.record.reason == FailureReason.ATTEMPTS


async def test_whoever_waits_is_woken_when_the_job_ends() -> None:
    flowli = runtime(place)
    async with Runner(flowli, poll_interval="1h"):
        handle = await flowli.use(place).enqueue(3)
        assert await handle.result(timeout=20) == Point(3, 2)
