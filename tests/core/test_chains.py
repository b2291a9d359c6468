"""Chains and groups: what a step gets of those before it, how failures and cancellations travel."""

from __future__ import annotations

from collections import Counter

import pytest

from flowli import (
    Flowli,
    JobCancelledError,
    JobFailedError,
    Runner,
    job,
)
from flowli.driver import State
from flowli.events import JobFailed, JobStarted
from flowli.records import FailureReason, WaitingFor
from flowli_memory import ManualClock, MemoryDriver
from tests.core.chain_work import Meta, Work, calls, fetch_flaky, finished, parse, step
from tests.core.runner_kit import bare_lease, driver_of, hearing, record

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def flowli(clock: ManualClock) -> Work:
    return Work(context=None, driver=MemoryDriver(clock=clock))


async def test_the_result_of_one_job_is_the_input_of_the_next(flowli: Work) -> None:
    handle = await flowli.fetch.then(flowli.parse).enqueue("abc")

    waiting = await step(flowli, handle)
    assert (handle.state, handle.scheduled_for, waiting.waiting_for) == (State.SCHEDULED, None, WaitingFor.PARENTS)
    assert waiting.parents == (f"{handle.id}~0",) and waiting.input_json is None
    await finished(flowli)
    assert await handle.result(timeout=0) == "xxx"
    assert calls == {"fetch": 1, "parse": 1}


async def test_each_step_is_a_record_of_its_own(flowli: Work) -> None:
    chain = flowli.fetch.then(flowli.parse, queue="texts", priority=3).then(flowli.sign, meta=Meta(actor="ann"))
    handle = await chain.enqueue("abc", id="page-1", queue="crawl", max_attempts=2)

    steps = [await record(flowli, id) for id in ("page-1~0~0", "page-1~0", "page-1")]
    assert [(step.name, step.queue, step.priority) for step in steps] == [
        ("fetch", "crawl", 0),
        ("parse", "texts", 3),
        ("sign", "default", 0),
    ]
    assert [step.max_attempts for step in steps] == [2, 1, 1]
    assert [step.parents for step in steps] == [(), ("page-1~0~0",), ("page-1~0",)]
    await finished(flowli)
    assert await handle.result(timeout=0) == "xxx by ann"


async def test_a_group_is_gathered_in_the_order_of_its_inputs(flowli: Work, clock: ManualClock) -> None:
    handle = await flowli.fetch_flaky.map(["a", "bb", "ccc"]).then(flowli.merge).then(flowli.parse).enqueue()
    gathered: list[list[int]] = []

    @job(name="merge")
    async def look(numbers: list[int]) -> int:
        gathered.append(numbers)
        return sum(numbers)

    other = Flowli(context=None, jobs=[fetch_flaky, look, parse], driver=(await driver_of(flowli)).twin())
    async with other:
        await Runner(other).run_until_idle()
        assert gathered == [], "one of them is tried again"
        clock.advance("1s")
        await Runner(other).run_until_idle()
    assert gathered == [[1, 2, 3]]
    assert await handle.result(timeout=0) == "xxxxxx"


async def test_a_chain_is_mapped_as_a_job_is(flowli: Work) -> None:
    handle = await flowli.fetch.then(flowli.parse).map(["a", "bb"], queue="crawl").then(flowli.join).enqueue()

    assert (await record(flowli, f"{handle.id}~1~0")).queue == "crawl"
    await finished(flowli)
    assert await handle.result(timeout=0) == "x xx"


async def test_a_group_of_none_is_gathered_at_once(flowli: Work) -> None:
    handle = await flowli.fetch.map([]).then(flowli.merge).enqueue()

    assert handle.state is State.QUEUED
    await finished(flowli)
    assert await handle.result(timeout=0) == 0


@pytest.mark.slow
async def test_a_thousand_are_gathered(flowli: Work) -> None:
    handle = await flowli.fetch.map(["ab"] * 1_000).then(flowli.merge).enqueue()

    await finished(flowli)
    assert await handle.result(timeout=0) == 2_000
    assert calls == {"fetch": 1_000, "merge": 1}


async def test_a_step_after_one_that_failed_fails_for_its_reason(flowli: Work) -> None:
    handle = await flowli.fetch.then(flowli.parse).then(flowli.sign, meta=Meta(actor="ann")).enqueue("bad")
    runner = Runner(flowli)
    failed, started = hearing(runner, JobFailed), hearing(runner, JobStarted)
    await runner.run_until_idle()

    last = await step(flowli, handle)
    assert (last.state, last.reason, last.attempts_made) == (State.FAILED, FailureReason.PARENT, 0)
    assert last.error is not None and last.error.message == (
        f"The step before it, 'fetch' ({handle.id}~0~0) failed: ValueError: no such host"
    )
    assert [event.job_name for event in failed] == ["fetch", "parse", "sign"]
    assert [event.job_name for event in started] == ["fetch"], "what is not called does not start"
    assert calls == {"fetch": 1}
    with pytest.raises(JobFailedError, match="no such host"):
        await handle.result(timeout=0)


async def test_a_step_after_one_that_was_cancelled_is_cancelled(flowli: Work) -> None:
    handle = await flowli.fetch.then(flowli.parse).then(flowli.sign, meta=Meta(actor="ann")).enqueue("unwanted")
    await finished(flowli)

    assert [(await record(flowli, id)).state for id in (f"{handle.id}~0", handle.id)] == [State.CANCELLED] * 2
    with pytest.raises(JobCancelledError, match=r"'fetch' \(.+\) was cancelled: flowli.attempt.Cancel: not wanted"):
        await handle.result(timeout=0)


async def test_a_failure_among_a_group_counts_more_than_a_cancellation(flowli: Work) -> None:
    handle = await flowli.fetch.map(["unwanted", "bad", "ccc"]).then(flowli.merge).enqueue()
    await finished(flowli)

    assert (await step(flowli, handle)).reason is FailureReason.PARENT
    assert calls == {"fetch": 3}, "the members know nothing of each other"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("abc", "fetch completed 3 None"),
        ("bad", "fetch failed None no such host"),
        ("unwanted", "fetch cancelled None not wanted"),
    ],
)
async def test_a_step_that_wants_the_outcome_is_called_whatever_it_is(flowli: Work, url: str, said: str) -> None:
    handle = await flowli.fetch.then(flowli.report, when="settled").enqueue(url)
    await finished(flowli)

    assert await handle.result(timeout=0) == said


async def test_a_callback_gets_the_outcomes_of_all(flowli: Work) -> None:
    handle = await flowli.fetch.map(["a", "bad", "unwanted"]).then(flowli.reports, when="settled").enqueue()
    await finished(flowli)

    assert await handle.result(timeout=0) == [
        "completed 1 None",
        "failed None no such host",
        "cancelled None not wanted",
    ]


async def test_an_outcome_after_a_broken_chain_is_that_of_its_last_step(flowli: Work) -> None:
    chain = flowli.fetch.then(flowli.parse).then(flowli.fetch)
    handle = await chain.then(flowli.report, when="settled").enqueue("bad")
    await finished(flowli)

    assert (await handle.result(timeout=0)).startswith("fetch failed None The step before it, 'fetch' (")


async def test_cancelling_a_chain_cancels_every_step_that_waits(flowli: Work) -> None:
    handle = await flowli.fetch.then(flowli.parse).map(["a", "bb"]).then(flowli.join).enqueue()

    assert await handle.cancel() is True
    counts = await flowli.inspect.get_queue_counts()
    assert (counts.cancelled, counts.scheduled, counts.queued) == (5, 0, 0)
    await finished(flowli)
    assert calls == {}


async def test_cancelling_a_chain_asks_what_runs_and_lets_stand_what_is_over(flowli: Work) -> None:
    handle = await flowli.fetch.then(flowli.parse).map(["a", "bb"]).then(flowli.join).enqueue(id="all")
    await Runner(flowli, max_jobs_per_tick=1).run_once()
    (running, *_) = await bare_lease(flowli)

    assert await handle.cancel() is True
    assert (await record(flowli, "all~0~0")).state is State.COMPLETED
    states = Counter([(await record(flowli, id)).state for id in ("all~0", "all~1", "all~1~0")])
    assert running.id in ("all~1~0", "all~0") and states[State.ACTIVE] >= 1
    assert (await record(flowli, "all")).state is State.CANCELLED


async def test_cancelling_a_step_in_the_middle_cancels_what_comes_after_it(flowli: Work) -> None:
    handle = await flowli.fetch.then(flowli.parse).then(flowli.sign, meta=Meta(actor="ann")).enqueue("abc")
    await flowli.control.cancel(f"{handle.id}~0")
    await finished(flowli)

    assert (await step(flowli, handle)).state is State.CANCELLED
    assert (await record(flowli, f"{handle.id}~0~0")).state is State.CANCELLED, "nobody needs it any more"
