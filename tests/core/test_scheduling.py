"""``schedule``: a definition under its key; putting it again updates, and the same again changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flowli import Runner, ScheduleHandle, SchedulingError, ValidationError
from flowli.driver import StoredSchedule
from flowli.records import ScheduleRecord
from flowli_memory import ManualClock
from tests.core.work import App, Email, RequestMeta, app, on_clock

pytestmark = pytest.mark.anyio

NOON = datetime(2031, 5, 6, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def flowli(clock: ManualClock) -> App:
    return on_clock(clock)


async def stored(flowli: App, key: str) -> StoredSchedule:
    driver = await flowli.__flowli__.driver("the test")
    [found] = await driver.get_schedules([key])
    assert found is not None
    return found


async def record(flowli: App, key: str) -> ScheduleRecord:
    found = await flowli.inspect.get_schedule(key)
    assert found is not None
    return found


async def test_a_schedule_says_what_it_was_given_and_when_it_comes_first(flowli: App) -> None:
    made = await flowli.send.schedule("0 8 * * *", Email(to="a"), key="daily", tz="Europe/Berlin")

    assert (made.key, made.name, made.when, made.tz) == ("daily", "send", "0 8 * * *", "Europe/Berlin")
    assert made.next_run_at == datetime(2031, 5, 7, 6, tzinfo=UTC)
    assert repr(made) == "<ScheduleHandle 'daily' '0 8 * * *' Europe/Berlin>"


async def test_the_record_has_the_definition_with_its_payload(flowli: App) -> None:
    await flowli.audit.schedule("1h", "e1", meta=RequestMeta(request_id="r1"), key="k", queue="slow")

    found = await record(flowli, "k")
    assert (found.key, found.name, found.when, found.tz, found.queue) == ("k", "audit", "1h", "UTC", "slow")
    assert (found.next_run_at, found.last_run_at, found.last_job_id) == (NOON + HOUR, None, None)
    assert (found.input_json, found.meta_json) == (b'"e1"', b'{"request_id":"r1"}')


@pytest.mark.parametrize(
    ("when", "canonical", "first"),
    [
        ("30 14 * * *", "30 14 * * *", datetime(2031, 5, 6, 14, 30, tzinfo=UTC)),
        ("15 30 14 * * *", "15 30 14 * * *", datetime(2031, 5, 6, 14, 30, 15, tzinfo=UTC)),
        ("@daily", "0 0 * * *", datetime(2031, 5, 7, tzinfo=UTC)),
        ("@hourly", "0 * * * *", NOON + HOUR),
        ("90m", "1h30m", NOON + timedelta(minutes=90)),
        (timedelta(seconds=10), "10s", NOON + timedelta(seconds=10)),
    ],
)
async def test_every_form_of_when_is_stored_in_one_form(
    when: str | timedelta, canonical: str, first: datetime, flowli: App
) -> None:
    made = await flowli.tick.schedule(when, key="k")

    assert (made.when, made.next_run_at) == (canonical, first)
    assert (await record(flowli, "k")).next_run_at == first


async def test_the_same_definition_again_changes_nothing(clock: ManualClock, flowli: App) -> None:
    first = await flowli.echo.schedule("1h", "x", key="k", queue="slow", max_attempts=3)
    before = await stored(flowli, "k")
    clock.advance("10m")
    again = await flowli.echo.schedule(HOUR, "x", key="k", queue="slow", max_attempts=3)

    assert again.next_run_at == first.next_run_at == NOON + HOUR
    assert await stored(flowli, "k") == before


async def test_the_same_key_with_another_input_updates_and_keeps_the_rhythm(clock: ManualClock, flowli: App) -> None:
    await flowli.echo.schedule("1h", "x", key="k")
    clock.advance("10m")
    again = await flowli.echo.schedule("1h", "y", key="k")

    assert again.next_run_at == NOON + HOUR
    assert (await record(flowli, "k")).input_json == b'"y"'
    assert (await stored(flowli, "k")).version == 2
    assert (await flowli.inspect.get_queue_counts()).schedules == 1


@pytest.mark.parametrize("change", [{"when": "2h"}, {"tz": "Asia/Tokyo"}])
async def test_another_when_or_zone_begins_anew(change: dict[str, str], clock: ManualClock, flowli: App) -> None:
    await flowli.echo.schedule("1h", "x", key="k")
    clock.advance("10m")
    given = {"when": "1h", "tz": "UTC", **change}
    again = await flowli.echo.schedule(given["when"], "x", key="k", tz=given["tz"])

    span = timedelta(hours=2) if given["when"] == "2h" else HOUR
    assert again.next_run_at == NOON + timedelta(minutes=10) + span
    assert ((await record(flowli, "k")).when, (await record(flowli, "k")).tz) == (given["when"], given["tz"])


async def test_the_same_key_may_become_another_job(flowli: App) -> None:
    await flowli.echo.schedule("1h", "x", key="k")
    await flowli.add.schedule("1h", 1, key="k")

    assert (await record(flowli, "k")).name == "add"
    assert (await flowli.inspect.get_queue_counts()).schedules == 1


async def test_an_update_keeps_what_was_fired_last(clock: ManualClock, flowli: App) -> None:
    await flowli.echo.schedule("1h", "x", key="k")
    clock.advance("1h")
    await Runner(flowli).run_once()
    await flowli.echo.schedule("1h", "y", key="k")

    found = await record(flowli, "k")
    assert (found.last_run_at, found.next_run_at) == (NOON + HOUR, NOON + 2 * HOUR)
    assert found.last_job_id is not None
    job = await flowli.inspect.get_job(found.last_job_id)
    assert job is not None and (job.schedule_key, job.state) == ("k", "completed")


async def test_a_key_that_is_not_given_is_derived_from_the_definition(flowli: App) -> None:
    async def key(*arguments: Any, **options: Any) -> str:
        made: ScheduleHandle = await flowli.echo.schedule(*arguments, **options)
        return made.key

    first = await key("1h", "x")
    assert first.startswith("echo:") and len(first) == len("echo:") + 16
    assert await key(HOUR, "x") == first
    assert await key("60m", "x", queue="slow") == first
    assert len({first, await key("2h", "x"), await key("1h", "y"), await key("1h", "x", tz="Europe/Berlin")}) == 4
    assert (await flowli.inspect.get_queue_counts()).schedules == 4


async def test_a_derived_key_tells_jobs_and_metas_apart(flowli: App) -> None:
    one = await flowli.audit.schedule("1h", "x", meta=RequestMeta(request_id="r1"))
    two = await flowli.audit.schedule("1h", "x", meta=RequestMeta(request_id="r2"))
    three = await flowli.echo.schedule("1h", "x")

    assert len({one.key, two.key, three.key}) == 3


async def test_a_derived_key_says_nothing_of_the_input(flowli: App) -> None:
    assert "canary" not in (await flowli.echo.schedule("1h", "canary")).key


@pytest.mark.parametrize(
    ("when", "tz", "said"),
    [
        ("0 8 * *", "UTC", "has 4 fields"),
        ("61 8 * * *", "UTC", "its minute, '61', is out of range"),
        ("0 0 30 2 *", "UTC", "never comes"),
        ("@sometimes", "UTC", "begins with @ and is none of @yearly"),
        ("10", "UTC", "bare number"),
        ("1ms", "UTC", "at least 100ms"),
        (3600, "UTC", "cannot be a int"),
        ("0 8 * * *", "Europe/Berln", "did you mean 'Europe/Berlin'"),
        ("1h", "Nowhere/At_All", "is no IANA zone"),
        ("0 8 * * *", None, "must be the name of an IANA zone"),
    ],
)
async def test_what_cannot_be_understood_is_a_scheduling_error(when: Any, tz: Any, said: str, flowli: App) -> None:
    with pytest.raises(SchedulingError, match=said) as refused:
        await flowli.echo.schedule(when, "x", key="k", tz=tz)
    assert refused.value.code == "FLOWLI_SCHEDULING_ERROR"
    assert await flowli.inspect.get_schedule("k") is None


@pytest.mark.parametrize("key", ["", "x" * 151, "\u00e9" * 76, "\ud800", 7])
async def test_a_key_that_stores_cannot_keep_is_refused(key: Any) -> None:
    with pytest.raises(ValidationError):
        await app().echo.schedule("1h", "x", key=key)


async def test_a_key_of_150_bytes_is_taken() -> None:
    assert (await app().echo.schedule("1h", "x", key="\u00e9" * 75)).key == "\u00e9" * 75


async def test_an_id_is_refused_with_what_to_write() -> None:
    with pytest.raises(ValidationError, match=r"schedule\(\) takes no id=.*Name the schedule with key="):
        await app().echo.schedule("1h", "x", key="k", id="one")


async def test_a_deleted_schedule_is_gone_and_its_jobs_go_on(clock: ManualClock, flowli: App) -> None:
    made = await flowli.echo.schedule("1h", "x", key="k", result_ttl="1d")
    clock.advance("1h")
    await Runner(flowli).run_until_idle()

    assert await made.delete() is True
    assert await made.delete() is False
    assert await flowli.inspect.get_schedule("k") is None
    clock.advance("5h")
    assert await Runner(flowli).run_until_idle() == 0
    assert (await flowli.inspect.get_queue_counts()).completed == 1


async def test_a_handle_deletes_what_stands_under_its_key_whoever_changed_it(flowli: App) -> None:
    made = await flowli.echo.schedule("1h", "x", key="k")
    await flowli.echo.schedule("2h", "y", key="k")

    assert await made.delete() is True
    assert await flowli.inspect.get_schedule("k") is None


async def test_a_schedule_that_was_deleted_may_be_put_again(clock: ManualClock, flowli: App) -> None:
    made = await flowli.echo.schedule("1h", "x", key="k")
    await made.delete()
    clock.advance("10m")

    assert (await flowli.echo.schedule("1h", "x", key="k")).next_run_at == NOON + timedelta(minutes=70)


async def test_a_schedule_fires_one_job_with_the_options_it_was_put_with(clock: ManualClock, flowli: App) -> None:
    await flowli.audit.schedule("1h", "e1", meta=RequestMeta(request_id="r"), key="k", queue="slow", priority=7)
    clock.advance("1h")
    await Runner(flowli, queues=["elsewhere"]).run_once()

    [made] = await flowli.inspect.get_jobs_by_state("queued")
    assert (made.name, made.queue, made.priority, made.max_attempts) == ("audit", "slow", 7, 2)
    assert made.schedule_key == "k"
