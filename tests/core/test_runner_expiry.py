"""``expires_in``: what was not started in time is cancelled, whatever kept it from being started."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from flowli import Backoff, Defaults, Flowli, JobCancelledError, Runner, ValidationError, job
from flowli.events import JobCancelled
from flowli.firing import try_to_fire
from flowli.records import State
from flowli.settle import hand_back
from flowli_memory import ManualClock, MemoryDriver
from tests.core.runner_kit import bare_lease, driver_of, hearing, lost_runner, record, runtime

pytestmark = pytest.mark.anyio


@job(name="alert", max_attempts=9, backoff=Backoff(type="fixed", delay="1h", max_delay=None, jitter=False))
async def alert() -> str:
    return "sent"


@job(name="moody", max_attempts=9, backoff=Backoff(type="fixed", delay="1h", max_delay=None, jitter=False))
async def moody() -> None:
    raise OSError


async def test_what_is_not_started_in_time_is_cancelled_and_says_why() -> None:
    clock = ManualClock()
    flowli = runtime(alert, clock=clock)
    handle = await flowli.use(alert).enqueue(expires_in="5m")
    assert (await record(flowli, handle.id)).start_by == clock.now() + timedelta(minutes=5)
    clock.advance("5m")
    runner = Runner(flowli)
    heard = hearing(runner, JobCancelled)
    assert await runner.run_once() == 0
    found = await record(flowli, handle.id)
    assert (found.state, found.attempts_made, found.failures) == (State.CANCELLED, 0, 0)
    assert found.start_by is None
    with pytest.raises(JobCancelledError, match=r"was cancelled: it was not started within 5m \(expires_in\)"):
        await handle.result()
    assert heard == [JobCancelled(job_id=handle.id, job_name="alert", attempt=0)]


async def test_in_time_it_is_started() -> None:
    clock = ManualClock()
    flowli = runtime(alert, clock=clock)
    handle = await flowli.use(alert).enqueue(expires_in="5m")
    clock.advance("4m")
    assert await Runner(flowli).run_once() == 1
    assert await handle.result() == "sent"


async def test_a_delay_is_not_counted() -> None:
    clock = ManualClock()
    flowli = runtime(alert, clock=clock)
    early = await flowli.use(alert).delay("1h", expires_in="5m")
    late = await flowli.use(alert).delay("1h", expires_in="4m")
    assert (await record(flowli, early.id)).start_by == clock.now() + timedelta(minutes=65)
    clock.advance("64m")
    assert await Runner(flowli).run_once() == 1
    assert (await early.result(), (await late.record()).state) == ("sent", State.CANCELLED)


async def test_the_job_of_a_schedule_counts_from_when_it_was_fired() -> None:
    clock = ManualClock(datetime.fromisoformat("2030-01-01T00:00:00+00:00"))
    flowli = runtime(alert, clock=clock)
    await flowli.use(alert).schedule("0 * * * *", key="hourly", expires_in="10m")
    clock.advance("1h")
    driver = await driver_of(flowli)
    assert await try_to_fire(driver, (await driver.overview()).now)
    [made] = await flowli.inspect.get_jobs_by_state("queued")
    assert made.start_by == clock.now() + timedelta(minutes=10)
    clock.advance("11m")
    assert await Runner(flowli).run_once() == 0
    assert (await record(flowli, made.id)).state is State.CANCELLED


@pytest.mark.parametrize("wait", ["1h", "3h"])
async def test_what_was_started_once_no_longer_expires(wait: str) -> None:
    clock = ManualClock()
    flowli = runtime(moody, clock=clock)
    handle = await flowli.use(moody).enqueue(expires_in="5m")
    await Runner(flowli).run_once()
    clock.advance(wait)
    assert await Runner(flowli).run_once() == 1
    assert ((await record(flowli, handle.id)).failures, (await record(flowli, handle.id)).start_by) == (2, None)


async def test_what_a_lost_runner_may_have_started_no_longer_expires() -> None:
    clock = ManualClock()
    flowli = runtime(alert, clock=clock)
    await flowli.use(alert).enqueue(expires_in="10s")
    await lost_runner(flowli, clock)
    assert await Runner(flowli).run_once() == 1


async def test_a_job_that_was_leased_and_not_started_keeps_its_instant() -> None:
    clock = ManualClock()
    flowli = runtime(alert, clock=clock)
    handle = await flowli.use(alert).enqueue(expires_in="5m")
    by = clock.now() + timedelta(minutes=5)
    for _ in range(2):
        clock.advance("1m")
        [lease] = await bare_lease(flowli)
        await (await driver_of(flowli)).exchange([hand_back(lease).settlement])
        assert (await record(flowli, handle.id)).start_by == by
    clock.advance("3m")
    assert await Runner(flowli).run_once() == 0
    assert (await record(flowli, handle.id)).state is State.CANCELLED


async def test_a_job_that_no_runner_knows_expires_where_it_is_parked() -> None:
    clock = ManualClock()
    driver = MemoryDriver(clock=clock)
    there, here = runtime(alert, driver=driver), Flowli(context=None, driver=driver)
    handle = await there.use(alert).enqueue(expires_in="5m")
    by = clock.now() + timedelta(minutes=5)
    for _ in range(4):
        await Runner(here).run_once()
        assert (await record(there, handle.id)).start_by == by
        clock.advance("1m")
    clock.advance("1m")
    await Runner(here).run_once()
    assert (await record(there, handle.id)).state is State.CANCELLED


async def test_a_definition_or_a_runtime_may_say_it_for_all_calls() -> None:
    brief = job(name="brief", expires_in="1m")(alert.handler)
    flowli = runtime(brief, alert, defaults=Defaults(expires_in="2m"))
    plans = [flowli.__flowli__.plan(one).options.expires_in for one in (brief, alert)]
    assert plans == [60_000, 120_000]


@pytest.mark.parametrize(
    ("given", "text"), [("0s", "expires_in has to be longer than 0"), (5, "expires_in is a bare number")]
)
async def test_a_span_that_says_nothing_is_refused(given: Any, text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        await runtime(alert).use(alert).enqueue(expires_in=given)
