"""What inspection, records and the runner's listeners infer. Checked, never run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, assert_type

from flowli import BoundJob, Flowli, Job, JobFailedError, Runner, ValidationError, job
from flowli.events import JobCompleted, JobFailed, RunnerEvent
from flowli.filters import JobFilter
from flowli.records import (
    ActRecord,
    JobError,
    JobRecord,
    Page,
    QueueCounts,
    RunnerRecord,
    ScheduleRecord,
    State,
    Tally,
)


@job
async def echo(text: str) -> str:
    return text


class App(Flowli):
    echo = echo


async def inspection(app: App) -> None:
    assert_type(await app.inspect.get_job("id"), JobRecord | None)
    assert_type(await app.inspect.get_schedule("key"), ScheduleRecord | None)
    assert_type(await app.inspect.get_queue_counts(), QueueCounts)
    assert_type(await app.inspect.get_runners(), list[RunnerRecord])
    assert_type(await app.inspect.get_schedules(limit=10, cursor=None), Page[ScheduleRecord])
    page = await app.inspect.get_jobs_by_state(State.FAILED, limit=10)
    assert_type(page, Page[JobRecord])
    assert_type(page[0], JobRecord)
    assert_type([record.id for record in page], list[str])
    assert_type(page.cursor, str | None)
    await app.inspect.get_jobs_by_state(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(await app.control.cancel("id"), bool)


async def desk(app: App) -> None:
    where = JobFilter(job="echo", error=LookupError, meta={"tenant": "acme"})
    assert_type(await app.inspect.find_jobs(where, limit=10), Page[JobRecord])
    assert_type(await app.inspect.get_acts(), Page[ActRecord])
    assert_type(await app.control.cancel(["a", "b"], by="ada"), Tally)
    assert_type(await app.control.replay("id", "text"), bool)
    assert_type(await app.control.replay({"a", "b"}, rate="10/s"), Tally)
    assert_type(await app.control.replay(where, edit=lambda stored: stored), Tally)
    assert_type(await app.control.delete("id"), bool)
    assert_type(await app.control.delete(where), Tally)
    assert_type(await app.control.delete(schedule="key"), bool)
    tally = await app.control.delete(("a", "b"))
    assert_type(tally.not_done, tuple[str, ...])
    tally.done = 3  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    await app.control.replay(5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    await app.control.delete()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    JobFilter("echo")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def records(app: App) -> None:
    record = await app.inspect.get_job("id")
    record.state  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    if record is not None:
        assert_type(record.state, State)
        assert_type(record.scheduled_for, datetime | None)
        assert_type(record.error, JobError | None)
        record.state = State.FAILED  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def errors(failed: JobFailedError, invalid: ValidationError) -> None:
    assert_type(failed.error, JobError)
    assert_type(failed.record, JobRecord)
    assert_type(failed.code, str)
    for issue in invalid.issues:
        assert_type(issue["loc"], Any)


def definitions(app: App) -> None:
    assert_type(app.echo, BoundJob[str, None, str])
    assert_type(app.echo.job.name, str)
    assert_type(app.jobs["echo"], Job[Any, Any, Any, Any])
    app.jobs["echo"] = echo  # type: ignore[index]  # pyright: ignore[reportIndexIssue]


async def running(app: App) -> None:
    runner = Runner(app, concurrency=10, lease="30s", poll_interval=timedelta(seconds=1), queues=["mail"])
    assert_type(await runner.run_once(), int)
    assert_type(await runner.run_until_idle(), int)
    assert_type(runner.running, bool)
    async with runner as started:
        assert_type(started, Runner)
    Runner(app, lease=30)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Runner(echo)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def listeners(runner: Runner) -> None:
    @runner.on(JobFailed)
    async def final(event: JobFailed) -> None:
        assert_type(event.final, bool)

    @runner.on(RunnerEvent)
    def every(event: RunnerEvent) -> None:
        assert_type(event.job_id, str)

    @runner.on(JobCompleted)  # the wider listener hears the narrower event
    def completed(event: RunnerEvent) -> None: ...

    @runner.on(JobCompleted)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    def mismatched(event: JobFailed) -> None: ...

    @runner.on(RunnerEvent)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    def too_narrow(event: JobFailed) -> None: ...

    runner.on("JobFailed")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
