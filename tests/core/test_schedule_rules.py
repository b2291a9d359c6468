"""What a schedule may say of its instants: bounds, jitter, what was missed, what overlaps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flowli import Runner, SchedulingError, ValidationError
from flowli.records import JobRecord, ScheduleRecord
from flowli_memory import ManualClock
from tests.core.work import App, on_clock

pytestmark = pytest.mark.anyio

NOON = datetime(2031, 5, 6, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def flowli(clock: ManualClock) -> App:
    return on_clock(clock)


async def record(flowli: App, key: str = "k") -> ScheduleRecord:
    found = await flowli.inspect.get_schedule(key)
    assert found is not None
    return found


async def fire(flowli: App) -> None:
    """Fire what is due, and execute nothing."""
    await Runner(flowli, queues=["elsewhere"]).run_once()


async def instants(flowli: App, key: str = "k") -> list[datetime]:
    return [run.instant for run in (await record(flowli, key)).recent]


async def jobs(flowli: App, state: str = "queued") -> list[JobRecord]:
    return list(await flowli.inspect.get_jobs_by_state(state))


async def test_nothing_is_fired_before_the_start_and_an_interval_begins_with_it(
    clock: ManualClock, flowli: App
) -> None:
    start = NOON + timedelta(minutes=10)
    made = await flowli.tick.schedule("4m", key="k", start=start)
    cron = await flowli.tick.schedule("*/5 * * * *", key="cron", start=start + MINUTE)
    assert (made.next_run_at, cron.next_run_at) == (start, NOON + timedelta(minutes=15))
    clock.advance("9m59s")
    await fire(flowli)
    assert await jobs(flowli) == []
    clock.advance("4m1s")
    await fire(flowli)
    assert await instants(flowli) == [start + 4 * MINUTE]
    assert made.preview(3) == [start, start + 4 * MINUTE, start + 8 * MINUTE]


async def test_the_instant_at_the_end_is_the_last(clock: ManualClock, flowli: App) -> None:
    await flowli.tick.schedule("10m", key="k", end=NOON + timedelta(minutes=20))
    for _ in range(4):
        clock.advance("10m")
        await fire(flowli)
    assert await instants(flowli) == [NOON + 10 * MINUTE, NOON + 20 * MINUTE]
    assert (await record(flowli)).next_run_at is None


async def test_an_instant_before_the_end_is_fired_after_it_when_nobody_ran(clock: ManualClock, flowli: App) -> None:
    await flowli.tick.schedule("10m", key="k", end=NOON + timedelta(minutes=25))
    clock.advance("2h")
    await fire(flowli)
    assert await instants(flowli) == [NOON + 20 * MINUTE]


async def test_a_schedule_ends_with_as_many_jobs_as_its_limit_says(clock: ManualClock, flowli: App) -> None:
    made = await flowli.tick.schedule("10m", key="k", limit=2)
    assert len(made.preview(9)) == 2
    for _ in range(4):
        clock.advance("10m")
        await fire(flowli)
    found = await record(flowli)
    assert (found.runs, found.limit, found.next_run_at) == (2, 2, None)
    assert len(await jobs(flowli)) == 2


async def test_a_limit_bounds_what_is_made_up_for(clock: ManualClock, flowli: App) -> None:
    await flowli.tick.schedule("10m", key="k", limit=2, misfire="all")
    clock.advance("2h")
    await fire(flowli)
    assert len(await jobs(flowli)) == 2


async def test_a_schedule_without_an_instant_to_come_is_refused(flowli: App) -> None:
    with pytest.raises(SchedulingError, match="'k' has no instant that is still to come"):
        await flowli.tick.schedule("10m", key="k", end=NOON + MINUTE)
    assert await flowli.inspect.get_schedule("k") is None


@pytest.mark.parametrize("late", ["1h5m", "1h1m1ms"])
async def test_skip_leaves_out_what_is_more_than_a_minute_late(late: str, clock: ManualClock, flowli: App) -> None:
    await flowli.tick.schedule("@hourly", key="k", misfire="skip")
    clock.advance(late)
    await fire(flowli)
    assert await jobs(flowli) == []
    found = await record(flowli)
    assert (found.last_run_at, found.next_run_at) == (None, NOON + timedelta(hours=2))
    clock.advance("1h")
    await fire(flowli)
    assert await jobs(flowli) == []


async def test_skip_fires_what_comes_while_somebody_runs(clock: ManualClock, flowli: App) -> None:
    await flowli.tick.schedule("@hourly", key="k", misfire="skip")
    clock.advance("3h1m")
    await fire(flowli)
    assert await instants(flowli) == [NOON + timedelta(hours=3)]


async def test_all_makes_up_for_each_missed_instant_in_order(clock: ManualClock, flowli: App) -> None:
    await flowli.tick.schedule("*/20 * * * *", key="k", misfire="all")
    clock.advance("1h30m")
    await fire(flowli)
    expected = [NOON + timedelta(minutes=20 * n) for n in range(1, 5)]
    assert await instants(flowli) == expected
    made = [found.id for found in await jobs(flowli)]
    assert made == [f"k:1:{round(at.timestamp() * 1000)}" for at in expected]
    await fire(flowli)
    assert len(await jobs(flowli)) == 4


@pytest.mark.parametrize("when", ["* * * * *", "1m"])
async def test_all_is_capped_to_the_latest(when: str, clock: ManualClock, flowli: App) -> None:
    await flowli.tick.schedule(when, key="k", misfire="all", misfire_cap=3)
    clock.advance("30d")
    await fire(flowli)
    end = NOON + timedelta(days=30)
    assert await instants(flowli) == [end - 2 * MINUTE, end - MINUTE, end]
    assert (await record(flowli)).next_run_at == end + MINUTE


async def test_jitter_delays_a_job_by_the_same_span_whoever_fires_it() -> None:
    delays: list[timedelta] = []
    for key in ("k", "k", "other"):
        clock = ManualClock(NOON)
        flowli = on_clock(clock)
        await flowli.tick.schedule("1h", key=key, jitter="30m")
        clock.advance("1h")
        await fire(flowli)
        [run] = (await record(flowli, key)).recent
        made = await flowli.inspect.get_job(run.job_id)
        assert made is not None and made.scheduled_for is not None
        delays.append(made.scheduled_for - run.instant)
    assert delays[0] == delays[1] != delays[2]
    assert all(timedelta(0) <= delay <= timedelta(minutes=30) for delay in delays)


async def test_skip_makes_no_job_while_the_last_one_is_not_settled(clock: ManualClock, flowli: App) -> None:
    await flowli.tick.schedule("10m", key="k", overlap="skip")
    for _ in range(3):
        clock.advance("10m")
        await fire(flowli)
    assert await instants(flowli) == [NOON + 10 * MINUTE]
    await Runner(flowli).run_until_idle()
    clock.advance("10m")
    await fire(flowli)
    assert await instants(flowli) == [NOON + 10 * MINUTE, NOON + 40 * MINUTE]


async def test_a_last_job_that_kept_nothing_is_settled(clock: ManualClock, flowli: App) -> None:
    await flowli.tick.schedule("10m", key="k", overlap="skip", result_ttl="0s")
    for _ in range(2):
        clock.advance("10m")
        assert await Runner(flowli).run_until_idle() == 1


async def test_queue_makes_one_job_after_the_other(clock: ManualClock, flowli: App) -> None:
    await flowli.tick.schedule("10m", key="k", overlap="queue")
    for _ in range(3):
        clock.advance("10m")
        await fire(flowli)
    assert (await record(flowli)).waiting == 2
    assert len(await jobs(flowli)) == 1
    for done in (1, 2, 3):
        assert await Runner(flowli).run_until_idle() == 1
        clock.advance("1s")
        await fire(flowli)
        assert len(await jobs(flowli)) == (0 if done == 3 else 1)
    assert await instants(flowli) == [NOON + n * 10 * MINUTE for n in (1, 2, 3)]
    found = await record(flowli)
    assert (found.waiting, found.next_run_at) == (0, NOON + 40 * MINUTE)


async def test_what_waits_is_bounded_by_the_cap(clock: ManualClock, flowli: App) -> None:
    await flowli.tick.schedule("10m", key="k", overlap="queue", misfire_cap=2)
    for _ in range(6):
        clock.advance("10m")
        await fire(flowli)
    assert (await record(flowli)).waiting == 2


async def test_the_record_says_the_rules(flowli: App) -> None:
    end = NOON + timedelta(days=1)
    given: dict[str, Any] = {"jitter": "5s", "start": NOON + MINUTE, "end": end, "limit": 7, "misfire": "skip"}
    await flowli.tick.schedule("10m", key="k", overlap="queue", **given)
    found = await record(flowli)
    assert (found.jitter, found.start, found.end) == (timedelta(seconds=5), NOON + MINUTE, end)
    assert (found.limit, found.misfire, found.overlap) == (7, "skip", "queue")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"jitter": 5}, "jitter is a bare number"),
        ({"start": NOON.replace(tzinfo=None)}, "start must be an aware datetime"),
        ({"end": "tomorrow"}, "end is an aware datetime, not str"),
        ({"limit": 0}, "limit is a whole number from 1"),
        ({"misfire": "catch up"}, "misfire is one of skip, once, all"),
        ({"misfire_cap": 501}, "misfire_cap is a whole number from 1 to 500"),
        ({"overlap": True}, "overlap is one of allow, skip, queue"),
        ({"start": NOON + MINUTE, "end": NOON}, "end= lies before start="),
    ],
)
async def test_a_rule_out_of_bounds_is_refused(options: dict[str, Any], said: str, flowli: App) -> None:
    with pytest.raises(ValidationError, match=said):
        await flowli.tick.schedule("10m", key="k", **options)
    assert await flowli.inspect.get_schedule("k") is None
