"""``flowli.inspect``: records, pages and counts."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flowli import Flowli, Job, Retry, Runner, ValidationError
from flowli.driver import NewJob
from flowli.records import JobRecord, Page, QueueCounts, ScheduleRecord, State
from flowli_memory import ManualClock, MemoryDriver
from tests.core.work import App, Email, RequestMeta, app, on_clock
from tests.support.polling import eventually

pytestmark = pytest.mark.anyio

NOON = datetime(2031, 5, 6, 12, tzinfo=UTC)
CANARY = "canary-4711"


async def in_every_state(flowli: App) -> None:
    for text in ("1", "2"):
        await flowli.echo.enqueue(text)
    await flowli.boom.enqueue("x")
    await flowli.give_up.enqueue()
    await Runner(flowli).run_until_idle()
    await flowli.echo.enqueue("3")
    await flowli.echo.enqueue("4", queue="slow")
    await flowli.echo.delay("1h", "5")
    await flowli.tick.schedule("1h", key="k")


async def test_counts_say_how_many_stand_in_each_state() -> None:
    flowli = app()
    assert await flowli.inspect.get_queue_counts() == QueueCounts()
    await in_every_state(flowli)

    assert await flowli.inspect.get_queue_counts() == QueueCounts(
        scheduled=1, queued=2, active=0, completed=2, failed=1, cancelled=1, schedules=1
    )


async def test_counts_of_one_queue_and_of_one_that_nobody_used() -> None:
    flowli = app()
    await in_every_state(flowli)

    assert await flowli.inspect.get_queue_counts("slow") == QueueCounts(queued=1, schedules=1)
    assert await flowli.inspect.get_queue_counts("nobody") == QueueCounts(schedules=1)


async def test_what_is_unknown_is_none() -> None:
    flowli = app()

    assert await flowli.inspect.get_job("nobody") is None
    assert await flowli.inspect.get_schedule("nobody") is None
    assert list(await flowli.inspect.get_schedules()) == []
    assert await flowli.inspect.get_runners() == []


@pytest.mark.parametrize("state", [*State, *(state.value for state in State)])
async def test_every_state_can_be_listed_by_its_member_and_by_its_name(state: State | str) -> None:
    flowli = app()
    await in_every_state(flowli)

    page = await flowli.inspect.get_jobs_by_state(state)
    counts = await flowli.inspect.get_queue_counts()
    assert len(page) == getattr(counts, str(state))
    assert {record.state for record in page} <= {State(state)}
    assert page.cursor is None


async def test_a_listing_is_cut_into_pages_that_meet_every_record_once() -> None:
    flowli = app()
    ids = {handle.id for handle in await flowli.echo.enqueue_many([f"{at}" for at in range(25)])}
    met: list[str] = []
    cursor: str | None = None
    sizes: list[int] = []

    while True:
        page = await flowli.inspect.get_jobs_by_state("queued", limit=10, cursor=cursor)
        met += [record.id for record in page]
        sizes.append(len(page))
        cursor = page.cursor
        if cursor is None:
            break
    assert set(met) == ids and len(met) == 25
    assert max(sizes) == 10


async def test_a_listing_may_be_of_one_queue() -> None:
    flowli = app()
    await in_every_state(flowli)

    [record] = await flowli.inspect.get_jobs_by_state("queued", queue="slow")
    assert (record.queue, record.name) == ("slow", "echo")
    assert list(await flowli.inspect.get_jobs_by_state("queued", queue="nobody")) == []


async def test_a_listing_holds_no_inputs_and_a_record_does() -> None:
    flowli = app()
    handle = await flowli.audit.enqueue("e1", meta=RequestMeta(request_id="r"))

    [listed] = await flowli.inspect.get_jobs_by_state("queued")
    assert (listed.input_json, listed.meta_json) == (None, None)
    found = await flowli.inspect.get_job(handle.id)
    assert found is not None and (found.input_json, found.meta_json) == (b'"e1"', b'{"request_id":"r"}')


async def test_schedules_are_listed_in_pages_too() -> None:
    flowli = app()
    for at in range(7):
        await flowli.tick.schedule("1h", key=f"k{at}")

    first = await flowli.inspect.get_schedules(limit=5)
    rest = await flowli.inspect.get_schedules(limit=5, cursor=first.cursor)
    assert {record.key for record in [*first, *rest]} == {f"k{at}" for at in range(7)}
    assert (len(first), len(rest), rest.cursor) == (5, 2, None)


async def test_a_cursor_that_no_listing_gave_out_is_refused() -> None:
    flowli = app()
    for call in (
        flowli.inspect.get_jobs_by_state("queued", cursor="mine"),
        flowli.inspect.get_schedules(cursor="mine"),
    ):
        with pytest.raises(ValidationError, match="cursor is none that this listing gave out"):
            await call


@pytest.mark.parametrize("id", ["", "x" * 201, "\udcff", 5, None])
async def test_an_id_or_a_queue_that_stores_cannot_keep_is_refused_alike_everywhere(id: Any) -> None:
    flowli = app()
    calls: list[Awaitable[object]] = [
        flowli.inspect.get_job(id),
        flowli.inspect.get_schedule(id),
        flowli.control.cancel(id),
        flowli.inspect.get_queue_counts(id or ""),
        flowli.inspect.get_jobs_by_state("queued", queue=id or ""),
    ]
    for call in calls:
        with pytest.raises(ValidationError, match="an id|a queue name"):
            await call


@pytest.mark.parametrize("limit", [5.0, "5", True])
async def test_a_limit_of_another_type_is_refused_by_its_type(limit: Any) -> None:
    with pytest.raises(ValidationError, match="limit is a whole number from 1 to 500; got "):
        await app().inspect.get_jobs_by_state("queued", limit=limit)


@pytest.mark.parametrize("limit", [0, -1, 501])
async def test_a_limit_out_of_bounds_is_refused(limit: int) -> None:
    for call in (
        app().inspect.get_jobs_by_state("queued", limit=limit),
        app().inspect.get_schedules(limit=limit),
    ):
        with pytest.raises(ValidationError, match=rf"limit is a whole number from 1 to 500; got {limit}\."):
            await call


async def test_a_state_that_there_is_not_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValidationError, match="There is no state 'pending'. States: scheduled, queued, active, "):
        await app().inspect.get_jobs_by_state("pending")


async def test_the_record_of_a_job_that_waits_for_a_retry_says_so() -> None:
    async def again() -> None:
        raise Retry("not yet", after="10m")

    clock = ManualClock(NOON)
    made: Job[object, None, None, None] = Job(again, max_attempts=3)
    flowli = Flowli(context=None, jobs=[made], driver=MemoryDriver(clock=clock))
    handle = await flowli.use(made).enqueue()
    await Runner(flowli).run_once()

    record = await handle.record()
    assert (record.state, record.waiting_for, record.scheduled_for) == (
        "scheduled",
        "retry",
        NOON + timedelta(minutes=10),
    )
    assert (record.attempts_made, record.failures, record.max_attempts) == (1, 1, 3)
    assert record.error is not None and record.error.message == "not yet"
    assert record.reason is None


async def test_the_record_of_a_completed_job_has_its_instants() -> None:
    clock = ManualClock(NOON)
    flowli = on_clock(clock)
    handle = await flowli.echo.enqueue("x")
    clock.advance("1h")
    await Runner(flowli).run_once()

    # A runner's own instants go on with the real time since it last heard from the store.
    record, at = await handle.record(), NOON + timedelta(hours=1)
    assert record.started_at is not None and record.finished_at is not None
    assert at <= record.started_at <= record.finished_at < at + timedelta(hours=1)
    assert record.expires_at == at + timedelta(hours=1)
    assert (record.scheduled_for, record.lease_until, record.waiting_for) == (None, None, None)


async def test_what_cannot_be_read_is_listed_with_what_is_known() -> None:
    flowli = app()
    driver = await flowli.__flowli__.driver("the test")
    await driver.enqueue([NewJob("newer", "default", "echo", b"9{}", b"\xff")])

    record = await flowli.inspect.get_job("newer")
    assert record is not None
    assert (record.id, record.name, record.state, record.max_attempts) == ("newer", "echo", "queued", 1)
    assert [found.id for found in await flowli.inspect.get_jobs_by_state("queued")] == ["newer"]


async def test_no_payload_is_in_the_repr_of_a_record() -> None:
    flowli = app()
    handle = await flowli.send.enqueue(Email(to=CANARY))
    await flowli.send.schedule("1h", Email(to=CANARY), key="k")
    await Runner(flowli).run_once()
    job, schedule = await handle.record(), await flowli.inspect.get_schedule("k")

    assert schedule is not None and job.result_json is not None
    assert CANARY.encode() in job.result_json
    page = await flowli.inspect.get_schedules()
    assert CANARY not in f"{job!r} {schedule!r} {page!r} {handle!r}"


async def test_records_cannot_be_changed() -> None:
    record: Any = await (await app().echo.enqueue("x")).record()

    with pytest.raises(AttributeError):
        record.state = "completed"
    assert isinstance(record, JobRecord)


def test_a_page_is_a_sequence_with_a_cursor() -> None:
    page: Page[int] = Page([1, 2, 3], "next")

    assert isinstance(page, Sequence)
    assert (page[0], page[-1], page[1:], len(page), list(page)) == (1, 3, (2, 3), 3, [1, 2, 3])
    assert (2 in page, 9 in page, list(reversed(page)), page.index(3)) == (True, False, [3, 2, 1], 2)
    assert (page.cursor, repr(page)) == ("next", "Page([1, 2, 3], cursor='next')")
    assert not Page([], None)


async def test_a_runner_is_listed_while_it_works() -> None:
    flowli = app()

    async with Runner(flowli, queues=["mail", "default"]) as runner:
        [found] = await eventually(flowli.inspect.get_runners, what="the runner's note")
        assert (found.id, found.queues) == (runner.id, ("mail", "default"))
        assert set(found.jobs) == set(flowli.jobs)
        assert found.pid > 0 and found.alive_until > datetime.now(UTC)
    schedules: Page[ScheduleRecord] = await flowli.inspect.get_schedules()
    assert len(schedules) == 0
