"""What attempts and their options infer. Checked, never run."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_type

from flowli import CallOptions, Defaults, Flowli, JobHandle, JobTimeoutError, Snooze, current_attempt, job
from flowli.events import JobSnoozed
from flowli.records import JobRecord, Progress


def opinion(error: BaseException, failures: int) -> bool | None:
    return isinstance(error, OSError) or None


def wait(error: BaseException, failures: int) -> timedelta:
    return timedelta(seconds=failures)


@job(retry_on=OSError, give_up_on=(ValueError, JobTimeoutError), retry_when=opinion, expires_in="10m")
async def build(rows: int) -> str:
    raise Snooze("5m", "not yet")


@job(executor="process", max_attempts=2)
def count(rows: int) -> int:
    return rows


job(executor="fibre")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


class App(Flowli):
    build = build
    count = count


async def calls(flowli: App, record: JobRecord, event: JobSnoozed) -> None:
    assert_type(await flowli.build.enqueue(1, expires_in="5m"), JobHandle[str])
    assert_type(await flowli.count.enqueue(1), JobHandle[int])
    assert_type(await flowli.build.delay("1h", 1, expires_in=timedelta(minutes=5)), JobHandle[str])
    CallOptions(expires_in="5m")
    assert_type(Snooze(timedelta(minutes=5)).after, timedelta)
    assert_type(event.wait_s, float)
    assert_type(record.start_by is None, bool)
    await flowli.build.enqueue(1, expires_in=5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


async def watches(flowli: App, handle: JobHandle[str]) -> None:
    await current_attempt().progress(0.4, "rendering")
    current_attempt().progress(1)  # of a def handler
    async for report in handle.progress(every="1s"):
        assert_type(report, Progress)
        assert_type((report.fraction, report.message), tuple[float, str])
    assert_type(await flowli.inspect.get_progress(handle.id), Progress | None)
    await current_attempt().progress("40 %")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def cancels(handle: JobHandle[str]) -> None:
    assert_type(await handle.cancel(), bool)
    assert_type(await handle.cancel(wait="2s"), bool)
    assert_type(await handle.cancel(wait=2), bool)


Defaults(retry_on=(OSError,), give_up_on=(), retry_when=wait, expires_in=None)
Defaults(retry_on="OSError")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Defaults(retry_on=[OSError])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Snooze()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
