"""Runners that are lost and leases that lapse: re-delivery, poison, stale runners, renewals, self-fencing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from flowli import Defaults, Runner, current_attempt, job
from flowli.driver import Hold, Millis, Renewal, Settlement
from flowli.events import LeaseRecovered
from flowli.records import FailureReason, State
from flowli_memory import ManualClock, MemoryDriver
from tests.core.runner_kit import (
    DeafTwin,
    bare_lease,
    block_the_thread,
    driver_of,
    hearing,
    lost_runner,
    record,
    runtime,
    until,
)

pytestmark = pytest.mark.anyio


@job
async def echo(text: str) -> str:
    return text


async def test_a_job_whose_runner_is_lost_is_delivered_again_and_the_start_is_counted() -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock)
    handle = await flowli.use(echo).enqueue("x")
    await lost_runner(flowli, clock)
    assert await Runner(flowli).run_once() == 1
    found = await record(flowli, handle.id)
    assert (found.state, found.attempts_made, found.failures, found.deliveries) == (State.COMPLETED, 2, 0, 1)


async def test_a_lease_that_has_not_lapsed_stands() -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock)
    await flowli.use(echo).enqueue("x")
    await bare_lease(flowli)
    clock.advance("29s999ms")
    assert await Runner(flowli).run_once() == 0
    clock.advance("1ms")
    assert await Runner(flowli).run_once() == 1


async def test_a_recovery_is_an_event() -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock)
    handle = await flowli.use(echo).enqueue("x")
    await lost_runner(flowli, clock)
    runner = Runner(flowli)
    heard = hearing(runner, LeaseRecovered)
    await runner.run_once()
    assert heard == [LeaseRecovered(job_id=handle.id, job_name="echo", deliveries=1)]


async def test_a_job_that_loses_its_runner_too_often_is_poison_and_not_called_again() -> None:
    clock = ManualClock()
    calls: list[int] = []

    @job
    async def deadly() -> None:
        calls.append(1)

    flowli = runtime(deadly, clock=clock, defaults=Defaults(max_deliveries=3, max_attempts=9))
    handle = await flowli.use(deadly).enqueue()
    await lost_runner(flowli, clock, times=3)
    assert await Runner(flowli).run_once() == 0
    found = await record(flowli, handle.id)
    assert (found.state, found.reason, found.attempts_made, found.failures, calls) == (
        State.FAILED,
        FailureReason.POISON,
        3,
        0,
        [],
    )


async def test_one_loss_fewer_than_max_deliveries_is_executed() -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock, defaults=Defaults(max_deliveries=3))
    await flowli.use(echo).enqueue("x")
    await lost_runner(flowli, clock, times=2)
    assert await Runner(flowli).run_once() == 1


async def test_the_number_and_the_token_of_an_attempt_grow() -> None:
    clock = ManualClock()
    seen: list[tuple[int, int]] = []

    @job(max_attempts=2)
    async def look() -> None:
        attempt = current_attempt()
        seen.append((attempt.number, attempt.token or 0))
        raise LookupError

    flowli = runtime(look, clock=clock)
    await flowli.use(look).enqueue()
    await Runner(flowli).run_once()
    clock.advance("10m")
    await lost_runner(flowli, clock)
    await Runner(flowli).run_once()
    assert [number for number, _ in seen] == [1, 3]
    assert 0 < seen[0][1] < seen[1][1]


async def test_a_runner_whose_job_was_taken_over_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    other_done = asyncio.Event()

    @job
    async def slow() -> str:
        clock.advance("31s")
        [lease] = await bare_lease(flowli)
        memo = b'{"a":2,"x":1}\n"by the other"'
        settlement = Settlement(lease.id, lease.queue, lease.token, State.COMPLETED, memo, keep_for=Millis(60_000))
        await (await driver_of(flowli)).exchange([settlement])
        other_done.set()
        return "by the stale one"

    flowli = runtime(slow, clock=clock)
    handle = await flowli.use(slow).enqueue()
    runner = Runner(flowli)
    heard = hearing(runner)
    assert await runner.run_once() == 1
    assert other_done.is_set()
    assert await handle.result(timeout=1) == "by the other"
    assert [type(event).__name__ for event in heard] == ["JobStarted"]
    assert "its lease was lost, the outcome of attempt 1 is refused" in caplog.text


async def test_the_handler_of_a_lost_lease_is_cancelled() -> None:
    clock = ManualClock()
    ended: list[str] = []
    began = asyncio.Event()

    @job
    async def slow() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    flowli = runtime(slow, clock=clock)
    handle = await flowli.use(slow).enqueue()
    tick = asyncio.create_task(Runner(flowli, lease="1s").run_once())
    await asyncio.wait_for(began.wait(), 20)
    clock.advance("1s")
    [lease] = await bare_lease(flowli)
    assert await asyncio.wait_for(tick, 20) == 1
    found = await record(flowli, handle.id)
    assert (ended, found.state, found.token) == (["cancelled"], State.ACTIVE, lease.token)


@pytest.mark.slow
async def test_a_handler_that_blocks_its_loop_keeps_its_lease() -> None:
    calls: list[int] = []
    over = threading.Event()

    async def rival() -> None:
        async with Runner(runtime(block, driver=driver.twin()), lease="300ms", poll_interval="20ms"):
            await asyncio.to_thread(over.wait, 20)

    beside = threading.Thread(target=lambda: asyncio.run(rival()))

    @job
    async def block() -> str:
        calls.append(1)
        if not beside.is_alive():
            beside.start()
        block_the_thread(1.0)
        return "done"

    driver = MemoryDriver()
    flowli = runtime(block, driver=driver)
    handle = await flowli.use(block).enqueue()
    async with Runner(flowli, lease="300ms"):
        assert await handle.result(timeout=20) == "done"
    over.set()
    await asyncio.to_thread(beside.join)
    found = await record(flowli, handle.id)
    assert (calls, found.attempts_made, found.deliveries) == ([1], 1, 0)


@pytest.mark.slow
async def test_what_ended_while_its_neighbour_blocks_the_loop_keeps_its_lease_until_it_is_settled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A soak found it: the handler was over, its outcome could not be sent, and its lease was renewed no more."""
    calls: list[str] = []
    over = threading.Event()

    async def rival() -> None:
        async with Runner(runtime(brief, driver=driver.twin()), lease="300ms", poll_interval="20ms"):
            await asyncio.to_thread(over.wait, 20)

    beside = threading.Thread(target=lambda: asyncio.run(rival()))

    @job
    async def brief() -> str:
        calls.append("brief")
        return "done"

    @job
    async def block() -> None:
        beside.start()
        block_the_thread(1.0)

    driver = MemoryDriver()
    flowli = runtime(brief, block, driver=driver)
    handle = await flowli.use(brief).enqueue()
    await flowli.use(block).enqueue()
    async with Runner(flowli, lease="300ms"):
        assert await handle.result(timeout=20) == "done"
    over.set()
    await asyncio.to_thread(beside.join)
    found = await record(flowli, handle.id)
    assert (calls, found.attempts_made, found.deliveries) == (["brief"], 1, 0)
    assert "was lost" not in caplog.text


@pytest.mark.slow
async def test_a_runner_that_cannot_renew_stops_its_handler_and_settles_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    story: list[str] = []

    @job
    async def slow() -> None:
        story.append("began")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            story.append("stopped")
            raise

    flowli = runtime(slow, driver=DeafTwin())
    handle = await flowli.use(slow).enqueue()
    async with Runner(flowli, lease="300ms", concurrency=1) as runner:

        @runner.on(LeaseRecovered)
        def hear(event: LeaseRecovered) -> None:
            story.append(type(event).__name__)

        await until(lambda: "LeaseRecovered" in story, "the job is recovered")
    assert story[:3] == ["began", "stopped", "LeaseRecovered"]
    assert (await record(flowli, handle.id)).failures == 0
    assert "could not be renewed in time; its handler is stopped" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("error", [RuntimeError("a defect of the client"), asyncio.CancelledError()])
async def test_a_renewal_that_breaks_in_an_unforeseen_way_does_not_end_the_renewals(error: BaseException) -> None:
    began = asyncio.Event()
    release = asyncio.Event()

    class Breaking(MemoryDriver):
        def twin(self) -> MemoryDriver:
            return twin

    class Twin(MemoryDriver):
        broke = 0

        async def renew(
            self, holds: Sequence[Hold], lease_for: Millis | None, *, now: Millis | None = None
        ) -> Sequence[Renewal]:
            self.broke += 1
            if self.broke < 3:
                raise error
            return await super().renew(holds, lease_for, now=now)

    @job
    async def slow() -> str:
        began.set()
        await release.wait()
        return "done"

    driver = Breaking()
    twin = Twin()
    twin._presence = MemoryDriver.twin(driver)._presence  # pyright: ignore[reportPrivateUsage]
    flowli = runtime(slow, driver=driver)
    handle = await flowli.use(slow).enqueue()
    async with Runner(flowli, lease="30s"):
        await asyncio.wait_for(began.wait(), 20)
        await until(lambda: twin.broke > 4, "renewals go on")
        release.set()
        assert await handle.result(timeout=20) == "done"
