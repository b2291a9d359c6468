"""``run``: in this process, without a driver; the handler's own exception, its timeout, and what it knows of itself."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from datetime import UTC, datetime, timedelta

import pytest

from flowli import (
    Attempt,
    Cancel,
    Defaults,
    Flowli,
    FlowliError,
    Job,
    JobTimeoutError,
    Retry,
    Runner,
    StrategyError,
    current_attempt,
    job,
)
from flowli_memory import MemoryDriver
from tests.core.work import App, Point, Services, add, app, echo

pytestmark = pytest.mark.anyio

REQUEST = contextvars.ContextVar("request", default="none")


@job
async def tell() -> Attempt:
    return current_attempt()


@job
def tell_in_a_thread() -> Attempt:
    return current_attempt()


@job(timeout="20ms")
async def for_ever() -> None:
    await asyncio.Event().wait()


@job(timeout="1h")
async def quick_to_raise() -> None:
    raise TimeoutError("the handler's own")


@job
async def ask(what: str) -> None:
    raise Retry(what, after="30s") if what == "retry" else Cancel(what)


@job
def where() -> tuple[str, str]:
    return threading.current_thread().name, REQUEST.get()


@job
async def follow_up(text: str) -> str:
    return (await current_attempt().use(echo).enqueue(text)).id


@job
async def nested(text: str) -> str:
    inner = await current_attempt().use(echo).run(text)
    return f"{current_attempt().name} {inner}"


class Here(Flowli):
    tell = tell
    tell_in_a_thread = tell_in_a_thread
    for_ever = for_ever
    quick_to_raise = quick_to_raise
    ask = ask
    where = where
    follow_up = follow_up
    nested = nested
    echo = echo


async def test_it_needs_no_driver_and_returns_what_the_handler_returns() -> None:
    flowli = App(context=Services())

    assert await flowli.echo.run("x") == "x"
    assert await flowli.add.run(1) == 2
    assert await flowli.move.run(Point(1)) == Point(2)


async def test_the_exception_of_the_handler_is_the_callers_with_its_traceback() -> None:
    with pytest.raises(LookupError, match="no such thing") as raised:
        await app().boom.run("no such thing")
    assert raised.traceback[-1].name == "boom"


async def test_retry_and_cancel_reach_the_caller() -> None:
    flowli = Here(context=None)

    with pytest.raises(Retry, match="^retry$") as asked:
        await flowli.ask.run("retry")
    assert asked.value.after == timedelta(seconds=30)
    with pytest.raises(Cancel, match="^cancel$"):
        await flowli.ask.run("cancel")


async def test_nothing_is_stored() -> None:
    flowli = app(MemoryDriver())
    await flowli.echo.run("x")

    counts = await flowli.inspect.get_queue_counts()
    assert (counts.queued, counts.active, counts.completed, counts.failed) == (0, 0, 0, 0)


async def test_a_timeout_ends_the_handler_with_an_error_of_its_own_code() -> None:
    with pytest.raises(JobTimeoutError, match=r"^Job 'for_ever': its timeout of 0\.02s passed\.$") as late:
        await Here(context=None).for_ever.run()
    assert late.value.code == "FLOWLI_TIMEOUT"


async def test_a_timeout_of_a_sync_handler_does_not_wait_for_its_thread() -> None:
    release = threading.Event()

    def deaf() -> None:
        release.wait(20)

    made: Job[object, None, None, None] = Job(deaf, timeout="20ms")
    with pytest.raises(JobTimeoutError):
        await Flowli(context=None, jobs=[made]).use(made).run()
    release.set()
    assert release.is_set()


async def test_the_timeout_of_the_runtime_holds_too() -> None:
    async def idle() -> None:
        await asyncio.Event().wait()

    made: Job[object, None, None, None] = Job(idle)
    with pytest.raises(JobTimeoutError):
        await Flowli(context=None, jobs=[made], defaults=Defaults(timeout="10ms")).use(made).run()


async def test_a_timeout_error_of_the_handlers_own_stays_what_it_is() -> None:
    with pytest.raises(TimeoutError, match="the handler's own") as raised:
        await Here(context=None).quick_to_raise.run()
    assert type(raised.value) is TimeoutError


async def test_cancelling_the_caller_cancels_the_handler() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    made: Job[object, None, None, None] = Job(wait)
    task = asyncio.create_task(Flowli(context=None, jobs=[made]).use(made).run())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


@pytest.mark.parametrize("name", ["tell", "tell_in_a_thread"])
async def test_the_current_attempt_says_that_nothing_is_stored(name: str) -> None:
    flowli = Here(context=None)
    attempt = await (flowli.tell if name == "tell" else flowli.tell_in_a_thread).run()

    assert (attempt.job_id, attempt.name, attempt.number, attempt.token) == (None, name, 1, None)
    assert attempt.deadline is None
    assert attempt.flowli is flowli


async def test_the_deadline_is_an_aware_instant_after_now() -> None:
    patient = job(name="patient", timeout="1h")(tell.handler)
    before = datetime.now(UTC)
    attempt = await Flowli(context=None, jobs=[patient]).use(patient).run()

    assert attempt.deadline is not None
    assert before + timedelta(hours=1) <= attempt.deadline <= datetime.now(UTC) + timedelta(hours=1)


async def test_the_current_attempt_of_a_stored_job_has_its_id_and_its_token() -> None:
    seen: list[Attempt] = []

    async def stored() -> None:
        seen.append(current_attempt())

    made: Job[object, None, None, None] = Job(stored)
    flowli = Flowli(context=None, jobs=[made], driver=MemoryDriver())
    handle = await flowli.use(made).enqueue()
    await Runner(flowli).run_once()
    record = await handle.record()
    assert [(one.job_id, one.name, one.number, one.token) for one in seen] == [(handle.id, "stored", 1, record.token)]
    assert record.token > 0


async def test_outside_of_a_handler_there_is_none() -> None:
    await app().echo.run("x")

    with pytest.raises(StrategyError, match=r"^current_attempt\(\) was called outside of a handler"):
        current_attempt()


async def test_a_job_that_runs_another_finds_itself_again() -> None:
    assert await Here(context=None).nested.run("x") == "nested x"


async def test_a_handler_enqueues_a_follow_up_without_importing_the_runtime() -> None:
    flowli = Here(context=None, driver=MemoryDriver())
    id = await flowli.follow_up.run("later")

    record = await flowli.echo.handle(id).record()
    assert (record.name, record.state) == ("echo", "queued")


async def test_a_follow_up_of_another_runtime_is_refused() -> None:
    async def wrong() -> None:
        current_attempt().use(add)

    made: Job[object, None, None, None] = Job(wrong)
    with pytest.raises(FlowliError, match="Job 'add' is not registered on Flowli. Known jobs: wrong"):
        await Flowli(context=None, jobs=[made]).use(made).run()


async def test_a_sync_handler_runs_in_a_thread_with_the_callers_context_variables() -> None:
    token = REQUEST.set("r1")
    try:
        thread, request = await Here(context=None).where.run()
    finally:
        REQUEST.reset(token)
    assert thread != threading.current_thread().name
    assert request == "r1"
