"""Handles of persisted jobs: results, errors, waiting, reading and cancelling."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from flowli import (
    Flowli,
    Job,
    JobCancelledError,
    JobFailedError,
    JobHandle,
    JobNotFoundError,
    Runner,
    ValidationError,
    job,
)
from flowli_memory import ManualClock, MemoryDriver
from tests.core.work import App, Email, Point, app, finished, on_clock
from tests.support.polling import eventually

pytestmark = pytest.mark.anyio


class Report(BaseModel):
    points: list[tuple[int, int]]
    at: datetime


@job
async def report() -> Report:
    return Report(points=[(1, 2)], at=datetime(2031, 1, 1, tzinfo=UTC))


@job
async def union(number: int) -> int | None:
    return number or None


def test_a_handle_from_an_id_says_nothing_that_it_does_not_know() -> None:
    handle = app().echo.handle("one")

    assert (handle.id, handle.name, handle.state, handle.scheduled_for) == ("one", "echo", None, None)
    assert (handle.attempts_made, handle.deduplicated) == (0, False)
    assert repr(handle) == "<JobHandle echo one unknown>"


def test_a_handle_from_what_is_no_id_is_refused() -> None:
    with pytest.raises(ValidationError, match="an id has 1 to 200 bytes"):
        app().echo.handle("")


async def test_a_result_comes_back_as_the_type_that_the_handler_declares() -> None:
    flowli = Flowli(context=None, jobs=[report, union], driver=MemoryDriver())
    made, some, none = (
        await flowli.use(report).enqueue(),
        await flowli.use(union).enqueue(3),
        await flowli.use(union).enqueue(0),
    )
    await Runner(flowli).run_once()

    assert await made.result() == Report(points=[(1, 2)], at=datetime(2031, 1, 1, tzinfo=UTC))
    assert (await some.result(), await none.result()) == (3, None)


async def test_models_and_dataclasses_come_back_as_themselves() -> None:
    flowli = app()
    mail, point = await flowli.send.enqueue(Email(to="a")), await flowli.move.enqueue(Point(1, 2))
    await Runner(flowli).run_once()

    assert await mail.result() == Email(to="a")
    assert await point.result() == Point(2, 2)


async def test_a_result_may_be_had_again_and_from_an_id_alone() -> None:
    flowli = app()
    handle = await finished(flowli, flowli.echo.job)

    assert [await handle.result(), await handle.result(), await flowli.echo.handle(handle.id).result()] == ["x"] * 3


async def test_a_handle_keeps_what_its_call_was_told() -> None:
    flowli = app()
    handle = await finished(flowli, flowli.echo.job)

    assert (handle.state, handle.attempts_made) == ("queued", 0)
    record = await handle.record()
    assert (record.state, record.attempts_made, record.result_json) == ("completed", 1, b'"x"')


@pytest.mark.parametrize("timeout", [0.01, "10ms", timedelta(milliseconds=10)])
async def test_a_wait_ends_with_a_timeout_error_and_the_job_goes_on(timeout: Any) -> None:
    flowli = app()
    handle = await flowli.echo.enqueue("x")

    with pytest.raises(TimeoutError, match=rf"Job 'echo' \({handle.id}\) did not end within 0\.01s\. It goes on"):
        await handle.result(timeout=timeout)
    await Runner(flowli).run_once()
    assert await handle.result(timeout=20) == "x"


async def test_a_wait_of_no_time_asks_once() -> None:
    flowli = app()
    handle = await flowli.echo.enqueue("x")

    with pytest.raises(TimeoutError):
        await handle.result(timeout=0)
    await Runner(flowli).run_once()
    assert await handle.result(timeout=0) == "x"


@pytest.mark.parametrize("timeout", [-1, float("inf"), float("nan"), True, "soon", timedelta(seconds=-1)])
async def test_a_timeout_that_means_nothing_is_refused(timeout: Any) -> None:
    with pytest.raises(ValidationError, match="timeout"):
        await (await app().echo.enqueue("x")).result(timeout=timeout)


async def test_a_wait_that_is_over_leaves_no_task_behind() -> None:
    flowli = app()
    before = asyncio.all_tasks()

    with pytest.raises(TimeoutError):
        await (await flowli.echo.enqueue("x")).result(timeout=0.01)

    async def alone() -> bool:
        return asyncio.all_tasks() == before

    assert await eventually(alone, what="the end of the watching task")


async def test_many_handles_wait_at_once_and_each_gets_its_own() -> None:
    flowli = app()
    handles = await flowli.echo.enqueue_many([f"{at}" for at in range(50)])
    waits = [asyncio.create_task(handle.result(timeout=20)) for handle in handles]
    also = asyncio.create_task(handles[7].result(timeout=20))
    await asyncio.sleep(0)

    assert await Runner(flowli).run_until_idle() == 50
    assert await asyncio.gather(*waits) == [f"{at}" for at in range(50)]
    assert await also == "7"


async def test_a_wait_that_is_cancelled_does_not_disturb_the_others() -> None:
    flowli = app()
    handle = await flowli.echo.enqueue("x")
    one, other = (asyncio.create_task(handle.result(timeout=20)) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.wait({one})

    await Runner(flowli).run_once()
    assert one.cancelled() and await other == "x"


async def test_a_wait_begins_before_the_end_of_another_one() -> None:
    flowli = app()
    first, second = await flowli.echo.enqueue("1"), await flowli.echo.enqueue("2", queue="later")
    late = asyncio.create_task(second.result(timeout=20))
    await asyncio.sleep(0)

    await Runner(flowli, queues=["default"]).run_once()
    assert await first.result() == "1"
    assert not late.done()
    await Runner(flowli).run_once()
    assert await late == "2"


async def test_a_failed_job_raises_with_its_error_as_text_and_its_record() -> None:
    flowli = app()
    handle = await flowli.boom.enqueue("no such thing")
    await Runner(flowli).run_once()

    with pytest.raises(JobFailedError) as failed:
        await handle.result()
    error = failed.value
    assert str(error) == f"Job 'boom' ({handle.id}) failed (attempts): LookupError: no such thing"
    assert (error.error.type, error.error.message, error.error.code) == ("LookupError", "no such thing", None)
    assert error.error.traceback is not None and "in boom" in error.error.traceback
    assert (error.record.state, error.record.reason, error.record.failures) == ("failed", "attempts", 1)
    assert error.record == await handle.record()


async def test_a_job_that_cancelled_itself_raises_that_it_was_cancelled_and_why() -> None:
    flowli = app()
    handle = await flowli.give_up.enqueue()
    await Runner(flowli).run_once()

    with pytest.raises(JobCancelledError, match=rf"^Job 'give_up' \({handle.id}\) was cancelled: not needed any more$"):
        await handle.result()
    error = (await handle.record()).error
    assert error is not None
    assert error.message == "not needed any more"


async def test_a_job_that_keeps_nothing_has_no_result_and_no_record() -> None:
    flowli = app()
    handle = await flowli.echo.enqueue("x", result_ttl="0s")
    await Runner(flowli).run_once()

    with pytest.raises(JobNotFoundError, match=r"nothing was to be kept \(result_ttl='0s'\)"):
        await handle.result()
    with pytest.raises(JobNotFoundError, match=rf"There is no record of job 'echo' \({handle.id}\)"):
        await handle.record()


async def test_a_wait_under_way_hears_that_nothing_was_kept() -> None:
    flowli = app()
    handle = await flowli.echo.enqueue("x", result_ttl="0s")
    wait = asyncio.create_task(handle.result(timeout=20))
    await asyncio.sleep(0)
    await Runner(flowli).run_once()

    with pytest.raises(JobNotFoundError):
        await wait


async def test_a_record_is_gone_when_its_retention_has_passed() -> None:
    clock = ManualClock()
    flowli = on_clock(clock)
    handle = await finished(flowli, flowli.echo.job)
    clock.advance("59m59s")
    assert await handle.result() == "x"

    clock.advance("1s")
    with pytest.raises(JobNotFoundError):
        await handle.result()
    assert await flowli.inspect.get_job(handle.id) is None


async def test_an_id_that_nobody_used_is_not_found() -> None:
    with pytest.raises(JobNotFoundError):
        await app().echo.handle("nobody").result()
    with pytest.raises(JobNotFoundError):
        await app().echo.handle("nobody").record()
    assert await app().echo.handle("nobody").cancel() is False


async def test_a_stored_result_that_is_of_another_type_by_now_is_refused_without_it() -> None:
    async def old(number: int) -> str:
        return "canary"

    async def new(number: int) -> int:
        return number

    first: Job[object, int, None, str] = Job(old, name="job")
    second: Job[object, int, None, int] = Job(new, name="job")
    driver = MemoryDriver()
    handle = await Flowli(context=None, jobs=[first], driver=driver).use(first).enqueue(1)
    await Runner(Flowli(context=None, jobs=[first], driver=driver)).run_once()

    with pytest.raises(ValidationError, match="its stored result does not validate") as refused:
        await Flowli(context=None, jobs=[second], driver=driver).use(second).handle(handle.id).result()
    assert "canary" not in str(refused.value)


async def delayed(flowli: App) -> JobHandle[str]:
    return await flowli.echo.delay("1h", "x")


async def queued(flowli: App) -> JobHandle[str]:
    return await flowli.echo.enqueue("x")


@pytest.mark.parametrize("made", [delayed, queued])
async def test_cancelling_what_waits_ends_it_at_once(made: Any) -> None:
    flowli = app()
    handle: JobHandle[str] = await made(flowli)

    assert await handle.cancel() is True
    assert (await handle.record()).state == "cancelled"
    assert await Runner(flowli).run_until_idle() == 0
    with pytest.raises(JobCancelledError):
        await handle.result()
    assert await handle.cancel() is False


async def test_a_cancelled_record_is_kept_as_long_as_a_completed_one() -> None:
    clock = ManualClock()
    flowli = on_clock(clock)
    handle = await flowli.echo.enqueue("x")
    await handle.cancel()
    clock.advance("59m59s")
    assert (await handle.record()).state == "cancelled"

    clock.advance("1s")
    assert await flowli.inspect.get_job(handle.id) is None


@pytest.mark.parametrize("name", ["echo", "boom"])
async def test_cancelling_what_is_over_changes_nothing(name: str) -> None:
    flowli: Any = app()
    handle = await getattr(flowli, name).enqueue("x")
    await Runner(flowli).run_once()
    before = await handle.record()

    assert await handle.cancel() is False
    assert await handle.record() == before


async def test_cancelling_what_runs_asks_its_handler_to_stop() -> None:
    began = asyncio.Event()

    async def for_ever() -> None:
        began.set()
        await asyncio.Event().wait()

    made: Job[object, None, None, None] = Job(for_ever)
    flowli = Flowli(context=None, jobs=[made], driver=MemoryDriver())
    handle = await flowli.use(made).enqueue()
    async with Runner(flowli, lease="1s"):
        await began.wait()
        assert await handle.cancel() is True
        with pytest.raises(JobCancelledError):
            await handle.result(timeout=20)


async def test_control_cancels_by_id() -> None:
    flowli = app()
    handle = await flowli.echo.enqueue("x")

    assert await flowli.control.cancel(handle.id) is True
    assert await flowli.control.cancel(handle.id) is False
    assert await flowli.control.cancel("nobody") is False
    assert (await handle.record()).state == "cancelled"
