"""Options of a call over those of its job over those of its runtime, and the bounds of each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from flowli import Backoff, CallOptions, Defaults, Flowli, FlowliError, JobHandle, ValidationError, job
from flowli.options import BUILT_IN, resolve
from flowli.records import JobRecord
from flowli.wire import Head, decode_head
from flowli_memory import MemoryDriver
from tests.core.work import app, echo

pytestmark = pytest.mark.anyio

plain = job(name="plain")(echo.handler)
tuned = job(
    name="tuned",
    queue="jobs",
    priority=4,
    max_attempts=4,
    backoff=Backoff(delay="4s"),
    timeout="4s",
    max_deliveries=4,
    result_ttl="4h",
    failed_ttl="4d",
    unknown_ttl="4m",
)(echo.handler)


class App(Flowli):
    plain = plain
    tuned = tuned


def with_defaults(**given: Any) -> App:
    return App(context=None, driver=MemoryDriver(), defaults=Defaults(**given))


async def head_of(flowli: App, handle: JobHandle[str]) -> Head:
    driver = await flowli.__flowli__.driver("the test")
    [stored] = await driver.get_jobs([handle.id])
    assert stored is not None
    return decode_head(stored.head)


async def record_of(handle: JobHandle[str]) -> JobRecord:
    return await handle.record()


async def test_without_any_option_a_job_has_the_documented_defaults() -> None:
    flowli = App(context=None, driver=MemoryDriver())
    handle = await flowli.plain.enqueue("x")

    assert (await head_of(flowli, handle)).options == BUILT_IN
    assert Defaults().resolved() == BUILT_IN
    assert (BUILT_IN.max_attempts, BUILT_IN.timeout, BUILT_IN.max_deliveries) == (1, None, 5)
    assert (BUILT_IN.result_ttl, BUILT_IN.failed_ttl, BUILT_IN.unknown_ttl) == (3_600_000, 604_800_000, 604_800_000)
    record = await handle.record()
    assert (record.queue, record.priority, record.max_attempts) == ("default", 0, 1)


async def test_the_options_of_the_runtime_hold_where_nobody_says_otherwise() -> None:
    flowli = with_defaults(queue="slow", priority=2, max_attempts=3, backoff=Backoff(type="fixed"), timeout="9s")
    handle = await flowli.plain.enqueue("x")

    record, head = await handle.record(), await head_of(flowli, handle)
    assert (record.queue, record.priority, record.max_attempts) == ("slow", 2, 3)
    assert (head.options.backoff, head.options.timeout) == (Backoff(type="fixed"), 9_000)


async def test_the_options_of_the_job_win_over_those_of_the_runtime() -> None:
    flowli = with_defaults(queue="slow", priority=2, max_attempts=3, timeout="9s", failed_ttl="9d")
    handle = await flowli.tuned.enqueue("x")

    record, options = await handle.record(), (await head_of(flowli, handle)).options
    assert (record.queue, record.priority, record.max_attempts) == ("jobs", 4, 4)
    assert (options.backoff, options.timeout, options.max_deliveries) == (Backoff(delay="4s"), 4_000, 4)
    assert (options.result_ttl, options.failed_ttl, options.unknown_ttl) == (14_400_000, 345_600_000, 240_000)


async def test_the_options_of_the_call_win_over_all() -> None:
    flowli = with_defaults(queue="slow")
    given: CallOptions = {
        "queue": "now",
        "priority": 9,
        "max_attempts": 7,
        "backoff": Backoff(delay="7s"),
        "timeout": timedelta(seconds=7),
        "result_ttl": "0s",
    }
    handle = await flowli.tuned.enqueue("x", **given)

    record, options = await handle.record(), (await head_of(flowli, handle)).options
    assert (record.queue, record.priority, record.max_attempts) == ("now", 9, 7)
    assert (options.backoff, options.timeout, options.result_ttl) == (Backoff(delay="7s"), 7_000, 0)
    assert options.failed_ttl == 345_600_000


async def test_an_option_of_one_call_does_not_stay_for_the_next() -> None:
    flowli = with_defaults()
    await flowli.plain.enqueue("x", queue="other", max_attempts=9)

    record = await (await flowli.plain.enqueue("x")).record()
    assert (record.queue, record.max_attempts) == ("default", 1)


async def test_a_job_may_take_back_the_timeout_of_its_runtime() -> None:
    patient = job(name="patient", timeout=None)(echo.handler)
    flowli = Flowli(context=None, jobs=[patient], driver=MemoryDriver(), defaults=Defaults(timeout="1s"))

    assert flowli.__flowli__.plan(patient).options.timeout is None


BAD: list[tuple[dict[str, Any], str]] = [
    ({"priority": 10}, "priority is a whole number from 0 to 9; got 10"),
    ({"priority": -1}, "priority is a whole number from 0 to 9; got -1"),
    ({"priority": True}, "priority is a whole number from 0 to 9; got True"),
    ({"priority": "high"}, "priority is a whole number from 0 to 9; got str"),
    ({"max_attempts": 0}, "max_attempts is a whole number from 1 to 10000; got 0"),
    ({"max_attempts": 10_001}, "max_attempts is a whole number from 1 to 10000; got 10001"),
    ({"max_attempts": 1.5}, "max_attempts is a whole number from 1 to 10000; got 1.5"),
    ({"queue": ""}, "queue has 1 to 64 characters"),
    ({"queue": "a:b"}, "queue has 1 to 64 characters"),
    ({"queue": 7}, "queue must be a str, not int"),
    ({"timeout": 30}, "timeout is a bare number, which has no unit"),
    ({"timeout": "0s"}, "timeout has to be longer than 0"),
    ({"timeout": timedelta(seconds=-1)}, "timeout is negative"),
    ({"result_ttl": "soon"}, "result_ttl is a str that says no duration"),
    ({"result_ttl": timedelta(days=4000)}, "result_ttl is longer than 10 years"),
    ({"result_ttl": None}, "result_ttl must be a str such as '10s' or a timedelta, not NoneType"),
    ({"backoff": "2s"}, r"backoff is a Backoff, such as Backoff\(delay='2s'\); got str"),
    ({"max_atempts": 3}, "There is no option 'max_atempts'. Known options: backoff, .*max_attempts"),
]
RUNTIME_ONLY: list[tuple[dict[str, Any], str]] = [
    ({"max_deliveries": 0}, "max_deliveries is a whole number from 1 to 10000; got 0"),
    ({"failed_ttl": 7}, "failed_ttl is a bare number"),
    ({"unknown_ttl": "-1s"}, "unknown_ttl is negative"),
]


@pytest.mark.parametrize(("given", "said"), BAD)
async def test_an_option_out_of_bounds_is_refused_by_every_call(given: dict[str, Any], said: str) -> None:
    flowli = app()

    with pytest.raises(ValidationError, match=said):
        await flowli.echo.enqueue("x", **given)
    with pytest.raises(ValidationError, match=said):
        await flowli.echo.delay("1s", "x", **given)
    with pytest.raises(ValidationError, match=said):
        await flowli.echo.enqueue_many(["x"], **given)
    with pytest.raises(ValidationError, match=said):
        await flowli.echo.schedule("1h", "x", key="k", **given)
    counts = await flowli.inspect.get_queue_counts()
    assert (counts.queued, counts.scheduled, counts.schedules) == (0, 0, 0)


@pytest.mark.parametrize(("given", "said"), [*BAD[:-1], *RUNTIME_ONLY])
def test_an_option_out_of_bounds_is_refused_as_a_default(given: dict[str, Any], said: str) -> None:
    with pytest.raises(FlowliError, match=said):
        Defaults(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"priority": 0},
        {"priority": 9},
        {"max_attempts": 1},
        {"max_attempts": 10_000},
        {"queue": "A-b_c.9"},
        {"timeout": "1ms"},
        {"result_ttl": "0s"},
        {"result_ttl": "3653d"},
    ],
)
async def test_the_bounds_themselves_are_allowed(given: dict[str, Any]) -> None:
    handle = await app().echo.enqueue("x", **given)

    assert handle.state == "queued"


def test_options_in_machine_form_are_all_spans_in_milliseconds() -> None:
    options = resolve(BUILT_IN, {"timeout": "1m", "result_ttl": timedelta(microseconds=1), "failed_ttl": "0s"})

    assert (options.timeout, options.result_ttl, options.failed_ttl) == (60_000, 1, 0)
