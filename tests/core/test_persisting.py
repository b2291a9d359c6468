"""``enqueue``, ``enqueue_many`` and ``delay``: what the handles say of what was stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from flowli import Flowli, Runner, StrategyError, ValidationError
from flowli_memory import ManualClock, MemoryDriver
from tests.core.work import App, Email, RequestMeta, Services, app, echo, on_clock

pytestmark = pytest.mark.anyio

NOON = datetime(2031, 5, 6, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


async def test_a_job_that_was_enqueued_is_queued_under_an_id_of_its_own(clock: ManualClock) -> None:
    flowli = on_clock(clock)
    one, two = await flowli.echo.enqueue("x"), await flowli.echo.enqueue("x")

    assert one.id != two.id and len(one.id) == 26
    assert (one.name, one.state, one.scheduled_for) == ("echo", "queued", NOON)
    assert (one.attempts_made, one.deduplicated) == (0, False)
    assert repr(one) == f"<JobHandle echo {one.id} queued>"


async def test_the_record_has_what_was_given() -> None:
    handle = await app().audit.enqueue("e1", meta=RequestMeta(request_id="r1"), id="mine")

    record = await handle.record()
    assert (record.id, record.name, record.queue, record.priority) == ("mine", "audit", "audits", 3)
    assert (record.input_json, record.meta_json) == (b'"e1"', b'{"request_id":"r1"}')
    assert (record.max_attempts, record.attempts_made, record.failures, record.deliveries) == (2, 0, 0, 0)


@pytest.mark.parametrize("id", [None, "mine"])
async def test_the_record_says_when_it_was_made(id: str | None) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    handle = await (app().echo.enqueue("x") if id is None else app().echo.enqueue("x", id=id))

    made = (await handle.record()).created_at
    assert made is not None and before <= made <= datetime.now(UTC)


@pytest.mark.parametrize("id", ["", "x" * 201, "\ud800"])
async def test_an_id_that_stores_cannot_keep_is_refused(id: str) -> None:
    flowli = app()

    with pytest.raises(ValidationError):
        await flowli.echo.enqueue("x", id=id)
    with pytest.raises(ValidationError):
        await flowli.echo.enqueue_many(["x"], ids=[id])
    assert (await flowli.inspect.get_queue_counts()).queued == 0


async def test_the_same_id_again_is_the_first_job_whatever_its_input_and_queue() -> None:
    flowli = app()
    first = await flowli.echo.enqueue("first", id="one")
    again = await flowli.echo.enqueue("second", id="one", queue="other", priority=9)

    assert (first.deduplicated, again.deduplicated) == (False, True)
    assert (again.id, again.state) == ("one", "queued")
    record = await again.record()
    assert (record.input_json, record.queue, record.priority) == (b'"first"', "default", 0)
    assert (await flowli.inspect.get_queue_counts()).queued == 1


async def test_the_same_id_again_is_the_first_job_also_when_it_was_delayed(clock: ManualClock) -> None:
    flowli = on_clock(clock)
    await flowli.echo.delay("1h", "first", id="one")
    again = await flowli.echo.enqueue("second", id="one")

    assert (again.deduplicated, again.state) == (True, "scheduled")
    assert again.scheduled_for == NOON + timedelta(hours=1)


@pytest.mark.parametrize(("name", "state"), [("echo", "completed"), ("boom", "failed"), ("give_up", "cancelled")])
async def test_the_same_id_again_is_the_first_job_also_when_it_is_over(name: str, state: str) -> None:
    flowli: Any = app()
    bound = getattr(flowli, name)
    arguments = () if name == "give_up" else ("x",)
    await bound.enqueue(*arguments, id="one")
    await Runner(flowli).run_until_idle()

    again = await bound.enqueue(*arguments, id="one")
    assert (again.deduplicated, again.state, again.attempts_made) == (True, state, 1)
    assert again.scheduled_for is None
    assert await Runner(flowli).run_until_idle() == 0


async def test_the_same_id_again_is_a_new_job_when_the_record_is_gone(clock: ManualClock) -> None:
    flowli = on_clock(clock)
    await flowli.echo.enqueue("x", id="one", result_ttl="1m")
    await Runner(flowli).run_until_idle()
    clock.advance("1m")

    again = await flowli.echo.enqueue("y", id="one")
    assert (again.deduplicated, again.state) == (False, "queued")


async def test_a_job_that_keeps_nothing_leaves_its_id_free() -> None:
    flowli = app()
    for text in ("x", "y"):
        handle = await flowli.echo.enqueue(text, id="one", result_ttl="0s")
        assert not handle.deduplicated
        assert await Runner(flowli).run_until_idle() == 1


async def test_many_are_stored_in_their_order_each_with_a_handle() -> None:
    flowli = app()
    handles = await flowli.send.enqueue_many([Email(to=f"{at}") for at in range(5)], queue="mail", max_attempts=3)

    records = [await handle.record() for handle in handles]
    assert [record.input_json for record in records] == [b'{"to":"%d","subject":"hello"}' % at for at in range(5)]
    assert {(record.queue, record.max_attempts, record.state) for record in records} == {("mail", 3, "queued")}
    assert len({handle.id for handle in handles}) == 5


async def test_many_may_come_from_any_iterable_and_be_none_at_all() -> None:
    flowli = app()

    assert len(await flowli.echo.enqueue_many(text for text in "abc")) == 3
    assert await flowli.echo.enqueue_many([]) == []
    assert len(await flowli.audit.enqueue_many(["x", "y"], meta=RequestMeta(request_id="r"))) == 2


async def test_many_may_have_ids_and_each_knows_whether_it_is_new() -> None:
    flowli = app()
    await flowli.echo.enqueue("x", id="b")
    handles = await flowli.echo.enqueue_many(["1", "2", "3", "4"], ids=["a", "b", "c", "a"])

    assert [handle.id for handle in handles] == ["a", "b", "c", "a"]
    assert [handle.deduplicated for handle in handles] == [False, True, False, True]
    assert (await flowli.inspect.get_queue_counts()).queued == 3


async def test_many_with_another_number_of_ids_or_with_one_id_are_refused() -> None:
    flowli = app()

    with pytest.raises(ValidationError, match=r"got 2 inputs and 1 ids\. Pass one id for each input"):
        await flowli.echo.enqueue_many(["x", "y"], ids=["a"])
    with pytest.raises(ValidationError, match="got one str as ids"):
        await flowli.echo.enqueue_many(["x", "y"], ids="ab")
    with pytest.raises(ValidationError, match="takes ids=, one for each input, instead of id="):
        await flowli.echo.enqueue_many(["x"], id="a")
    assert (await flowli.inspect.get_queue_counts()).queued == 0


@pytest.mark.parametrize(
    ("delay", "due"),
    [
        ("10m", NOON + timedelta(minutes=10)),
        ("1h30m", NOON + timedelta(minutes=90)),
        ("250ms", NOON + timedelta(milliseconds=250)),
        (timedelta(days=1), NOON + timedelta(days=1)),
        (timedelta(microseconds=1), NOON + timedelta(milliseconds=1)),
        (NOON + timedelta(hours=3), NOON + timedelta(hours=3)),
        (datetime(2031, 5, 6, 15, tzinfo=timezone(timedelta(hours=2))), NOON + timedelta(hours=1)),
    ],
)
async def test_a_delayed_job_is_scheduled_for_its_instant(
    delay: str | timedelta | datetime, due: datetime, clock: ManualClock
) -> None:
    handle = await on_clock(clock).echo.delay(delay, "x")

    assert (handle.state, handle.scheduled_for) == ("scheduled", due)
    record = await handle.record()
    assert (record.state, record.scheduled_for, record.waiting_for) == ("scheduled", due, "due")


@pytest.mark.parametrize(
    "delay", ["0s", timedelta(0), NOON, NOON - timedelta(days=9), datetime(1960, 1, 1, tzinfo=UTC)]
)
async def test_a_delay_that_is_over_already_is_no_delay(delay: str | timedelta | datetime, clock: ManualClock) -> None:
    handle = await on_clock(clock).echo.delay(delay, "x")

    assert handle.state == "queued"


async def test_a_delayed_job_is_executed_when_its_instant_has_come(clock: ManualClock) -> None:
    flowli = on_clock(clock)
    handle = await flowli.echo.delay("10m", "x")
    clock.advance("9m59s999ms")
    assert await Runner(flowli).run_once() == 0

    clock.advance("1ms")
    assert await Runner(flowli).run_once() == 1
    assert await handle.result() == "x"


@pytest.mark.parametrize(
    ("delay", "said"),
    [
        (600, r"^delay\(\) takes the delay first, as '10m', a timedelta or an aware datetime; got int\."),
        (None, "got NoneType"),
        ("600", "the delay is a bare number, which has no unit"),
        ("-1s", "the delay is negative"),
        (timedelta(seconds=-1), "the delay is negative"),
        ("soon", "got str. To run as soon as possible call enqueue"),
        ("11000d", "longer than 10 years"),
        (datetime(2031, 1, 1), "aware datetime, and this one has no time zone"),
        (datetime(2300, 1, 1, tzinfo=UTC), "after the year 2199"),
    ],
)
async def test_any_other_delay_is_refused_with_what_to_write(delay: Any, said: str) -> None:
    flowli = app()

    with pytest.raises(ValidationError, match=said):
        await flowli.echo.delay(delay, "x")
    assert (await flowli.inspect.get_queue_counts()).scheduled == 0


async def test_an_input_in_the_place_of_the_delay_is_answered_with_what_to_call() -> None:
    with pytest.raises(ValidationError) as refused:
        await app().send.delay(Email(to="canary"))  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    assert str(refused.value) == (
        "delay() takes the delay first, as '10m', a timedelta or an aware datetime; got Email. To run as soon as "
        "possible call enqueue()."
    )


@pytest.mark.parametrize("strategy", ["enqueue", "enqueue_many", "delay", "schedule"])
async def test_a_strategy_that_stores_needs_a_driver_and_the_message_says_which(strategy: str) -> None:
    bound = App(context=Services()).echo
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "enqueue": lambda: bound.enqueue("x"),
        "enqueue_many": lambda: bound.enqueue_many(["x"]),
        "delay": lambda: bound.delay("1s", "x"),
        "schedule": lambda: bound.schedule("1h", "x", key="k"),
    }

    with pytest.raises(StrategyError) as refused:
        await calls[strategy]()
    assert str(refused.value) == (
        f"Job 'echo' cannot use {strategy}() without a driver. Pass one: App(context=..., "
        f"driver=RedisDriver('redis://...', prefix='app')), or MemoryDriver() in tests; run() works without."
    )


async def test_everything_else_that_needs_a_driver_says_so_too() -> None:
    flowli = App(context=Services())

    for call in (
        flowli.inspect.get_queue_counts(),
        flowli.inspect.get_job("x"),
        flowli.control.cancel("x"),
        flowli.echo.handle("x").record(),
        flowli.echo.handle("x").result(),
        flowli.echo.handle("x").cancel(),
    ):
        with pytest.raises(StrategyError, match=r"^\w+\(\) without a driver\. Pass one: App\("):
            await call
    with pytest.raises(StrategyError, match=r"^A runner cannot work without a driver\. Pass one: App\("):
        Runner(flowli)


async def test_input_and_options_are_checked_before_the_store_is_asked() -> None:
    class Refusing(MemoryDriver):
        async def open(self) -> None:
            raise AssertionError("the store was asked")

    flowli: Any = Flowli(context=None, jobs=[echo], driver=Refusing())
    for input, options in ((1, {}), ("x", {"priority": 10})):
        with pytest.raises(ValidationError):
            await flowli.use(echo).enqueue(input, **options)
    with pytest.raises(AssertionError, match="the store was asked"):
        await flowli.use(echo).enqueue("x")
