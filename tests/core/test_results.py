"""`gather` and `settled`: results of many jobs with one wait, and what a failure carries home."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Mapping, Sequence

import pytest

from flowli import DefinitionError, Flowli, JobFailedError, JobNotFoundError, Limits, Runner, job
from flowli.driver import Millis, State, StoredJob
from flowli.errors import JobCancelledError
from flowli.results import gather, settled
from flowli_memory import MemoryDriver

pytestmark = pytest.mark.anyio


class _Counting(MemoryDriver):
    """Counts the calls that ask for outcomes."""

    asked: int = 0

    async def outcomes(
        self, ids: Sequence[str], *, wait: Millis = Millis(0), now: Millis | None = None
    ) -> Mapping[str, StoredJob | None]:
        self.asked += 1
        return await super().outcomes(ids, wait=wait, now=now)


@job
async def double(number: int) -> int:
    return 2 * number


@job
async def spell(word: str) -> list[str]:
    return list(word)


@job
async def fail(word: str) -> str:
    secret = word * 2
    raise ValueError(f"no {len(secret)}")


class App(Flowli):
    double = double
    spell = spell
    fail = fail


def _app(limits: Limits | None = None) -> tuple[App, _Counting]:
    driver = _Counting()
    return App(context=None, driver=driver, limits=limits), driver


async def test_results_come_in_the_order_of_the_handles() -> None:
    flowli, _ = _app()
    handles = await flowli.double.enqueue_many([3, 1, 2])
    word = await flowli.spell.enqueue("ab")
    waiting = asyncio.create_task(gather(*reversed(handles)))
    both = asyncio.create_task(gather(handles[0], word))
    await Runner(flowli).run_until_idle()
    assert await waiting == (4, 2, 6)
    assert await both == (6, ["a", "b"])


@pytest.mark.parametrize("timeout", [0, 60])
async def test_one_call_of_the_driver_serves_all_that_have_ended(timeout: int) -> None:
    flowli, driver = _app()
    async with flowli:
        handles = await flowli.double.enqueue_many(range(100))
        await Runner(flowli).run_until_idle()
        driver.asked = 0
        assert await gather(*handles, timeout=timeout) == tuple(2 * number for number in range(100))
        assert driver.asked == 1


async def test_nothing_is_gathered_from_no_handles() -> None:
    assert await gather() == () == await settled()


async def test_the_first_error_ends_the_wait_and_the_other_jobs_go_on() -> None:
    flowli, _ = _app()
    failing, later = await flowli.fail.enqueue("x"), await flowli.double.delay("1h", 1)
    await Runner(flowli).run_until_idle()
    with pytest.raises(JobFailedError, match="ValueError: no 2"):
        await gather(later, failing, timeout=60)
    with pytest.raises(JobFailedError):
        await gather(later, failing, timeout=0)
    assert (await later.record()).state is State.SCHEDULED


@pytest.mark.parametrize("timeout", [0, 0.01])
async def test_a_timeout_says_how_many_are_missing(timeout: float) -> None:
    flowli, _ = _app()
    handles = [await flowli.double.enqueue(1), await flowli.double.delay("1h", 2)]
    await Runner(flowli).run_until_idle()
    with pytest.raises(TimeoutError, match="1 of 2 jobs did not end"):
        await gather(*handles, timeout=timeout)
    with pytest.raises(TimeoutError, match="1 of 2 jobs did not end"):
        await settled(*handles, timeout=timeout)


async def test_how_each_ended_is_told_whatever_that_was() -> None:
    flowli, _ = _app()
    good, bad = await flowli.double.enqueue(4), await flowli.fail.enqueue("x")
    gone = await flowli.double.delay("1h", 5)
    await gone.cancel()
    await Runner(flowli).run_until_idle()
    one, two, three = await settled(good, bad, gone, timeout=60)
    assert (one.state, one.result, one.error) == (State.COMPLETED, 8, None)
    assert two.error is not None and (two.state, two.result, two.error.message) == (State.FAILED, None, "no 2")
    assert (three.state, three.job_id, three.name) == (State.CANCELLED, gone.id, "double")
    with pytest.raises(JobCancelledError):
        await gather(good, gone)


async def test_a_job_without_a_record_has_no_outcome() -> None:
    flowli, _ = _app()
    handles = [await flowli.double.enqueue(1, result_ttl="0s"), await flowli.double.enqueue(2)]
    await Runner(flowli).run_until_idle()
    with pytest.raises(JobNotFoundError):
        await gather(*handles)
    with pytest.raises(JobNotFoundError):
        await settled(*handles)


async def test_jobs_of_several_runtimes_are_gathered() -> None:
    one, other = _app()[0], _app()[0]
    handles = [await flowli.double.enqueue(number) for number, flowli in enumerate((one, other))]
    for flowli in (one, other):
        await Runner(flowli).run_until_idle()
    assert await gather(*handles) == await gather(*handles, timeout=0) == (0, 2)


async def test_a_failure_shows_where_in_the_runner_it_was_raised() -> None:
    flowli, _ = _app()
    handle = await flowli.fail.enqueue("hush")
    await Runner(flowli).run_until_idle()
    with pytest.raises(JobFailedError) as caught:
        await handle.result()
    shown = "".join(traceback.format_exception(caught.value))
    assert "In the runner" in shown and 'raise ValueError(f"no {len(secret)}")' in shown
    assert "hush" not in shown, "a traceback has lines of source, and no values"


async def test_no_traceback_is_kept_where_that_is_not_wanted() -> None:
    flowli, _ = _app(Limits(traceback=0))
    handle = await flowli.fail.enqueue("hush")
    await Runner(flowli).run_until_idle()
    error = (await handle.record()).error
    assert error is not None and (error.message, error.traceback) == ("no 8", None)
    with pytest.raises(JobFailedError) as caught:
        await handle.result()
    assert not hasattr(caught.value, "__notes__")


async def test_of_a_long_traceback_the_end_is_kept() -> None:
    flowli, _ = _app(Limits(traceback=40))
    handle = await flowli.fail.enqueue("hush")
    await Runner(flowli).run_until_idle()
    error = (await handle.record()).error
    assert error is not None and error.traceback is not None
    assert len(error.traceback) == 40 and "len(secret)" in error.traceback


def test_a_negative_bound_of_tracebacks_is_refused() -> None:
    with pytest.raises(DefinitionError, match="from 0 to 100000"):
        Limits(traceback=-1)
