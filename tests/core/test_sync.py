"""``.sync``: the strategies from code without an event loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from flowli import (
    BoundJob,
    Flowli,
    JobFailedError,
    JobHandle,
    JobNotFoundError,
    Runner,
    ScheduleHandle,
    StrategyError,
    SyncBoundJob,
    SyncJobHandle,
    SyncScheduleHandle,
    ValidationError,
    close_sync,
    current_attempt,
    job,
)
from flowli_memory import ManualClock, MemoryDriver
from tests.core.work import App, Email, RequestMeta, Services, app, echo

REQUEST = contextvars.ContextVar("request", default="none")


@job
async def requested() -> str:
    return REQUEST.get()


@job
def follow_up(text: str) -> str:
    return current_attempt().use(echo).sync.enqueue(text).id


SEEN = threading.Event()


@job
def reporting() -> None:
    current_attempt().progress(0.5, "halfway")
    assert SEEN.wait(20)


class Portal(Flowli):
    reporting = reporting
    requested = requested
    follow_up = follow_up
    echo = echo


def test_run_returns_the_result_and_raises_what_the_handler_raises() -> None:
    flowli = App(context=Services())

    assert flowli.echo.sync.run("x") == "x"
    assert flowli.add.sync.run(1) == 2
    assert flowli.audit.sync.run("e", meta=RequestMeta(request_id="r")) == "e"
    with pytest.raises(LookupError, match="no such thing"):
        flowli.boom.sync.run("no such thing")


def test_what_is_enqueued_from_plain_code_is_seen_by_async_code_on_the_same_runtime() -> None:
    flowli = app()
    handle = flowli.echo.sync.enqueue("x", id="one", queue="slow")

    assert isinstance(handle, SyncJobHandle)
    assert (handle.id, handle.name, handle.state, handle.deduplicated) == ("one", "echo", "queued", False)
    assert repr(handle) == "<SyncJobHandle echo one queued>"
    assert flowli.echo.sync.enqueue("y", id="one").deduplicated is True
    assert asyncio.run(Runner(flowli).run_until_idle()) == 1
    assert handle.result(timeout=20) == "x"
    assert asyncio.run(flowli.echo.handle("one").result()) == "x"


def test_what_is_enqueued_from_async_code_is_seen_by_plain_code() -> None:
    flowli = app()
    asyncio.run(flowli.echo.enqueue("x", id="one"))

    assert flowli.echo.sync.enqueue("y", id="one").deduplicated is True


def test_errors_are_the_same() -> None:
    flowli: Any = app()

    with pytest.raises(ValidationError, match="Job 'send': input does not validate"):
        flowli.send.sync.enqueue({"to": 1})
    with pytest.raises(StrategyError, match=r"Job 'echo' cannot use enqueue\(\) without a driver"):
        App(context=Services()).echo.sync.enqueue("x")
    failing, unkept = flowli.boom.sync.enqueue("no"), flowli.echo.sync.enqueue("x", result_ttl="0s")
    asyncio.run(Runner(flowli).run_until_idle())
    with pytest.raises(JobFailedError, match="LookupError: no"):
        failing.result()
    with pytest.raises(JobNotFoundError):
        unkept.result()


def test_a_wait_ends_with_a_timeout_error() -> None:
    handle = app().echo.sync.enqueue("x")

    with pytest.raises(TimeoutError, match=r"did not end within 0\.01s\. It goes on"):
        handle.result(timeout=0.01)


@pytest.mark.anyio
async def test_inside_a_running_loop_it_is_refused_and_leaves_nothing_unawaited() -> None:
    flowli = app()

    with pytest.raises(StrategyError) as refused:
        flowli.echo.sync.run("x")
    assert str(refused.value) == ".sync was called inside a running event loop. Await the form without .sync."
    with pytest.raises(StrategyError):
        flowli.echo.sync.enqueue("x")
    assert (await flowli.inspect.get_queue_counts()).queued == 0


@pytest.mark.anyio
async def test_a_sync_handler_enqueues_a_follow_up_from_its_thread() -> None:
    flowli = Portal(context=None, driver=MemoryDriver())
    id = await flowli.follow_up.run("later")

    assert (await flowli.echo.handle(id).record()).input_json == b'"later"'


@pytest.mark.anyio
async def test_a_thread_of_an_async_program_may_use_it() -> None:
    flowli = app()

    assert await asyncio.to_thread(flowli.echo.sync.run, "x") == "x"


def test_the_context_variables_of_the_caller_go_with_the_call() -> None:
    flowli = Portal(context=None)

    token = REQUEST.set("r1")
    try:
        assert flowli.requested.sync.run() == "r1"
    finally:
        REQUEST.reset(token)
    assert flowli.requested.sync.run() == "none"


def test_many_threads_may_call_at_once() -> None:
    flowli = app()

    with ThreadPoolExecutor(8) as threads:
        handles = list(threads.map(flowli.echo.sync.enqueue, [f"{at}" for at in range(40)]))
    assert len({handle.id for handle in handles}) == 40
    assert asyncio.run(Runner(flowli).run_until_idle()) == 40
    assert [handle.result() for handle in handles] == [f"{at}" for at in range(40)]


def test_all_calls_share_one_daemon_thread() -> None:
    flowli = app()
    for _ in range(3):
        flowli.echo.sync.run("x")
        app().send.sync.run(Email(to="a"))

    portals = [thread for thread in threading.enumerate() if thread.name == "flowli-portal"]
    assert len(portals) == 1 and portals[0].daemon


def test_every_strategy_and_every_verb_of_a_handle_has_its_blocking_form() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert public(SyncBoundJob) == public(BoundJob) - {"job", "then", "map", "sync"}
    assert public(SyncJobHandle) == public(JobHandle)
    assert public(SyncScheduleHandle) == public(ScheduleHandle)


def test_many_delayed_and_scheduled_jobs() -> None:
    clock = ManualClock()
    flowli = app(driver=MemoryDriver(clock=clock))
    handles = flowli.echo.sync.enqueue_many(["a", "b"], ids=["a", "b"], priority=1)
    later = flowli.echo.sync.delay("10m", "c", id="c")
    schedule = flowli.echo.sync.schedule("1h", "d", key="hourly", limit=1)

    assert [handle.id for handle in handles] == ["a", "b"]
    assert later.state == "scheduled" and later.scheduled_for == clock.now() + timedelta(minutes=10)
    assert (schedule.key, schedule.name, schedule.when, schedule.tz) == ("hourly", "echo", "1h", "UTC")
    assert schedule.preview(1) == [schedule.next_run_at]
    assert schedule.pause() and schedule.resume() and schedule.trigger() is not None and schedule.delete()
    assert not schedule.delete()
    assert later.cancel() and flowli.echo.sync.handle("c").record().state == "cancelled"
    assert asyncio.run(Runner(flowli).run_until_idle()) == 3
    assert handles[1].result() == "b" and handles[1].record().attempts_made == 1


def test_reports_of_progress_are_iterated() -> None:
    flowli = Portal(context=None, driver=MemoryDriver())
    handle = flowli.reporting.sync.enqueue()
    runner = threading.Thread(target=lambda: asyncio.run(Runner(flowli).run_until_idle()))
    runner.start()
    try:
        for report in handle.progress(every="5ms"):
            assert (report.fraction, report.message) == (0.5, "halfway")
            SEEN.set()
        assert handle.record().state == "completed"
    finally:
        SEEN.set()
        runner.join()


def test_what_was_opened_is_closed_and_a_later_call_begins_anew() -> None:
    flowli = app()
    flowli.echo.sync.enqueue("x")
    close_sync()
    assert not [thread for thread in threading.enumerate() if thread.name == "flowli-portal"]
    close_sync()

    assert flowli.echo.sync.enqueue("y").state == "queued"


def test_it_is_a_view_of_the_bound_job() -> None:
    assert isinstance(app().echo.sync, SyncBoundJob)
