"""What Flowli raises: codes, families, and the data that a caller may act on."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import flowli
from flowli import (
    DriverClosed,
    DriverError,
    DriverUnavailable,
    EnqueueUnknown,
    Flowli,
    FlowliError,
    JobCancelledError,
    JobFailedError,
    JobNotFoundError,
    JobTimeoutError,
    LimitExceeded,
    NotDurable,
    QueueFull,
    SchedulingError,
    StrategyError,
    ValidationError,
)
from flowli.driver import Enqueued, Millis, NewJob, Turn
from flowli.records import JobError
from flowli_memory import MemoryDriver
from tests.core.work import app, echo

pytestmark = pytest.mark.anyio

CODES: dict[type[FlowliError], str] = {
    FlowliError: "FLOWLI_ERROR",
    flowli.DefinitionError: "FLOWLI_DEFINITION_ERROR",
    ValidationError: "FLOWLI_VALIDATION_ERROR",
    StrategyError: "FLOWLI_STRATEGY_ERROR",
    SchedulingError: "FLOWLI_SCHEDULING_ERROR",
    DriverError: "FLOWLI_DRIVER_ERROR",
    DriverUnavailable: "FLOWLI_DRIVER_UNAVAILABLE",
    EnqueueUnknown: "FLOWLI_ENQUEUE_UNKNOWN",
    DriverClosed: "FLOWLI_DRIVER_CLOSED",
    QueueFull: "FLOWLI_QUEUE_FULL",
    NotDurable: "FLOWLI_NOT_DURABLE",
    JobFailedError: "FLOWLI_JOB_FAILED_ERROR",
    JobCancelledError: "FLOWLI_JOB_CANCELLED_ERROR",
    JobTimeoutError: "FLOWLI_TIMEOUT",
    LimitExceeded: "FLOWLI_LIMIT_EXCEEDED",
    JobNotFoundError: "FLOWLI_JOB_NOT_FOUND_ERROR",
}


@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_every_error_has_a_code_that_does_not_change(kind: type[FlowliError], code: str) -> None:
    assert kind.code == code


def test_every_error_of_the_top_level_is_in_this_list() -> None:
    public: list[Any] = [getattr(flowli, name) for name in flowli.__all__]
    errors = {one for one in public if isinstance(one, type) and issubclass(one, FlowliError)}

    assert errors == set(CODES)


def test_an_error_of_ones_own_gets_a_code_by_the_same_rule() -> None:
    class MailServerDown(FlowliError):
        pass

    assert MailServerDown.code == "FLOWLI_MAIL_SERVER_DOWN"


@pytest.mark.parametrize(
    ("kind", "family"),
    [
        (ValidationError, ValueError),
        (SchedulingError, ValueError),
        (JobTimeoutError, TimeoutError),
        (JobNotFoundError, LookupError),
        (DriverUnavailable, DriverError),
        (EnqueueUnknown, DriverError),
        (DriverClosed, DriverError),
        (QueueFull, DriverError),
        (NotDurable, DriverError),
    ],
)
def test_an_error_belongs_to_the_family_that_callers_expect(kind: type[Exception], family: type[Exception]) -> None:
    assert issubclass(kind, family) and issubclass(kind, FlowliError)


def test_the_stored_errors_of_a_job_are_text_alone() -> None:
    error = JobError(type="LookupError", message="m", traceback="frames")

    assert "frames" not in repr(error)


async def test_a_failed_job_carries_the_code_of_an_error_of_flowlis_own() -> None:
    from flowli import Job, Runner

    async def strict() -> None:
        raise StrategyError("not here")

    made: Job[object, None, None, None] = Job(strict)
    runtime = Flowli(context=None, jobs=[made], driver=MemoryDriver())
    handle = await runtime.use(made).enqueue()
    await Runner(runtime).run_once()
    with pytest.raises(JobFailedError) as failed:
        await handle.result()
    assert (failed.value.error.type, failed.value.error.code) == (
        "flowli.errors.StrategyError",
        "FLOWLI_STRATEGY_ERROR",
    )


class Cut(MemoryDriver):
    """The line to it is cut: before a write arrives, or after, when the reply is lost."""

    def __init__(self, *, times: int, written: bool) -> None:
        super().__init__()
        self._times = times
        self._written = written
        self.turns: list[Turn | None] = []

    async def enqueue(self, jobs: Any, *, turn: Turn | None = None, now: Millis | None = None) -> Any:
        self.turns.append(turn)
        if self._times <= 0:
            return await super().enqueue(jobs, turn=turn, now=now)
        self._times -= 1
        if self._written:
            await super().enqueue(jobs, turn=turn, now=now)
        raise DriverUnavailable("the line is cut", maybe_written=self._written)


class Full(MemoryDriver):
    async def enqueue(self, jobs: Any, *, turn: Turn | None = None, now: Millis | None = None) -> Any:
        raise QueueFull("the store is full")


def longer_than_patience(repetition: int) -> float:
    return 10.0


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("options", [{}, {"result_ttl": "0s"}])
async def test_a_call_whose_reply_was_lost_is_repeated_and_makes_one_job(written: bool, options: Any) -> None:
    driver = Cut(times=2, written=written)
    runtime = app(driver)
    handle = await runtime.echo.enqueue("x", **options)

    assert handle.state == "queued"
    assert (await runtime.inspect.get_queue_counts()).queued == 1
    assert len(driver.turns) == 3 and len(set(driver.turns)) == 1
    assert (driver.turns[0] is None) == (not options)


async def test_a_store_that_stays_away_is_unavailable_and_nothing_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowli.repeat.wait_before", longer_than_patience)

    with pytest.raises(DriverUnavailable, match="the line is cut") as away:
        await app(Cut(times=99, written=False)).echo.enqueue("x")
    assert away.value.maybe_written is False


async def test_a_reply_that_stays_lost_is_reported_with_the_ids_to_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowli.repeat.wait_before", longer_than_patience)

    driver = Cut(times=1, written=True)
    runtime = app(driver)
    with pytest.raises(EnqueueUnknown, match=r"2 job\(s\) may be stored\. Repeat the call with the same ids") as lost:
        await runtime.echo.enqueue_many(["x", "y"])
    assert len(lost.value.job_ids) == 2
    again = await runtime.echo.enqueue_many(["x", "y"], ids=lost.value.job_ids)
    assert [handle.deduplicated for handle in again] == [True, True]
    assert (await runtime.inspect.get_queue_counts()).queued == 2


async def test_a_full_store_is_reported_at_once() -> None:
    with pytest.raises(QueueFull, match="the store is full"):
        await Flowli(context=None, jobs=[echo], driver=Full()).use(echo).enqueue("x")


async def sample_of(kind: type[FlowliError]) -> FlowliError:
    if kind is EnqueueUnknown:
        return EnqueueUnknown("m", job_ids=["a"])
    if kind is LimitExceeded:
        return LimitExceeded("m", limit=1, size=2)
    if kind is NotDurable:
        driver = MemoryDriver()
        await driver.open()
        outcomes: list[Enqueued] = list(await driver.enqueue([NewJob("a", "q", "n", b"1", b"")]))
        return NotDurable("m", outcomes=outcomes)
    if kind is JobFailedError:
        record = await (await app().echo.enqueue("x")).record()
        return JobFailedError("m", error=JobError(type="t", message="m"), record=record)
    return kind("m")


@pytest.mark.parametrize("kind", CODES)
async def test_an_error_survives_the_way_to_another_process(kind: type[FlowliError]) -> None:
    error = await sample_of(kind)
    again = pickle.loads(pickle.dumps(error))

    assert type(again) is kind
    assert (str(again), vars(again)) == ("m", vars(error))
