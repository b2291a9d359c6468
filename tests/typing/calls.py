"""What the calls, the handles and `.sync` infer, beyond the contract. Checked, never run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import assert_type

from pydantic import BaseModel

from flowli import (
    Attempt,
    Backoff,
    BoundJob,
    CallOptions,
    Cancel,
    Defaults,
    Flowli,
    Job,
    JobHandle,
    Retry,
    Schedule,
    ScheduleHandle,
    SyncBoundJob,
    SyncJobHandle,
    SyncScheduleHandle,
    Unique,
    current_attempt,
    job,
)
from flowli.chains import Outcome
from flowli.driver import State
from flowli.records import Disposition, JobRecord, Progress
from flowli.results import gather, settled


class Meta(BaseModel):
    request: str


class Report(BaseModel):
    rows: int


@job
async def build(rows: int) -> Report:
    return Report(rows=rows)


@job(name="audit", queue="audits")
def audit(text: str, *, meta: Meta) -> None: ...


@job
async def sweep(*, meta: Meta | None = None) -> int:
    return 0


@job
async def bare() -> list[int]:
    return []


class App(Flowli):
    build = build
    audit = audit
    sweep = sweep
    bare = bare


assert_type(build, Job[object, int, None, Report])
assert_type(audit, Job[object, str, Meta, None])
assert_type(sweep, Job[object, None, Meta | None, int])
assert_type(bare, Job[object, None, None, list[int]])


async def handles(app: App) -> None:
    handle = await app.build.enqueue(3)
    assert_type(handle, JobHandle[Report])
    assert_type(await handle.result(), Report)
    assert_type(await handle.result(timeout=1.5), Report)
    assert_type(await handle.result(timeout="5s"), Report)
    assert_type(await handle.result(timeout=timedelta(seconds=5)), Report)
    assert_type(await handle.record(), JobRecord)
    assert_type(await handle.cancel(), bool)
    assert_type(handle.id, str)
    assert_type(handle.state, State | None)
    assert_type(handle.scheduled_for, datetime | None)
    assert_type(handle.attempts_made, int)
    assert_type(handle.deduplicated, bool)
    assert_type(app.build.handle("id"), JobHandle[Report])
    handles_of_models: list[JobHandle[BaseModel]] = [handle]
    handles_of_models.append(await app.bare.enqueue())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def every_delay(app: App) -> None:
    assert_type(await app.build.delay("10m", 3), JobHandle[Report])
    assert_type(await app.build.delay(timedelta(minutes=10), 3), JobHandle[Report])
    assert_type(await app.build.delay(datetime(2031, 1, 1, tzinfo=UTC), 3, queue="slow"), JobHandle[Report])
    assert_type(await app.bare.delay("10m"), JobHandle[list[int]])
    assert_type(await app.sweep.delay("10m"), JobHandle[int])
    assert_type(await app.audit.delay("10m", "x", meta=Meta(request="r")), JobHandle[None])
    await app.build.delay(600, 3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await app.build.delay(3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await app.build.delay("10m")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


async def many(app: App) -> None:
    assert_type(await app.build.enqueue_many(range(3)), list[JobHandle[Report]])
    assert_type(await app.build.enqueue_many((1, 2), ids=["a", "b"], priority=9), list[JobHandle[Report]])
    assert_type(await app.audit.enqueue_many(["x"], meta=Meta(request="r")), list[JobHandle[None]])
    await app.audit.enqueue_many(["x"])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await app.build.enqueue_many(3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await app.build.enqueue_many([1], ids=[1])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


async def schedules(app: App) -> None:
    made = await app.build.schedule("0 8 * * *", 3, key="k", tz="Europe/Berlin", queue="slow")
    assert_type(made, ScheduleHandle)
    assert_type(made.next_run_at, datetime | None)
    assert_type(await made.delete(), bool)
    assert_type(await app.bare.schedule(timedelta(hours=1)), ScheduleHandle)
    assert_type(await app.audit.schedule("1h", "x", meta=Meta(request="r")), ScheduleHandle)
    await app.audit.schedule("1h", "x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await app.build.schedule(3600, 3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await app.build.schedule("1h", 3, jitter="5s", limit=3, misfire="all", misfire_cap=9, overlap="queue")
    await app.build.schedule("1h", 3, misfire="never")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await app.build.schedule("1h", 3, jiter="5s")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await app.build.enqueue(3, jitter="5s")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    assert_type(await made.pause(), bool)
    assert_type(await made.trigger(), str | None)
    assert_type(made.preview(3), list[datetime])


def declared() -> None:
    daily = Schedule(build, "0 8 * * *", 3, key="k", tz="Europe/Berlin", overlap="skip")
    Schedule(audit, "1h", "x", meta=Meta(request="r"), key="a")
    Schedule(audit, "1h", "x", key="a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Schedule(build, "1h", "x", key="k")  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Schedule(build, "1h", 3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    del daily


def plain_code(app: App) -> None:
    assert_type(app.build.sync, SyncBoundJob[int, None, Report])
    assert_type(app.build.sync.run(3), Report)
    handle = app.build.sync.enqueue(3, max_attempts=2)
    assert_type(handle, SyncJobHandle[Report])
    assert_type(handle.result(timeout=1), Report)
    assert_type(app.sweep.sync.run(), int)
    assert_type(app.audit.sync.enqueue("x", meta=Meta(request="r")), SyncJobHandle[None])
    assert_type(app.build.sync.enqueue_many([1, 2]), list[SyncJobHandle[Report]])
    assert_type(app.build.sync.delay("10m", 3), SyncJobHandle[Report])
    assert_type(app.build.sync.schedule("1h", 3, limit=2), SyncScheduleHandle)
    assert_type(app.build.sync.handle("id"), SyncJobHandle[Report])
    assert_type(handle.cancel(), bool)
    assert_type(handle.record(), JobRecord)
    for report in handle.progress():
        assert_type(report, Progress)
    app.build.sync.delay(3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    app.audit.sync.enqueue_many(["x"])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    app.build.sync.run("3")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    app.build.sync.enqueue(3, prio=1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    app.audit.sync.enqueue("x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def options(app: App) -> None:
    given: CallOptions = {"queue": "slow", "max_attempts": 3, "backoff": Backoff(delay="2s"), "timeout": "1m"}
    beats: CallOptions = {"heartbeat": timedelta(seconds=5)}
    await app.build.enqueue(3, **beats)
    await app.build.enqueue(3, heartbeat=5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    assert_type(await app.build.enqueue(3, **given), JobHandle[Report])
    given["que"] = "slow"  # type: ignore[typeddict-unknown-key]  # pyright: ignore[reportGeneralTypeIssues]
    await app.build.enqueue(3, queue=7)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await app.build.enqueue(3, timeout=30)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    Defaults(max_attempts=3, backoff=Backoff(type="fixed"), timeout=None, queue="q", result_ttl=timedelta(hours=1))
    Defaults(max_atempts=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Defaults(timeout=30)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Backoff(type="linear")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    job(max_atempts=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    job(queue=3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


async def below_a_handler() -> None:
    attempt = current_attempt()
    assert_type(attempt, Attempt)
    assert_type(attempt.job_id, str | None)
    assert_type(attempt.number, int)
    assert_type(attempt.deadline, datetime | None)
    assert_type(attempt.use(build), BoundJob[int, None, Report])
    assert_type(await attempt.use(build).run(3), Report)
    attempt.number = 2  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    Retry("later", after="10s")
    Cancel("why")
    Retry("later", after=10)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@job(unique=Unique(lambda report: str(report.rows), until="started"))
async def store(report: Report) -> None: ...


async def unique(app: App) -> None:
    handle = await app.build.enqueue(3, unique=Unique("key", until="settled", within="10m", on_conflict="replace"))
    assert_type(handle, JobHandle[Report])
    assert_type(handle.disposition, Disposition | None)
    await app.build.delay("10s", 3, unique=Unique(str, within=timedelta(minutes=5), on_conflict="reschedule"))
    await app.build.enqueue_many([1, 2], unique=Unique(lambda rows: f"rows {rows}", on_conflict="raise"))
    await app.build.schedule("1h", 3, key="k", unique=None)
    assert_type(app.build.sync.enqueue(3, unique=Unique("key")).disposition, Disposition | None)
    await app.build.enqueue(3, unique="key")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    Unique(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Unique("key", until="done")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Unique("key", on_conflict="ignore")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Unique("key", within=30)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Unique("key", "settled")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Unique(lambda rows: len(rows))  # type: ignore[arg-type,return-value]  # pyright: ignore[reportArgumentType]


async def many_results(app: App) -> None:
    report, numbers = await app.build.enqueue(3), await app.bare.enqueue()
    assert_type(await gather(report, numbers), tuple[Report, list[int]])
    assert_type(await gather(report, numbers, report, timeout="5s"), tuple[Report, list[int], Report])
    assert_type(await gather(*await app.build.enqueue_many([1, 2])), tuple[Report, ...])
    assert_type(await settled(report, numbers, timeout=0), tuple[Outcome[Report], Outcome[list[int]]])
    assert_type((await settled(report))[0].result, Report | None)
    await gather(report, 3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
