"""``executor="process"``: what crosses into a process, what comes back, and what ends it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from flowli import DefinitionError, Flowli, JobFailedError, Runner, job
from flowli.records import FailureReason, State, WaitingFor
from flowli_memory import MemoryDriver
from tests.core import process_work
from tests.core.process_work import Sum, add, ask, dawdle, die, raise_odd, report, who
from tests.core.runner_kit import until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


def app() -> Flowli[None]:
    return Flowli(context=None, jobs=process_work, driver=MemoryDriver())


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return "Z" in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split(")")[1].split()[0]


async def test_a_handler_is_called_in_another_process_which_is_used_again() -> None:
    flowli = app()
    total = await flowli.use(add).enqueue(Sum(left=1, right=2))
    async with Runner(flowli, concurrency=1):
        assert await total.result(timeout=60) == 3
        pids = [await (await flowli.use(who).enqueue()).result(timeout=60) for _ in range(3)]
    assert os.getpid() not in pids
    assert len(set(pids)) == 1
    await until(lambda: is_gone(pids[0]), "the process ends with the runner")


async def test_what_a_handler_decides_comes_back() -> None:
    flowli = app()
    bound = flowli.use(ask)
    handles = {what: await bound.enqueue(what) for what in ("retry", "snooze", "cancel", "fail", "runtime")}
    plain = await bound.enqueue("plain", meta="m")
    await Runner(flowli).run_once()
    records = {what: await handle.record() for what, handle in handles.items()}
    assert await plain.result() == "plain m ask 1 True"
    assert (records["retry"].waiting_for, records["retry"].failures) == (WaitingFor.RETRY, 1)
    assert (records["snooze"].waiting_for, records["snooze"].failures) == (WaitingFor.DUE, 0)
    assert records["cancel"].state is State.CANCELLED
    error = records["fail"].error
    assert error is not None
    assert (error.type, error.message) == ("LookupError", "nothing here")
    assert "process_work.py" in (error.traceback or "")
    error = records["runtime"].error
    assert error is not None
    assert "a handler in a process has no runtime" in error.message


@pytest.mark.parametrize(
    ("one", "text"),
    [(die, "ended with exit code 7"), (raise_odd, "cannot be read here")],
)
async def test_what_breaks_a_process_fails_its_job_alone(one: Any, text: str) -> None:
    flowli = app()
    broken = await flowli.use(one).enqueue()
    total = await flowli.use(add).enqueue(Sum(left=1, right=2))
    await Runner(flowli, concurrency=1).run_until_idle()
    with pytest.raises(JobFailedError, match=text) as caught:
        await broken.result()
    assert caught.value.record.reason is FailureReason.ATTEMPTS
    assert await total.result() == 3


async def test_a_cancellation_kills_the_process(tmp_path: Path) -> None:
    flowli, path = app(), tmp_path / "pid"
    handle = await flowli.use(dawdle).enqueue(str(path))
    async with Runner(flowli) as runner:
        await until(lambda: path.exists() and path.read_text(encoding="utf-8"), "the handler has begun", within=60)
        assert await handle.cancel(wait="60s")
        pid = int(path.read_text(encoding="utf-8"))
        await until(lambda: is_gone(pid), "its process is killed")
    assert runner.abandoned == 0


async def test_a_timeout_kills_the_process(tmp_path: Path) -> None:
    flowli, path = app(), tmp_path / "pid"
    await flowli.use(who).enqueue()
    handle = await flowli.use(dawdle).enqueue(str(path), timeout="5s")
    async with Runner(flowli):
        with pytest.raises(JobFailedError, match="its timeout of 5s passed"):
            await handle.result(timeout=60)
        if path.exists():
            pid = int(path.read_text(encoding="utf-8"))
            await until(lambda: is_gone(pid), "its process is killed")


async def test_progress_crosses(tmp_path: Path) -> None:
    flowli, path = app(), tmp_path / "go"
    handle = await flowli.use(report).enqueue(str(path))
    async with Runner(flowli):
        async for found in handle.progress(every="10ms"):
            assert (found.fraction, found.message) == (0.5, "half")
            path.write_text("go", encoding="utf-8")
        assert await handle.result(timeout=60) == "done"


async def test_run_stays_in_this_process() -> None:
    assert await app().use(who).run() == os.getpid()


def test_what_cannot_cross_is_refused_where_it_is_defined() -> None:
    def local() -> None: ...

    def with_context(*, ctx: object) -> None: ...

    async def asynchronous() -> None: ...

    process = job(executor="process")
    with pytest.raises(DefinitionError, match="the context of a runtime cannot cross into another process"):
        process(with_context)
    with pytest.raises(DefinitionError, match="is for def handlers; this one is async"):
        process(asynchronous)
    with pytest.raises(DefinitionError, match="needs a handler that its module has under its name"):
        process(local)
    wrong: Any = "fibre"
    with pytest.raises(DefinitionError, match="executor is 'thread' or 'process'; got 'fibre'"):
        job(executor=wrong)(process_work.who.handler)
