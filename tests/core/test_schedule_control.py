"""What operators do to a schedule, and how a definition in code and one in the store come together."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flowli import DefinitionError, Flowli, Runner, Schedule, SchedulingError, job
from flowli.records import ScheduleRecord
from flowli_memory import ManualClock, MemoryDriver
from tests.core.work import App, on_clock

pytestmark = pytest.mark.anyio

NOON = datetime(2031, 5, 6, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@job
async def digest(text: str) -> str:
    return text


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def flowli(clock: ManualClock) -> App:
    return on_clock(clock)


async def record(flowli: Flowli[Any], key: str = "k") -> ScheduleRecord:
    found = await flowli.inspect.get_schedule(key)
    assert found is not None
    return found


async def test_a_paused_schedule_fires_nothing_and_resumes_with_the_next_instant(
    clock: ManualClock, flowli: App
) -> None:
    made = await flowli.tick.schedule("1h", key="k")
    assert await made.pause() is True
    assert (await record(flowli)).is_paused and (await record(flowli)).next_run_at is None
    clock.advance("3h30m")
    assert await Runner(flowli).run_until_idle() == 0
    assert await made.resume() is True
    found = await record(flowli)
    assert (found.is_paused, found.next_run_at) == (False, NOON + 4 * HOUR)
    clock.advance("30m")
    assert await Runner(flowli).run_until_idle() == 1


async def test_a_pause_outlasts_another_definition(clock: ManualClock, flowli: App) -> None:
    await flowli.tick.schedule("1h", key="k")
    await flowli.control.pause(schedule="k")
    await flowli.tick.schedule("2h", key="k")
    clock.advance("5h")
    assert await Runner(flowli).run_until_idle() == 0
    assert (await record(flowli)).when == "2h"


async def test_a_triggered_schedule_makes_one_job_and_keeps_its_rhythm(clock: ManualClock, flowli: App) -> None:
    made = await flowli.echo.schedule("1h", "x", key="k", limit=3)
    clock.advance("10m")
    id = await made.trigger()
    assert id is not None
    assert await Runner(flowli).run_until_idle() == 1
    done = await flowli.inspect.get_job(id)
    assert done is not None and (done.state, done.schedule_key) == ("completed", "k")
    found = await record(flowli)
    assert (found.next_run_at, found.runs, found.last_job_id) == (NOON + HOUR, 0, id)
    assert [run.job_id for run in found.recent] == [id]


async def test_a_paused_schedule_can_be_triggered(flowli: App) -> None:
    made = await flowli.tick.schedule("1h", key="k")
    await made.pause()
    await made.trigger()
    assert await Runner(flowli).run_until_idle() == 1
    assert (await record(flowli)).is_paused


async def test_two_that_trigger_at_once_make_two_jobs(flowli: App) -> None:
    made = await flowli.tick.schedule("1h", key="k")
    ids = await asyncio.gather(*(made.trigger() for _ in range(5)))
    assert len(set(ids)) == 5
    assert await Runner(flowli).run_until_idle() == 5


async def test_the_last_ten_jobs_are_remembered(clock: ManualClock, flowli: App) -> None:
    await flowli.tick.schedule("1h", key="k")
    for _ in range(12):
        clock.advance("1h")
        await Runner(flowli).run_until_idle()
    found = await record(flowli)
    assert [run.instant for run in found.recent] == [NOON + n * HOUR for n in range(3, 13)]
    assert found.runs == 12


async def test_the_next_instants_can_be_looked_at(flowli: App) -> None:
    made = await flowli.tick.schedule("30 8 * * *", key="k", tz="Europe/Berlin")
    first = datetime(2031, 5, 7, 6, 30, tzinfo=UTC)
    assert made.preview(2) == [first, first + 24 * HOUR]
    await made.pause()
    assert await flowli.inspect.get_next_runs("k", limit=2) == [first, first + 24 * HOUR]
    assert await flowli.inspect.get_next_runs("unknown") == []


async def test_what_is_unknown_cannot_be_steered(flowli: App) -> None:
    control = flowli.control
    assert (await control.pause(schedule="no"), await control.resume(schedule="no")) == (False, False)
    assert (await control.trigger("no"), await control.delete(schedule="no")) == (None, False)


async def test_control_acts_by_key(clock: ManualClock, flowli: App) -> None:
    await flowli.tick.schedule("1h", key="k")
    assert await flowli.control.pause(schedule="k") is True
    assert await flowli.control.resume(schedule="k") is True
    assert await flowli.control.trigger("k") is not None
    assert await flowli.control.delete(schedule="k") is True
    assert await flowli.inspect.get_schedule("k") is None


def declaring(driver: MemoryDriver, *schedules: Schedule[None]) -> Flowli[None]:
    return Flowli(context=None, jobs=[digest], driver=driver, schedules=schedules)


async def test_a_declared_schedule_is_in_the_store_once_a_runner_was_there(clock: ManualClock) -> None:
    flowli = declaring(MemoryDriver(clock=clock), Schedule(digest, "0 8 * * *", "x", key="k", tz="Europe/Berlin"))
    assert await flowli.inspect.get_schedule("k") is None
    await Runner(flowli).run_once()
    found = await record(flowli)
    assert (found.name, found.when, found.tz, found.is_declared) == ("digest", "0 8 * * *", "Europe/Berlin", True)
    clock.advance("1d")
    assert await Runner(flowli).run_once() == 1


async def test_entering_the_runtime_declares_too(clock: ManualClock) -> None:
    async with declaring(MemoryDriver(clock=clock), Schedule(digest, "1h", "x", key="k")) as flowli:
        assert (await record(flowli)).is_declared


async def test_another_definition_in_code_is_written_and_a_pause_stays(clock: ManualClock) -> None:
    driver = MemoryDriver(clock=clock)
    await Runner(declaring(driver, Schedule(digest, "1h", "x", key="k"))).run_once()
    second = declaring(driver, Schedule(digest, "2h", "x", key="k"))
    await second.control.pause(schedule="k")
    await Runner(second).run_once()
    found = await record(second)
    assert (found.when, found.is_paused) == ("2h", True)


async def test_what_an_operator_put_under_the_key_stays_until_the_code_changes(clock: ManualClock) -> None:
    driver = MemoryDriver(clock=clock)
    flowli = declaring(driver, Schedule(digest, "1h", "x", key="k"))
    await Runner(flowli).run_once()
    await flowli.use(digest).schedule("10m", "y", key="k")
    await Runner(flowli).run_once()
    assert (await record(flowli)).when == "10m"
    changed = declaring(driver, Schedule(digest, "1h", "z", key="k"))
    await Runner(changed).run_once()
    assert ((await record(changed)).when, (await record(changed)).input_json) == ("1h", b'"z"')


async def test_a_schedule_that_code_no_longer_declares_goes_on(clock: ManualClock) -> None:
    driver = MemoryDriver(clock=clock)
    await Runner(declaring(driver, Schedule(digest, "1h", "x", key="k"))).run_once()
    without = declaring(driver)
    clock.advance("1h")
    assert await Runner(without).run_once() == 1


async def test_runners_that_start_at_once_declare_once(clock: ManualClock) -> None:
    driver = MemoryDriver(clock=clock)
    runtimes = [declaring(driver, Schedule(digest, "1h", "x", key="k")) for _ in range(8)]
    await asyncio.gather(*(Runner(one).run_once() for one in runtimes))
    [stands] = await (await runtimes[0].__flowli__.driver("a test")).get_schedules(["k"])
    assert stands is not None and stands.version == 1


def test_a_declaration_that_cannot_be_is_refused_at_once() -> None:
    with pytest.raises(SchedulingError, match="never comes"):
        Schedule(digest, "0 0 30 2 *", "x", key="k")
    with pytest.raises(DefinitionError, match="two schedules with the key 'k'"):
        declaring(MemoryDriver(), Schedule(digest, "1h", "x", key="k"), Schedule(digest, "2h", "x", key="k"))
    with pytest.raises(DefinitionError, match="'digest', which is not registered on Flowli"):
        Flowli(context=None, driver=MemoryDriver(), schedules=[Schedule(digest, "1h", "x", key="k")])
