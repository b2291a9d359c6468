"""Concurrent enqueues share calls of the driver, and nothing else: each caller has its own outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from flowli import Defaults, DriverUnavailable, EnqueueUnknown, Flowli, JobHandle, Limits, QueueFull, Runner
from flowli.driver import Enqueued, Millis, NewJob, Turn
from flowli.errors import NotDurable
from flowli.records import State
from flowli_memory import MemoryDriver
from tests.core.runner_kit import driver_of, runtime, until
from tests.core.work import App, app, echo

pytestmark = pytest.mark.anyio


class Gated(MemoryDriver):
    """Writes down each call of `enqueue`, lets it pass when `gate` is set, and fails it as `plan` says: an error, and
    whether the call does its work all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[list[str], Turn | None]] = []
        self.gate = asyncio.Event()
        self.plan: list[tuple[Exception, bool] | None] = []

    @property
    def sizes(self) -> list[int]:
        return [len(ids) for ids, _ in self.calls]

    async def enqueue(
        self, jobs: Sequence[NewJob], *, turn: Turn | None = None, now: Millis | None = None
    ) -> Sequence[Enqueued]:
        self.calls.append(([job.id for job in jobs], turn))
        await self.gate.wait()
        fault, works = (self.plan.pop(0) if self.plan else None) or (None, True)
        outcomes = await super().enqueue(jobs, turn=turn, now=now) if works else ()
        if isinstance(fault, NotDurable):
            fault.outcomes = tuple(outcomes)
        if fault is not None:
            raise fault
        return outcomes


@pytest.fixture
def driver() -> Gated:
    return Gated()


@pytest.fixture
def flowli(driver: Gated) -> App:
    return app(driver=driver)


async def begin(driver: Gated, flowli: App, count: int) -> list[asyncio.Task[JobHandle[str]]]:
    """Callers 0 to count - 1, in this order; the first is under way and the others wait behind it."""
    tasks = [asyncio.create_task(flowli.echo.enqueue(str(number), id=f"job-{number}")) for number in range(count)]
    await until(lambda: driver.calls)
    return tasks


async def test_the_first_goes_at_once_and_the_others_travel_together(driver: Gated, flowli: App) -> None:
    tasks = await begin(driver, flowli, 10)
    assert driver.sizes == [1], "nobody waits for company"
    driver.gate.set()
    handles = await asyncio.gather(*tasks)
    assert driver.sizes == [1, 9]
    assert [handle.id for handle in handles] == [f"job-{number}" for number in range(10)]


async def test_one_after_the_other_they_go_alone(driver: Gated, flowli: App) -> None:
    driver.gate.set()
    for number in range(5):
        await flowli.echo.enqueue("x", id=f"job-{number}")
    assert driver.sizes == [1] * 5


async def test_the_order_of_callers_is_the_order_of_the_queue(driver: Gated, flowli: App) -> None:
    tasks = await begin(driver, flowli, 50)
    driver.gate.set()
    await asyncio.gather(*tasks)
    stored = await (await driver_of(flowli)).list_jobs(State.QUEUED, queue="default", limit=100)
    assert [job.id for job in stored.items] == [f"job-{number}" for number in range(50)]


async def test_a_cancelled_caller_that_was_not_sent_yet_stores_nothing(driver: Gated, flowli: App) -> None:
    tasks = await begin(driver, flowli, 3)
    tasks[1].cancel()
    driver.gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [ids for ids, _ in driver.calls] == [["job-0"], ["job-2"]]
    assert tasks[1].cancelled() and tasks[2].result().id == "job-2"


async def test_a_cancelled_caller_harms_none_of_those_that_travel_with_it(driver: Gated, flowli: App) -> None:
    tasks = await begin(driver, flowli, 3)
    driver.gate.set()
    await tasks[0]
    driver.gate.clear()
    await until(lambda: driver.sizes == [1, 2])
    tasks[1].cancel()
    driver.gate.set()
    assert (await tasks[2]).id == "job-2"
    assert driver.sizes == [1, 2], "they were sent once"


async def test_when_the_first_is_cancelled_the_others_go_on(driver: Gated, flowli: App) -> None:
    tasks = await begin(driver, flowli, 3)
    tasks[0].cancel()
    driver.gate.set()
    handles = await asyncio.gather(*tasks[1:])
    assert [handle.id for handle in handles] == ["job-1", "job-2"]
    assert (await flowli.echo.enqueue("later", id="later")).id == "later"


async def test_each_caller_of_a_full_store_has_an_error_of_its_own(driver: Gated, flowli: App) -> None:
    driver.plan = [None, (QueueFull("it is full"), False)]
    tasks = await begin(driver, flowli, 4)
    driver.gate.set()
    first, *others = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(first, JobHandle)
    assert [type(error) for error in others] == [QueueFull] * 3
    assert len({id(error) for error in others}) == 3, "an exception that tasks share grows the traceback of all"


async def test_a_lost_reply_names_to_each_caller_its_own_job(
    driver: Gated, flowli: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowli.coalescing.PATIENCE", 0.0)
    driver.plan = [None, (DriverUnavailable("it is gone", maybe_written=True), True)]
    tasks = await begin(driver, flowli, 3)
    driver.gate.set()
    _, *errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert [error.job_ids for error in errors if isinstance(error, EnqueueUnknown)] == [("job-1",), ("job-2",)]


async def test_a_store_that_is_away_is_told_to_each_caller(
    driver: Gated, flowli: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowli.coalescing.PATIENCE", 0.0)
    driver.plan = [None, (DriverUnavailable("it is away"), False)]
    tasks = await begin(driver, flowli, 3)
    driver.gate.set()
    _, *errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(error) for error in errors] == [DriverUnavailable] * 2
    assert len({id(error) for error in errors}) == 2
    assert driver.sizes == [1, 2], "nothing is sent for those who were told that nothing was written"


async def test_a_lost_reply_is_asked_for_again_under_the_same_turn_with_the_same_jobs(
    driver: Gated, flowli: App
) -> None:
    flowli = App(context=flowli.__flowli__.context.value, driver=driver, defaults=Defaults(result_ttl="0s"))
    driver.plan = [None, (DriverUnavailable("lost", maybe_written=True), True)]
    tasks = await begin(driver, flowli, 3)
    driver.gate.set()
    handles = await asyncio.gather(*tasks)
    assert driver.calls[1] == driver.calls[2] and driver.calls[1][1] is not None
    assert [handle.deduplicated for handle in handles] == [False] * 3, "the turn says what became of them"


async def test_a_call_that_may_be_written_is_repeated_whole_after_a_caller_gave_up(driver: Gated, flowli: App) -> None:
    lost = (DriverUnavailable("lost", maybe_written=True), True)
    driver.plan = [None, lost]
    tasks = await begin(driver, flowli, 3)
    driver.gate.set()
    await tasks[0]
    driver.gate.clear()
    await until(lambda: driver.sizes == [1, 2])
    tasks[1].cancel()
    driver.gate.set()
    await tasks[2]
    assert driver.calls[1][0] == driver.calls[2][0] == ["job-1", "job-2"]


async def test_a_caller_that_was_stored_but_not_durably_hears_of_its_own_job(driver: Gated, flowli: App) -> None:
    driver.plan = [None, (NotDurable("too few replicas", outcomes=()), True)]
    tasks = await begin(driver, flowli, 3)
    driver.gate.set()
    _, *errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert [[one.id for one in error.outcomes] for error in errors if isinstance(error, NotDurable)] == [
        ["job-1"],
        ["job-2"],
    ]


async def test_a_call_carries_no_more_than_a_store_takes_in_one_step(driver: Gated, flowli: App) -> None:
    limits = Limits(payload_bytes=500_000)
    flowli = App(context=flowli.__flowli__.context.value, driver=driver, limits=limits)
    text = "x" * 400_000
    tasks = [asyncio.create_task(flowli.echo.enqueue(text)) for _ in range(6)]
    tasks += [asyncio.create_task(flowli.echo.enqueue("small")) for _ in range(1_200)]
    await until(lambda: driver.calls)
    driver.gate.set()
    await asyncio.gather(*tasks)
    assert driver.sizes == [1, 2, 2, 500, 500, 201], "at most 1 MB, and at most 500 jobs"


def test_two_loops_have_nothing_to_do_with_each_other() -> None:
    flowli = runtime(echo)

    async def many() -> set[str]:
        return {handle.id for handle in await asyncio.gather(*[flowli.use(echo).enqueue("x") for _ in range(20)])}

    one, two = asyncio.run(many()), asyncio.run(many())
    assert len(one | two) == 40
    assert asyncio.run(Runner(flowli).run_until_idle()) == 40


def test_a_loop_that_ends_with_callers_under_way_leaves_the_next_one_alone(driver: Gated) -> None:
    flowli: Flowli[None] = runtime(echo, driver=driver)

    async def abandon() -> None:
        for _ in range(5):
            asyncio.create_task(flowli.use(echo).enqueue("x")).add_done_callback(lambda _: None)
        await until(lambda: driver.calls)

    async def enqueue() -> str | None:
        driver.gate = asyncio.Event()
        driver.gate.set()
        return (await flowli.use(echo).enqueue("y", id="y")).id

    asyncio.run(abandon())
    assert asyncio.run(enqueue()) == "y"
