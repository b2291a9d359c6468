"""One tick of a runner: what `run_once` and `run_until_idle` execute, and what they leave."""

from __future__ import annotations

import asyncio

import pytest

from flowli import Flowli, Runner, StrategyError, ValidationError, current_attempt, job
from flowli.events import JobFailed
from flowli_memory import ManualClock, MemoryDriver
from tests.core.runner_kit import lost_runner, raw_job, record, runtime, store_raw

pytestmark = pytest.mark.anyio


@job
async def echo(text: str) -> str:
    return text


@job
async def chain(left: int) -> None:
    """Enqueue a follow-up as long as something is left."""
    if left:
        await current_attempt().use(chain).enqueue(left - 1)


async def test_run_once_says_how_many_attempts_it_executed() -> None:
    flowli = runtime(echo)
    await flowli.use(echo).enqueue_many(["a", "b", "c"])
    assert [await Runner(flowli).run_once(), await Runner(flowli).run_once()] == [3, 0]


async def test_run_once_leaves_follow_ups_for_the_next_call() -> None:
    flowli = runtime(chain)
    await flowli.use(chain).enqueue(2)
    runner = Runner(flowli)
    assert [await runner.run_once() for _ in range(4)] == [1, 1, 1, 0]


async def test_run_until_idle_executes_follow_ups_too() -> None:
    flowli = runtime(chain)
    await flowli.use(chain).enqueue(4)
    assert await Runner(flowli).run_until_idle() == 5


async def test_run_until_idle_goes_on_where_a_whole_tick_executed_nothing() -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock)
    await store_raw(flowli, raw_job("bad", body=b"5"))
    runner = Runner(flowli)

    @runner.on(JobFailed)
    async def mend(event: JobFailed) -> None:
        await flowli.use(echo).enqueue("mended")

    assert await runner.run_until_idle() == 1


async def test_run_once_executes_what_is_due_at_this_very_instant_and_nothing_later() -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock)
    due = await flowli.use(echo).delay("10m", "due")
    later = await flowli.use(echo).delay("10m1s", "later")
    assert await Runner(flowli).run_once() == 0
    clock.advance("10m")
    assert await Runner(flowli).run_once() == 1
    assert [(await record(flowli, one.id)).state for one in (due, later)] == ["completed", "scheduled"]


async def test_run_once_hands_back_what_lapsed_and_executes_it() -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock)
    handle = await flowli.use(echo).enqueue("x")
    await lost_runner(flowli, clock)
    assert await Runner(flowli).run_once() == 1
    assert await handle.result(timeout=1) == "x"


async def test_run_once_fires_a_schedule_and_executes_its_job() -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock)
    await flowli.use(echo).schedule("@daily", "x", key="daily")
    assert await Runner(flowli).run_once() == 0
    clock.advance("1d")
    assert await Runner(flowli).run_once() == 1


async def test_max_jobs_per_tick_bounds_run_once_alone() -> None:
    flowli = runtime(echo)
    await flowli.use(echo).enqueue_many([str(n) for n in range(7)])
    runner = Runner(flowli, max_jobs_per_tick=3)
    assert [await runner.run_once(), await runner.run_until_idle()] == [3, 4]


@pytest.mark.slow
async def test_more_jobs_than_one_claim_leases_are_all_executed_in_one_call() -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock)
    await flowli.use(echo).enqueue_many([str(n) for n in range(700)])
    for n in range(3):
        await flowli.use(echo).delay("1s", str(n))
    clock.advance("1s")
    assert await Runner(flowli, concurrency=1_000).run_once() == 703


@pytest.mark.slow
async def test_more_delayed_jobs_than_one_promotion_moves_are_all_executed_in_one_call() -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock)
    for n in range(1_100):
        await flowli.use(echo).delay("1s", str(n), result_ttl="0s")
    clock.advance("1s")
    assert await Runner(flowli).run_once() == 1_100


async def test_more_lapsed_leases_than_one_call_recovers_are_all_executed() -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock)
    await flowli.use(echo).enqueue_many([str(n) for n in range(450)], result_ttl="0s")
    await lost_runner(flowli, clock)
    assert await Runner(flowli).run_once() == 450


@pytest.mark.parametrize("bound", [1, 3])
async def test_no_more_handlers_run_at_once_than_concurrency_allows(bound: int) -> None:
    running = most = 0

    @job
    async def watch() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running -= 1

    flowli = runtime(watch)
    for _ in range(10):
        await flowli.use(watch).enqueue()
    assert await Runner(flowli, concurrency=bound).run_once() == 10
    assert most == bound


async def test_named_queues_are_served_in_the_order_given() -> None:
    order: list[str] = []

    @job
    async def note(text: str) -> None:
        order.append(text)

    flowli = runtime(note)
    for queue in ("low", "high", "other"):
        for n in range(2):
            await flowli.use(note).enqueue(f"{queue}{n}", queue=queue)
    assert await Runner(flowli, queues=["high", "low"], concurrency=1).run_until_idle() == 4
    assert order == ["high0", "high1", "low0", "low1"]


async def test_without_names_every_queue_is_served() -> None:
    flowli = runtime(echo)
    for queue in ("a", "b", "c"):
        await flowli.use(echo).enqueue("x", queue=queue)
    assert await Runner(flowli, concurrency=1).run_once() == 3


async def test_a_started_runner_refuses_ticks() -> None:
    flowli = runtime(echo)
    async with Runner(flowli) as runner:
        for call in (runner.run_once, runner.run_until_idle, runner.start):
            with pytest.raises(StrategyError, match="at work already"):
                await call()
        assert runner.running


async def test_two_ticks_of_one_runner_at_once_are_refused() -> None:
    flowli = runtime(echo)
    runner = Runner(flowli)
    outcomes = await asyncio.gather(runner.run_once(), runner.run_once(), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, StrategyError]


async def test_two_starts_at_once_make_one_runner() -> None:
    flowli = runtime(echo)
    runner = Runner(flowli)
    outcomes = await asyncio.gather(runner.start(), runner.start(), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), StrategyError]
    await runner.stop()
    assert not runner.running


async def test_a_tick_that_is_cancelled_hands_its_jobs_back_at_once() -> None:
    clock = ManualClock()
    began = asyncio.Event()

    @job
    async def slow() -> None:
        began.set()
        await asyncio.Event().wait()

    flowli = runtime(slow, clock=clock)
    handle = await flowli.use(slow).enqueue()
    tick = asyncio.create_task(Runner(flowli).run_once())
    await asyncio.wait_for(began.wait(), 20)
    tick.cancel()
    with pytest.raises(asyncio.CancelledError):
        await tick
    found = await record(flowli, handle.id)
    assert (found.state, found.failures, found.deliveries, found.attempts_made) == ("queued", 0, 0, 1)


async def test_a_runner_serves_one_event_loop_after_the_other() -> None:
    driver = MemoryDriver()
    flowli = runtime(echo, driver=driver)
    runner = Runner(flowli)

    async def once() -> int:
        await flowli.use(echo).enqueue("x")
        return await runner.run_once()

    assert [await asyncio.to_thread(asyncio.run, once()) for _ in range(2)] == [1, 1]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"concurrency": 0}, "concurrency is a whole number"),
        ({"concurrency": True}, "concurrency is a whole number"),
        ({"max_jobs_per_tick": 0}, "max_jobs_per_tick is a whole number"),
        ({"lease": "50ms"}, "lease is at least 0.1s"),
        ({"poll_interval": "0s"}, "poll_interval is at least"),
        ({"queues": ["a b"]}, "a queue name"),
        ({"queues": "default"}, "queues is a list with at least one name"),
        ({"queues": []}, "queues is a list with at least one name"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        Runner(runtime(echo), **options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_runner_needs_a_driver() -> None:
    with pytest.raises(StrategyError, match="A runner cannot work without a driver"):
        Runner(Flowli(context=None, jobs=[echo]))


def test_two_runners_have_two_ids() -> None:
    flowli = runtime(echo)
    assert Runner(flowli).id != Runner(flowli).id
