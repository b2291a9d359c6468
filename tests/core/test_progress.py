"""What a handler reports and who watches sees: through handles and inspection, on the memory driver."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from flowli import DriverUnavailable, Flowli, JobHandle, Runner, StrategyError, ValidationError, current_attempt, job
from flowli.driver import Ability, Hold, Millis
from flowli.records import Progress
from flowli_memory import MemoryDriver
from tests.core.runner_kit import runtime, until

pytestmark = pytest.mark.anyio


class Steps:
    """Lets a handler take one step after the other, as the test says."""

    def __init__(self) -> None:
        self._goes: asyncio.Queue[tuple[float, str] | None] = asyncio.Queue()

    def say(self, fraction: float, message: str = "") -> None:
        self._goes.put_nowait((fraction, message))

    def end(self) -> None:
        self._goes.put_nowait(None)

    async def work(self) -> str:
        while (step := await self._goes.get()) is not None:
            await current_attempt().progress(*step)
        return "done"


async def collect(handle: JobHandle[str], into: list[Progress]) -> None:
    async for report in handle.progress(every="5ms"):
        into.append(report)  # noqa: PERF401 - the caller looks while they come


def seen(reports: Sequence[Progress]) -> list[tuple[float, str]]:
    return [(report.fraction, report.message) for report in reports]


async def test_who_watches_sees_each_report_and_the_end() -> None:
    steps, reports = Steps(), list[Progress]()
    one = job(name="render")(steps.work)
    flowli = runtime(one)
    handle = await flowli.use(one).enqueue()
    watching = asyncio.create_task(collect(handle, reports))
    async with Runner(flowli):
        for fraction, message in ((0.0, ""), (0.4, "rendering"), (1, "writing")):
            steps.say(fraction, message)
            await until(lambda: reports and reports[-1].message == message, "the report is seen")  # noqa: B023
        found = await flowli.inspect.get_progress(handle.id)
        assert found == reports[-1]
        steps.end()
        assert await handle.result(timeout=20) == "done"
        await asyncio.wait_for(watching, 20)
    assert seen(reports) == [(0.0, ""), (0.4, "rendering"), (1.0, "writing")]
    assert reports[0].reported_at <= reports[-1].reported_at
    assert await flowli.inspect.get_progress(handle.id) is None


async def test_of_many_reports_in_a_row_the_newest_is_kept_in_few_calls() -> None:
    calls: list[int] = []

    class Counting(MemoryDriver):
        async def report(self, notes: Sequence[tuple[Hold, bytes]], *, now: Millis | None = None) -> Sequence[bool]:
            calls.append(len(notes))
            return await super().report(notes, now=now)

    steps, over = list[int](), asyncio.Event()

    @job
    async def eager() -> None:
        for step in range(5_000):
            await current_attempt().progress(step / 5_000, str(step))
        steps.append(5_000)
        await over.wait()

    flowli = runtime(eager, driver=Counting())
    handle = await flowli.use(eager).enqueue()
    async with Runner(flowli):
        await until(lambda: steps, "all is reported")
        async for report in handle.progress(every="5ms"):
            if report.message == "4999":
                break
        over.set()
        await handle.result(timeout=20)
    assert 1 <= len(calls) < 500


async def test_a_handler_in_a_thread_reports_without_awaiting() -> None:
    over = threading.Event()

    @job
    def render() -> str:
        current_attempt().progress(0.5, "half")
        over.wait(20)
        return "done"

    flowli = runtime(render)
    handle = await flowli.use(render).enqueue()
    async with Runner(flowli):
        async for report in handle.progress(every="5ms"):
            assert (report.fraction, report.message) == (0.5, "half")
            over.set()
    assert await handle.result(timeout=20) == "done"


async def test_who_watches_a_job_that_is_over_or_unknown_sees_nothing() -> None:
    @job
    async def brief() -> str:
        return "done"

    flowli = runtime(brief)
    handle = await flowli.use(brief).enqueue()
    await Runner(flowli).run_once()
    reports: list[Progress] = []
    await asyncio.wait_for(collect(handle, reports), 20)
    await asyncio.wait_for(collect(flowli.use(brief).handle("nobody"), reports), 20)
    assert reports == []


async def test_under_run_nothing_is_sent() -> None:
    @job
    async def render() -> str:
        await current_attempt().progress(0.5)
        return "done"

    assert await Flowli(context=None, jobs=[render]).use(render).run() == "done"


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan"), True])
async def test_a_fraction_is_between_0_and_1(fraction: Any) -> None:
    @job
    async def render() -> None:
        await current_attempt().progress(fraction)

    with pytest.raises(ValidationError, match="progress takes a fraction from 0 to 1"):
        await Flowli(context=None, jobs=[render]).use(render).run()


async def test_a_store_that_takes_no_report_fails_no_handler() -> None:
    tried: list[int] = []

    class Mute(MemoryDriver):
        async def report(self, notes: Sequence[tuple[Hold, bytes]], *, now: Millis | None = None) -> Sequence[bool]:
            tried.append(1)
            raise DriverUnavailable("the line is cut")

    @job
    async def render() -> str:
        await current_attempt().progress(0.5)
        return "done"

    flowli = runtime(render, driver=Mute())
    handle = await flowli.use(render).enqueue()
    async with Runner(flowli):
        assert await handle.result(timeout=20) == "done"
        await until(lambda: tried, "the report is tried")


async def test_a_driver_without_the_ability_says_so_to_who_watches_and_not_to_the_handler() -> None:
    class Plain(MemoryDriver):
        @property
        def abilities(self) -> frozenset[Ability]:
            return frozenset()

    @job
    async def render() -> str:
        await current_attempt().progress(0.5)
        return "done"

    flowli = runtime(render, driver=Plain())
    handle = await flowli.use(render).enqueue()
    await Runner(flowli).run_once()
    assert await handle.result() == "done"
    with pytest.raises(StrategyError, match=r"progress\(\) needs a driver with the ability 'progress', which memory"):
        await collect(handle, [])
    with pytest.raises(StrategyError, match="get_progress"):
        await flowli.inspect.get_progress(handle.id)
