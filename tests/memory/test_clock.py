"""What a manual clock does to a memory driver, and to the calls that wait on one."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest

from flowli.driver import Change, Millis, RunnerNote, State, StoredSchedule
from flowli.errors import ValidationError
from flowli_memory import ManualClock, MemoryDriver
from tests.memory.work import HOUR, aside, claim, new_job, opened, settled, take

pytestmark = pytest.mark.anyio


class FixedClock:
    """A clock of somebody else's."""

    def now(self) -> datetime:
        return datetime(2031, 1, 1, tzinfo=timezone(timedelta(hours=2)))


def millis(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def test_a_manual_clock_stands_still() -> None:
    clock = ManualClock()
    assert clock.now() == clock.now() == datetime(2030, 1, 1, tzinfo=UTC)


def test_a_manual_clock_starts_where_it_is_told_and_says_so_in_utc() -> None:
    clock = ManualClock(datetime(2031, 5, 1, 2, tzinfo=timezone(timedelta(hours=2))))
    assert clock.now().isoformat() == "2031-05-01T00:00:00+00:00"


def test_a_manual_clock_refuses_a_start_without_a_time_zone() -> None:
    with pytest.raises(ValueError, match="aware"):
        ManualClock(datetime(2031, 5, 1))


def test_a_manual_clock_advances_by_a_text_or_a_timedelta() -> None:
    clock = ManualClock()
    clock.advance("1h30m")
    clock.advance(timedelta(minutes=30))
    assert clock.now() == datetime(2030, 1, 1, 2, tzinfo=UTC)


def test_a_manual_clock_does_not_go_back() -> None:
    clock = ManualClock()
    with pytest.raises(ValidationError):
        clock.advance(timedelta(seconds=-1))
    assert clock.now() == datetime(2030, 1, 1, tzinfo=UTC)


async def test_a_driver_goes_by_the_clock_it_was_given() -> None:
    async with opened(MemoryDriver(clock=FixedClock())) as driver:
        assert (await driver.overview()).now == millis(FixedClock().now())


async def test_a_twin_goes_by_the_same_clock() -> None:
    clock = ManualClock()
    async with opened(MemoryDriver(clock=clock).twin()) as twin:
        clock.advance("1d")
        assert (await twin.overview()).now == millis(datetime(2030, 1, 2, tzinfo=UTC))


async def test_an_instant_that_is_passed_goes_before_the_clock() -> None:
    async with opened(MemoryDriver(clock=ManualClock())) as driver:
        assert (await driver.overview(now=Millis(7))).now == 7


async def test_a_delayed_job_is_ready_when_the_clock_has_been_advanced(clock: ManualClock, timed: MemoryDriver) -> None:
    await timed.enqueue([new_job("a", delay=HOUR)])
    assert await take(timed, claim()) == []
    clock.advance("1h")
    assert await take(timed, claim()) == ["a"]


async def test_an_advance_wakes_a_claim_that_waits_for_a_delayed_job(clock: ManualClock, timed: MemoryDriver) -> None:
    await timed.enqueue([new_job("a", delay=HOUR)])
    async with aside(timed, take(timed, claim(wait=24 * HOUR))) as waiting:
        clock.advance("1h")
        assert await waiting == ["a"]


async def test_an_advance_that_brings_nothing_leaves_a_claim_waiting(clock: ManualClock, timed: MemoryDriver) -> None:
    async with aside(timed, take(timed, claim(wait=24 * HOUR))) as waiting:
        clock.advance("1h")
        await timed.get_jobs([])
        await timed.get_jobs([])
        assert not waiting.done()
        await timed.enqueue([new_job("a")])
        assert await waiting == ["a"]


async def test_a_wait_is_over_when_the_clock_says_so(clock: ManualClock, timed: MemoryDriver) -> None:
    async with aside(timed, timed.exchange((), claim(wait=HOUR))) as waiting:
        clock.advance("1h")
        exchanged = await waiting
        assert (list(exchanged.leases), exchanged.now) == ([], millis(clock.now()))


async def test_an_advance_wakes_a_claim_for_a_lease_that_lapsed(clock: ManualClock, timed: MemoryDriver) -> None:
    await timed.enqueue([new_job("a")])
    await timed.exchange((), claim(lease_for=60_000))
    async with aside(timed, timed.exchange((), claim(wait=HOUR))) as waiting:
        clock.advance("1m")
        exchanged = await waiting
        assert [(lease.id, lease.deliveries) for lease in exchanged.leases] == [("a", 1)]
        assert [lapsed.id for lapsed in exchanged.recovered] == ["a"]


async def test_an_advance_from_another_thread_is_noticed(clock: ManualClock, timed: MemoryDriver) -> None:
    await timed.enqueue([new_job("a", delay=HOUR)])
    async with aside(timed, take(timed, claim(wait=24 * HOUR))) as waiting:
        thread = threading.Thread(target=clock.advance, args=["1h"])
        thread.start()
        assert await waiting == ["a"]
        thread.join()


async def test_a_claim_that_waits_comes_back_when_a_schedule_is_due(clock: ManualClock, timed: MemoryDriver) -> None:
    async with aside(timed, timed.exchange((), claim(wait=24 * HOUR))) as waiting:
        noon = Millis(millis(clock.now()) + HOUR)
        schedule = StoredSchedule(key="daily", version=0, next_run_at=noon, body=b"")
        await timed.change_schedules([Change(key="daily", expected=0, successor=schedule)])
        clock.advance("1h")
        exchanged = await waiting
        assert (exchanged.schedule_at, exchanged.now, list(exchanged.leases)) == (noon, noon, [])


async def test_a_wait_for_outcomes_is_over_when_the_clock_says_so(clock: ManualClock, timed: MemoryDriver) -> None:
    await timed.enqueue([new_job("a")])
    async with aside(timed, timed.outcomes(["a"], wait=HOUR)) as waiting:
        clock.advance("1h")
        assert await waiting == {}


async def test_a_record_expires_by_the_clock(clock: ManualClock, timed: MemoryDriver) -> None:
    await timed.enqueue([new_job("a")])
    await timed.exchange(settled(await timed.exchange((), claim()), keep_for=HOUR))
    clock.advance("59m59s999ms")
    (kept,) = await timed.get_jobs(["a"])
    assert kept is not None and kept.state is State.COMPLETED
    clock.advance("1ms")
    assert await timed.get_jobs(["a"]) == [None]


async def test_a_runner_is_alive_by_the_clock(clock: ManualClock, timed: MemoryDriver) -> None:
    note = RunnerNote(id="r", queues=None, note=b"", alive_until=Millis(millis(clock.now()) + 1))
    await timed.announce(note)
    assert list((await timed.overview()).runners) == [note]
    clock.advance("1ms")
    assert list((await timed.overview()).runners) == []
