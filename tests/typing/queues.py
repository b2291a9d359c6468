"""What queues and pauses infer. Checked, never run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, assert_type

from flowli import Flowli, Runner, job
from flowli.records import PauseRecord, QueueRecord


@job
async def build(rows: int) -> str:
    return str(rows)


class App(Flowli):
    build = build


async def calls(flowli: App) -> None:
    Runner(flowli, queues=["mail"])
    Runner(flowli, queues={"mail": 3, "default": 1})
    Runner(flowli, queues={"mail": "3"})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    assert_type(await flowli.control.pause(queue="mail"), bool)
    assert_type(await flowli.control.pause(queue=["mail", "default"]), bool)
    assert_type(await flowli.control.pause(job=build), bool)
    assert_type(await flowli.control.resume(job=["build", build]), bool)
    assert_type(await flowli.control.resume(schedule="digest"), bool)
    await flowli.control.pause(queue="mail", job="build")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await flowli.control.resume()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    assert_type(await flowli.inspect.get_queues(), list[QueueRecord])
    [pause] = await flowli.inspect.get_pauses()
    assert_type(pause, PauseRecord)
    assert_type(pause.kind, Literal["queue", "job"])
    assert_type(pause.since, datetime)


def reads(queue: QueueRecord) -> None:
    assert_type(queue.oldest_age, timedelta | None)
    assert_type(queue.is_paused, bool)
