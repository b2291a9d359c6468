"""`Runner.run`: until SIGTERM or SIGINT, then it drains; a second signal hands back at once."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from flowli import Runner, ValidationError, job
from flowli.records import State
from tests.core.runner_kit import record, runtime, until

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains(number: signal.Signals) -> None:
    began, let_on = asyncio.Event(), asyncio.Event()

    @job
    async def slow() -> str:
        began.set()
        await let_on.wait()
        return "done"

    flowli = runtime(slow)
    handle = await flowli.use(slow).enqueue()
    runner = Runner(flowli)
    work = asyncio.create_task(runner.run())
    await asyncio.wait_for(began.wait(), 20)
    os.kill(os.getpid(), number)
    late = await flowli.use(slow).enqueue()
    let_on.set()
    await asyncio.wait_for(work, 20)
    assert not runner.running
    assert await handle.result(timeout=5) == "done"
    assert (await record(flowli, late.id)).state in (State.QUEUED, State.COMPLETED)


async def test_a_second_signal_hands_back_at_once(caplog: pytest.LogCaptureFixture) -> None:
    began = asyncio.Event()
    cancelled: list[bool] = []

    @job
    async def slow() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    flowli = runtime(slow)
    handle = await flowli.use(slow).enqueue()
    caplog.set_level("INFO", logger="flowli.runner")
    work = asyncio.create_task(Runner(flowli).run("10m"))
    await asyncio.wait_for(began.wait(), 20)
    os.kill(os.getpid(), signal.SIGTERM)
    await until(lambda: "draining  1 running, grace 600s" in caplog.text, "the first signal is heard")
    assert not cancelled
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(work, 20)
    found = await record(flowli, handle.id)
    assert (cancelled, found.state, found.failures) == ([True], State.QUEUED, 0)
    assert "second signal: handing back what is running" in caplog.text


async def test_what_handled_the_signals_before_does_so_again() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    runner = Runner(runtime())
    work = asyncio.create_task(runner.run())
    await until(lambda: runner.running)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(work, 20)
    assert {number: signal.getsignal(number) for number in before} == before


async def test_a_cancelled_run_drains_too() -> None:
    runner = Runner(runtime())
    work = asyncio.create_task(runner.run("1s"))
    await until(lambda: runner.running)
    work.cancel()
    began_at = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert not runner.running
    assert time.monotonic() - began_at < 10


async def test_a_grace_that_cannot_be_meant_is_refused_before_anything_starts() -> None:
    runner = Runner(runtime())
    with pytest.raises(ValidationError):
        await runner.run("soon")
    assert not runner.running
