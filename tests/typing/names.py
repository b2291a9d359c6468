"""What else is public: limits, errors and what they carry, codecs, records of inspection."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_type

from flowli import (
    ContextSource,
    DriverClosed,
    DriverError,
    DriverUnavailable,
    EnqueueUnknown,
    Flowli,
    FlowliError,
    JobCancelledError,
    JobNotFoundError,
    LimitExceeded,
    Limits,
    NotDurable,
    QueueFull,
    ScheduleOptions,
    SchedulingError,
    close_sync,
    job,
)
from flowli.codec import Binding, HmacCodec, PayloadCodec, PayloadRefused
from flowli.limiting import Concurrency, Limit, Rate
from flowli.records import FailureReason, JobRecord, LimitRecord, ScheduleRun, WaitingFor


@job(
    limits=[
        Concurrency(2, name="model"),
        Rate(100, per="1m", key=lambda text: text, weight=len),
        Rate(100, per="1m", keys="x"),  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    ],
    fair_by=lambda text: text,
)
async def complete(text: str) -> str:
    return text


class Plain:
    """A codec is what has these two methods."""

    def encode(self, data: bytes, binding: Binding) -> bytes:
        return data

    def decode(self, data: bytes, binding: Binding) -> bytes:
        if not data:
            raise PayloadRefused("empty")
        return data


class App(Flowli):
    complete = complete


def made(context: ContextSource[None]) -> App:
    codec: PayloadCodec = Plain()
    codec = HmacCodec({"a": b"0" * 32}, sign_with="a")
    options: ScheduleOptions = {"limit": 3, "misfire": "all", "queue": "slow"}
    options["misfire"] = "never"  # type: ignore[typeddict-item]  # pyright: ignore[reportGeneralTypeIssues]
    App(context=None, codec="hmac")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return App(context=context, codec=codec, limits=Limits(payload_bytes=1_000))


async def inspected(app: App, record: JobRecord) -> None:
    found = await app.inspect.get_limit("model")
    assert_type(found, LimitRecord | None)
    if found is not None:
        assert_type(found.per, timedelta | None)
    assert_type(record.waiting_for, WaitingFor | None)
    assert_type(record.reason, FailureReason | None)
    schedule = await app.inspect.get_schedule("key")
    if schedule is not None:
        assert_type(schedule.recent, tuple[ScheduleRun, ...])
    assert_type(close_sync(), None)


def limits() -> list[Limit]:
    return [Concurrency(1), Rate(1, per=timedelta(seconds=1))]


def caught(error: FlowliError) -> None:
    match error:
        case EnqueueUnknown():
            assert_type(error.job_ids, tuple[str, ...])
        case LimitExceeded():
            assert_type(error.limit, int)
        case NotDurable():
            assert_type(error.job_ids, tuple[str, ...])
        case DriverUnavailable():
            assert_type(error.maybe_written, bool)
        case DriverClosed() | QueueFull() | DriverError():
            assert_type(error.code, str)
        case SchedulingError() | JobCancelledError() | JobNotFoundError():
            assert_type(error.code, str)
        case _:
            pass
