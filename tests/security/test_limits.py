"""X8: every size that a user can set has a limit, and what is above it is refused with the limit and the size."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from flowli import (
    Backoff,
    DefinitionError,
    Flowli,
    LimitExceeded,
    Limits,
    Runner,
    SchedulingError,
    ValidationError,
    job,
)
from flowli.driver import Change, Millis, NewJob, State, StoredSchedule
from flowli.errors import DriverError, JobFailedError
from flowli.limits import MOST_BYTES, depth_of
from flowli.records import FailureReason
from flowli.resp.driver import RespDriver
from flowli_memory import MemoryDriver
from tests.support.jobs import job_of
from tests.support.outside import Outside

pytestmark = pytest.mark.anyio

KIB = 1024


@job
async def keep(value: Any) -> Any:
    return value


@job
async def grow(size: int) -> str:
    return "x" * size


class App(Flowli):
    keep = keep
    grow = grow


def _app(**limits: int) -> App:
    return App(context=None, driver=MemoryDriver(), limits=Limits(**limits))


def _nested(depth: int) -> Any:
    value: Any = 0
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


async def test_a_payload_has_256_kib_at_most() -> None:
    app = _app()
    most = 256 * KIB - len('""')
    await app.keep.enqueue("x" * most)
    with pytest.raises(LimitExceeded) as caught:
        await app.keep.enqueue("x" * (most + 1))
    assert (caught.value.limit, caught.value.size) == (256 * KIB, 256 * KIB + 1)
    assert "262144" in str(caught.value) and "262145" in str(caught.value) and "xx" not in str(caught.value)


@pytest.mark.parametrize("call", ["delay", "schedule", "enqueue_many"])
async def test_the_limit_of_a_payload_holds_for_every_strategy(call: str) -> None:
    app, long = _app(payload_bytes=100), "x" * 200
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "delay": lambda: app.keep.delay("1m", long),
        "schedule": lambda: app.keep.schedule("1m", long, key="k"),
        "enqueue_many": lambda: app.keep.enqueue_many(["short", long]),
    }
    with pytest.raises(LimitExceeded) as caught:
        await calls[call]()
    assert (caught.value.limit, caught.value.size) == (100, 202)
    counts = await app.inspect.get_queue_counts()
    assert (counts.queued, counts.scheduled, counts.schedules) == (0, 0, 0), "nothing was stored"


async def test_a_setting_raises_the_limit_to_8_mib() -> None:
    app = _app(payload_bytes=MOST_BYTES)
    await app.keep.enqueue("x" * (MOST_BYTES - 2))
    with pytest.raises(LimitExceeded):
        await app.keep.enqueue("x" * (MOST_BYTES - 1))


@pytest.mark.parametrize(
    "wrong",
    [{"payload_bytes": MOST_BYTES + 1}, {"result_bytes": 0}, {"depth": 129}, {"batch": 1_000_001}, {"batch": True}],
)
def test_no_setting_is_above_the_hard_limits(wrong: dict[str, int]) -> None:
    with pytest.raises(DefinitionError, match=next(iter(wrong))):
        Limits(**wrong)


async def test_a_payload_is_nested_32_deep_at_most() -> None:
    app = _app()
    await app.keep.enqueue(_nested(32))
    await app.keep.enqueue([[]] * 100)  # many brackets are not deep
    await app.keep.enqueue("[{" * 100)  # brackets in a text are none
    with pytest.raises(LimitExceeded) as caught:
        await app.keep.enqueue(_nested(33))
    assert (caught.value.limit, caught.value.size) == (32, 33)


@pytest.mark.parametrize("value", ['[{"', '\\"]', "[" * 40, '{"a": "b\\"["}', "\\", '"'])
def test_texts_do_not_count_as_depth(value: str) -> None:
    assert depth_of(json.dumps([value, {value: [value]}]).encode()) == 3


async def test_a_result_above_its_limit_fails_the_job() -> None:
    app = _app(result_bytes=100)
    handle = await app.grow.enqueue(99, max_attempts=5)
    await Runner(app).run_until_idle()
    with pytest.raises(JobFailedError, match="101 bytes as JSON, and 100 are the most") as caught:
        await handle.result(timeout=20)
    assert (caught.value.record.reason, caught.value.record.attempts_made) == (FailureReason.VALIDATION, 1)


async def test_a_batch_has_a_limit() -> None:
    app = _app(batch=3)
    assert len(await app.keep.enqueue_many([1, 2, 3])) == 3
    with pytest.raises(LimitExceeded) as caught:
        await app.keep.enqueue_many([1, 2, 3, 4])
    assert (caught.value.limit, caught.value.size) == (3, 4)


async def test_texts_of_errors_are_cut() -> None:
    @job
    async def complain() -> None:
        raise RuntimeError("x" * 100_000)

    app = Flowli(context=None, driver=MemoryDriver(), jobs=[complain])
    handle = await app.use(complain).enqueue()
    await Runner(app).run_until_idle()
    error = (await handle.record()).error
    assert error is not None
    assert len(error.message) < 2_100 and len(error.traceback or "") <= 16_000


REFUSED: list[tuple[str, Callable[[App], Awaitable[object]]]] = [
    ("an id of 201 bytes", lambda app: app.keep.enqueue(1, id="x" * 201)),
    ("a queue name of 65", lambda app: app.keep.enqueue(1, queue="x" * 65)),
    ("a key of 151 bytes", lambda app: app.keep.schedule("1m", 1, key="x" * 151)),
    ("a cron text of 129", lambda app: app.keep.schedule("0 " + "0," * 60 + "0 * * *", 1, key="k")),
    ("a zone of 65", lambda app: app.keep.schedule("1m", 1, key="k", tz="x" * 65)),
    ("over ten years", lambda app: app.keep.delay(timedelta(days=3654), 1)),
    ("a retention of ten years and a day", lambda app: app.keep.enqueue(1, result_ttl="3654d")),
    ("10,001 attempts", lambda app: app.keep.enqueue(1, max_attempts=10_001)),
    ("a priority of 10", lambda app: app.keep.enqueue(1, priority=10)),
    ("a backoff of eleven years", lambda app: app.keep.enqueue(1, backoff=Backoff(delay="4000d"))),
    ("a page of 501", lambda app: app.inspect.get_jobs_by_state("queued", limit=501)),
    ("a page of 501 schedules", lambda app: app.inspect.get_schedules(limit=501)),
]


@pytest.mark.parametrize("call", [pytest.param(call, id=name) for name, call in REFUSED])
async def test_what_has_a_limit_elsewhere_is_refused(call: Callable[[App], Awaitable[object]]) -> None:
    with pytest.raises((ValidationError, SchedulingError, DefinitionError)) as caught:
        await call(_app())
    assert len(str(caught.value)) < 500, "what is long is not repeated"


async def test_the_store_refuses_what_no_core_sends(driver: RespDriver, client: Outside, prefix: str) -> None:
    """A producer that does not keep the limits: the script refuses before its first write."""
    large = job_of("large", body=b"x" * (MOST_BYTES + 100_000))
    with pytest.raises(DriverError, match="8 MiB"):
        await driver.enqueue([large])
    successor = StoredSchedule(key="k", version=0, next_run_at=Millis(1), body=b"1{}")
    with pytest.raises(DriverError, match="8 MiB"):
        await driver.change_schedules([Change(key="k", expected=0, successor=successor, jobs=[large])])
    assert await client.keys(f"flowli:{{{prefix}}}:*") == {f"flowli:{{{prefix}}}:meta"}, "nothing was written"


async def test_a_stored_input_that_is_nested_without_end_does_not_hurt_the_runner() -> None:
    driver = MemoryDriver()
    app = App(context=None, driver=driver)
    async with app:
        deep = b"[" * 100_000 + b"]" * 100_000
        await driver.enqueue(
            [NewJob("deep", "default", "keep", b"1", deep), NewJob("a", "default", "keep", b"1", b"1")]
        )
        await Runner(app).run_until_idle()
        [deep_job, other] = await driver.get_jobs(["deep", "a"])
    assert deep_job is not None and deep_job.state is State.SCHEDULED, "parked as unreadable"
    assert other is not None and other.state is State.COMPLETED
