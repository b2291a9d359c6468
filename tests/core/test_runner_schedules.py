"""Schedules as runners fire them: exactly once each instant, whoever comes, however late."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from flowli import Runner, job
from flowli.driver import Change, Claim, Exchanged, Millis, Settlement, StoredSchedule
from flowli.events import JobCompleted
from flowli.records import State, WaitingFor
from flowli_memory import ManualClock, MemoryDriver
from tests.core.runner_kit import driver_of, nudged, record, runtime, until
from tests.support.polling import eventually

pytestmark = pytest.mark.anyio

START = datetime(2030, 1, 1, tzinfo=UTC)


@job
async def echo(text: str) -> str:
    return text


@pytest.mark.slow
async def test_several_runners_fire_each_instant_of_a_month_exactly_once() -> None:
    clock = ManualClock(START)
    driver = MemoryDriver(clock=clock)
    fired: Counter[str] = Counter()

    @job
    async def note(text: str) -> None:
        fired[f"{clock.now():%m-%d %H:%M}"] += 1

    runtimes = [runtime(note, driver=one) for one in (driver, driver.twin(), driver.twin())]
    await runtimes[0].use(note).schedule("0 8,20 * * *", "x", key="twice", result_ttl="0s")
    for _ in range(31 * 4):
        clock.advance("6h")
        await asyncio.gather(*(Runner(one).run_once() for one in runtimes))
    for one in runtimes:
        await Runner(one).run_until_idle()
    # 08:00 is met at noon, 20:00 at midnight.
    expected = [START + timedelta(hours=12 * n) for n in range(1, 63)]
    assert fired == Counter({f"{at:%m-%d %H:%M}": 1 for at in expected})


async def test_runners_that_race_for_an_instant_make_one_job() -> None:
    clock = ManualClock(START)
    driver = MemoryDriver(clock=clock)
    runtimes = [runtime(echo, driver=driver.twin()) for _ in range(8)]
    await runtimes[0].use(echo).schedule("1m", "x", key="race")
    clock.advance("1m")
    executed = await asyncio.gather(*(Runner(one).run_once() for one in runtimes))
    assert sum(executed) == 1


async def test_missed_instants_make_one_job_for_the_latest() -> None:
    clock = ManualClock(START)
    flowli = runtime(echo, clock=clock)
    await flowli.use(echo).schedule("@hourly", "x", key="hourly")
    clock.advance("10h30m")
    assert await Runner(flowli).run_until_idle() == 1
    found = await flowli.inspect.get_schedule("hourly")
    assert found is not None
    assert (found.last_run_at, found.next_run_at) == (START + timedelta(hours=10), START + timedelta(hours=11))


async def test_an_interval_keeps_its_rhythm_however_late_it_is_fired() -> None:
    clock = ManualClock(START)
    flowli = runtime(echo, clock=clock)
    await flowli.use(echo).schedule("10s", "x", key="beat")
    clock.advance("37s")
    assert await Runner(flowli).run_once() == 1
    found = await flowli.inspect.get_schedule("beat")
    assert found is not None
    assert (found.last_run_at, found.next_run_at) == (START + timedelta(seconds=30), START + timedelta(seconds=40))


async def test_a_schedule_is_not_fired_before_its_instant() -> None:
    clock = ManualClock(START)
    flowli = runtime(echo, clock=clock)
    await flowli.use(echo).schedule("10s", "x", key="beat")
    clock.advance("9s999ms")
    assert await Runner(flowli).run_once() == 0
    clock.advance("1ms")
    assert await Runner(flowli).run_once() == 1


async def test_a_schedule_of_an_unknown_job_is_fired_and_its_job_parked() -> None:
    clock = ManualClock(START)
    driver = MemoryDriver(clock=clock)
    flowli = runtime(echo, driver=driver)
    await flowli.use(echo).schedule("1m", "x", key="s")

    @job
    async def other() -> None: ...

    ignorant = runtime(other, driver=driver)
    clock.advance("1m")
    assert await Runner(ignorant).run_once() == 0
    schedule = await ignorant.inspect.get_schedule("s")
    assert schedule is not None
    assert schedule.last_job_id is not None
    found = await record(ignorant, schedule.last_job_id)
    assert (found.state, found.waiting_for, found.schedule_key) == (State.SCHEDULED, WaitingFor.RUNNER, "s")


BROKEN = {
    "newer": b"2{}",
    "binary": b"\xff",
    "no JSON": b"1{\n1\nnull",
    "wrong types": b'1{"n":1,"w":2,"z":3,"q":4,"p":5,"a":6,"r":7,"l":8,"j":9}\n1\nnull',
    "no such when": b'1{"n":"echo","w":"61 * * * *","z":"UTC","q":"q","p":0,"a":0,"r":1,"l":null,"j":null}\n1\n"x"',
    "bad head": b'1{"n":"echo","w":"1m","z":"UTC","q":"default","p":0,"a":0,"r":1,"l":null,"j":null}\n9\n"x"',
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
async def test_a_schedule_that_cannot_be_read_is_kept_and_does_not_block_others(
    body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock(START)
    flowli = runtime(echo, clock=clock)
    await flowli.use(echo).schedule("1m", "x", key="good")
    driver = await driver_of(flowli)
    due = (await driver.overview(())).now
    broken = StoredSchedule(key="bad", version=0, next_run_at=due, body=body)
    await driver.change_schedules([Change(key="bad", expected=0, successor=broken)])
    clock.advance("1m")
    assert await Runner(flowli).run_once() == 1
    [stands] = await (await driver_of(flowli)).get_schedules(["bad"])
    assert stands is not None
    assert stands.body == body
    assert "schedule 'bad' cannot be fired here, looking again in a minute" in caplog.text


async def test_a_schedule_that_was_unreadable_for_a_while_makes_up_for_the_latest_instant() -> None:
    clock = ManualClock(START)
    flowli = runtime(echo, clock=clock)
    await flowli.use(echo).schedule("1h", "x", key="s")
    driver = await driver_of(flowli)
    [stands] = await driver.get_schedules(["s"])
    assert stands is not None
    put_off = replace(stands, body=b"2" + stands.body)
    await driver.change_schedules([Change(key="s", expected=stands.version, successor=put_off)])
    clock.advance("1h")
    assert await Runner(flowli).run_once() == 0
    driver = await driver_of(flowli)
    [later] = await driver.get_schedules(["s"])
    assert later is not None
    readable = replace(later, body=later.body[1:])
    await driver.change_schedules([Change(key="s", expected=later.version, successor=readable)])
    clock.advance("1m")
    assert await Runner(flowli).run_once() == 1
    found = await flowli.inspect.get_schedule("s")
    assert found is not None
    assert (found.last_run_at, found.next_run_at) == (START + timedelta(hours=1), START + timedelta(hours=2))


async def test_more_schedules_than_one_page_are_all_fired() -> None:
    clock = ManualClock(START)
    flowli = runtime(echo, clock=clock)
    for n in range(230):
        await flowli.use(echo).schedule("1m", str(n), key=f"s{n}")
    clock.advance("1m")
    assert await Runner(flowli).run_once() == 230


async def test_february_29_comes_every_fourth_year() -> None:
    clock = ManualClock(START)
    flowli = runtime(echo, clock=clock)
    await flowli.use(echo).schedule("0 0 29 2 *", "x", key="leap")
    seen: list[str] = []
    for _ in range(11):
        clock.advance("366d")
        if await Runner(flowli).run_once():
            found = await flowli.inspect.get_schedule("leap")
            assert found is not None
            seen.append(f"{found.last_run_at:%Y-%m-%d}")
    assert seen == ["2032-02-29", "2036-02-29", "2040-02-29"]


def _are(done: list[object], number: int) -> bool:
    return len(done) == number


async def test_a_started_runner_fires_when_the_instant_comes() -> None:
    clock = ManualClock(START)
    flowli = runtime(echo, clock=clock)
    await flowli.use(echo).schedule("1d", "x", key="daily")
    async with Runner(flowli) as runner:
        done: list[object] = []
        runner.on(JobCompleted)(done.append)
        for day in range(1, 4):
            clock.advance("1d")
            await until(nudged(clock, partial(_are, done, day)), f"day {day}")
    assert len(done) == 3


class Waits(MemoryDriver):
    """Notes for how long it was asked to wait, each time that nothing was ready."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Millis] = []

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        if claim is not None and claim.wait:
            self.seen.append(claim.wait)
        return await super().exchange(settlements, claim, now=now)


@pytest.mark.parametrize("has_schedule", [False, True])
async def test_runners_that_wait_do_not_ask_in_step(has_schedule: bool) -> None:
    driver = Waits()
    flowli = runtime(echo, driver=driver)
    if has_schedule:
        await flowli.use(echo).schedule("1d", "x", key="daily")
    async with Runner(flowli, poll_interval="20ms"):
        await until(lambda: len(driver.seen) > 40)
    assert min(driver.seen) >= 20, "an idle runner does not ask more often than it was told to"
    assert set(driver.seen) == {20, 21, 22}


async def test_a_runner_that_sleeps_hears_of_a_schedule_that_is_new() -> None:
    flowli = runtime(echo)
    async with Runner(flowli, poll_interval="1h") as runner:
        await until(lambda: runner.running)
        schedule = await flowli.use(echo).schedule("100ms", "x", key="quick")

        async def fired() -> str | None:
            found = await flowli.inspect.get_schedule(schedule.key)
            return None if found is None else found.last_job_id

        assert (await eventually(fired)).startswith("quick:1:")
