"""Which failures are retried, and what a handler decides by `Snooze`: in virtual time, through the public surface."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from flowli import Backoff, Defaults, DefinitionError, Job, JobTimeoutError, Retry, Runner, Snooze, ValidationError, job
from flowli.events import JobSnoozed
from flowli.records import FailureReason, JobRecord, State, WaitingFor
from flowli_memory import ManualClock
from tests.core.runner_kit import hearing, record, runtime

pytestmark = pytest.mark.anyio

EXACT = Backoff(type="fixed", delay="1s", jitter=False)


class Declined(Exception):
    """What no retry changes."""


class Throttled(ConnectionError):
    """What a later try may get past."""


def failing(error: BaseException, **options: Any) -> Job[object, None, None, None]:
    @job(name="failing", max_attempts=3, backoff=EXACT, **options)
    async def failing() -> None:
        raise error

    return failing


async def once(one: Job[Any, None, None, Any], defaults: Defaults | None = None) -> JobRecord:
    """The record after one attempt."""
    flowli = runtime(one, clock=ManualClock(), defaults=defaults)
    handle = await flowli.use(one).enqueue()
    await Runner(flowli).run_once()
    return await record(flowli, handle.id)


def is_given_up(found: JobRecord) -> bool:
    return (found.state, found.reason, found.failures) == (State.FAILED, FailureReason.GIVEN_UP, 1)


def yes(error: BaseException, failures: int) -> bool:
    return True


def no(error: BaseException, failures: int) -> bool:
    return False


def silent(error: BaseException, failures: int) -> None:
    return None


def once_if_throttled(error: BaseException, failures: int) -> bool:
    return isinstance(error, Throttled) and failures == 1


RETRIED: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"retry_on": ConnectionError}, True),
    ({"retry_on": (LookupError, OSError)}, True),
    ({"retry_on": LookupError}, False),
    ({"retry_on": ()}, False),
    ({"give_up_on": LookupError}, True),
    ({"give_up_on": (LookupError, OSError)}, False),
    ({"retry_on": OSError, "give_up_on": Throttled}, False),
    ({"retry_when": yes, "give_up_on": Throttled}, True),
    ({"retry_when": no}, False),
    ({"retry_when": silent, "give_up_on": Throttled}, False),
    ({"retry_when": once_if_throttled}, True),
]


@pytest.mark.parametrize(("options", "again"), RETRIED)
async def test_the_definition_says_which_failures_are_retried(options: dict[str, Any], again: bool) -> None:
    found = await once(failing(Throttled("slow down"), **options))
    assert is_given_up(found) is not again
    assert (found.waiting_for is WaitingFor.RETRY) is again


async def test_a_runtime_says_it_for_its_jobs_and_a_job_says_otherwise() -> None:
    defaults = Defaults(give_up_on=Declined, retry_on=(Declined, OSError))
    assert is_given_up(await once(failing(Declined()), defaults))
    assert not is_given_up(await once(failing(Declined(), give_up_on=()), defaults))
    assert is_given_up(await once(failing(Declined(), give_up_on=(), retry_on=OSError), defaults))


async def test_a_function_may_choose_the_wait() -> None:
    def patient(error: BaseException, failures: int) -> timedelta:
        return timedelta(seconds=10 * failures)

    clock, one = ManualClock(), failing(Throttled(), retry_when=patient)
    flowli = runtime(one, clock=clock)
    handle = await flowli.use(one).enqueue()
    for wait in (10, 20):
        await Runner(flowli).run_once()
        assert (await record(flowli, handle.id)).scheduled_for == clock.now() + timedelta(seconds=wait)
        clock.advance(f"{wait}s")
    await Runner(flowli).run_once()
    assert (await record(flowli, handle.id)).reason is FailureReason.ATTEMPTS


async def test_a_function_that_fails_is_not_heard_and_its_text_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    def broken(error: BaseException, failures: int) -> bool:
        raise RuntimeError("a secret")

    with caplog.at_level(logging.ERROR, "flowli.runner"):
        found = await once(failing(Throttled(), retry_when=broken))
    assert found.waiting_for is WaitingFor.RETRY
    assert "retry_when of a job failed with RuntimeError" in caplog.text
    assert "a secret" not in caplog.text


async def test_what_a_handler_asks_for_itself_is_done() -> None:
    found = await once(failing(Retry("busy", after="7s"), give_up_on=BaseException))
    assert found.waiting_for is WaitingFor.RETRY


@pytest.mark.slow
async def test_a_time_out_is_a_failure_of_its_own_kind() -> None:
    @job(max_attempts=3, timeout="20ms", give_up_on=JobTimeoutError)
    async def slow() -> None:
        await asyncio.Event().wait()

    assert is_given_up(await once(slow))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"retry_on": "OSError"}, "retry_on is an exception class or a tuple of them"),
        ({"give_up_on": [OSError]}, "give_up_on is an exception class or a tuple of them"),
        ({"give_up_on": (OSError, int)}, "give_up_on is an exception class or a tuple of them"),
        ({"retry_when": OSError()}, "retry_when is a plain function"),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_is_defined(options: dict[str, Any], text: str) -> None:
    with pytest.raises(DefinitionError, match=text):
        failing(OSError(), **options)
    with pytest.raises(ValidationError, match=text):
        Defaults(**options)


async def test_a_call_cannot_bring_what_cannot_be_stored() -> None:
    one = failing(OSError())
    flowli, given = runtime(one), dict[str, Any](retry_on=OSError)
    with pytest.raises(ValidationError, match="retry_on is of the definition: pass it to @job or Defaults"):
        await flowli.use(one).enqueue(**given)


def counted(calls: list[int], until: int) -> Callable[[], Any]:
    async def wait_for_it() -> str:
        calls.append(len(calls) + 1)
        if len(calls) < until:
            raise Snooze("5m", "the report is not there yet")
        return "done"

    return wait_for_it


async def test_a_snooze_comes_again_and_is_no_failure() -> None:
    clock, calls = ManualClock(), list[int]()
    one = job(max_attempts=1)(counted(calls, until=4))
    flowli = runtime(one, clock=clock)
    handle = await flowli.use(one).enqueue()
    runner = Runner(flowli)
    heard = hearing(runner, JobSnoozed)
    for number in (1, 2, 3):
        assert await runner.run_once() == 1
        found = await record(flowli, handle.id)
        assert (found.state, found.waiting_for) == (State.SCHEDULED, WaitingFor.DUE)
        assert (found.attempts_made, found.failures, found.error) == (number, 0, None)
        assert found.scheduled_for == clock.now() + timedelta(minutes=5)
        clock.advance("299s")
        assert await runner.run_once() == 0
        clock.advance("1s")
    assert await runner.run_once() == 1
    assert await handle.result() == "done"
    assert heard == [JobSnoozed(job_id=handle.id, job_name=one.name, attempt=n, wait_s=300.0) for n in (1, 2, 3)]


async def test_a_snooze_leaves_the_failures_that_were_counted() -> None:
    clock, outcomes = ManualClock(), [OSError(), Snooze("1s"), OSError(), Snooze("1s"), OSError()]

    @job(max_attempts=3, backoff=EXACT)
    async def moody() -> None:
        raise outcomes.pop(0)

    flowli = runtime(moody, clock=clock)
    handle = await flowli.use(moody).enqueue()
    for _ in range(6):
        await Runner(flowli).run_once()
        clock.advance("1s")
    found = await record(flowli, handle.id)
    assert (found.state, found.attempts_made, found.failures) == (State.FAILED, 5, 3)


async def test_under_run_a_snooze_reaches_the_caller() -> None:
    one = job(counted([], until=2))
    with pytest.raises(Snooze, match="not there yet") as caught:
        await runtime(one).use(one).run()
    assert caught.value.after == timedelta(minutes=5)


def test_a_snooze_says_how_long() -> None:
    with pytest.raises(ValidationError, match=r"Snooze\(\) is a bare number"):
        Snooze(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
