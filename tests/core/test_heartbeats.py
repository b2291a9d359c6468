"""``heartbeat``: a handler that goes on without a word of its progress has failed, and one that speaks may go on."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from flowli import Defaults, Flowli, JobFailedError, Runner, ValidationError, current_attempt, job
from flowli_memory import MemoryDriver
from tests.core.runner_kit import record, runtime

pytestmark = pytest.mark.anyio


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_a_silent_handler_fails_and_is_told_what_to_do() -> None:
    silent = job(name="silent", heartbeat="20ms", max_attempts=1)(for_ever)
    flowli = runtime(silent)
    handle = await flowli.use(silent).enqueue()
    await Runner(flowli).run_until_idle()
    error = (await record(flowli, handle.id)).error
    assert error is not None
    assert error.code == "FLOWLI_TIMEOUT"
    assert "'silent': it reported no progress for its heartbeat of 0.02s" in error.message
    assert "current_attempt().progress()" in error.message


async def test_each_report_counts_it_anew() -> None:
    @job(name="talker", heartbeat="200ms", max_attempts=1)
    async def talker() -> float:
        began = time.monotonic()
        while (spent := time.monotonic() - began) < 0.6:
            await current_attempt().progress(0.5)
        return spent

    flowli = runtime(talker)
    handle = await flowli.use(talker).enqueue()
    await Runner(flowli).run_until_idle()
    assert await handle.result(timeout=0) > 0.6  # three times as long as it may be silent


async def test_a_report_from_a_thread_counts_and_silence_there_is_noticed() -> None:
    quiet, ended = threading.Event(), threading.Event()

    @job(name="in_thread", heartbeat="300ms", max_attempts=1)
    def in_thread() -> None:
        for _ in range(30):
            current_attempt().progress(0.1)
            ended.wait(0.02)
        quiet.set()
        ended.wait(20)

    flowli = runtime(in_thread)
    handle = await flowli.use(in_thread).enqueue()
    async with Runner(flowli):
        with pytest.raises(JobFailedError, match="heartbeat"):
            await handle.result(timeout=20)
        assert quiet.is_set()  # it was not ended while it spoke
        ended.set()


@pytest.mark.parametrize(("timeout", "heartbeat", "said"), [("20ms", "1m", "timeout"), ("1m", "20ms", "heartbeat")])
async def test_the_shorter_of_both_bounds_ends_it(timeout: str, heartbeat: str, said: str) -> None:
    made = job(name="both", max_attempts=1, timeout=timeout, heartbeat=heartbeat)(for_ever)
    flowli = runtime(made)
    handle = await flowli.use(made).enqueue()
    await Runner(flowli).run_until_idle()
    with pytest.raises(JobFailedError, match=f"its {said} of"):
        await handle.result(timeout=0)


async def test_under_run_nobody_listens_so_silence_is_no_failure() -> None:
    @job(name="patient", heartbeat="5ms")
    async def patient() -> str:
        over = asyncio.Event()
        asyncio.get_running_loop().call_later(0.05, over.set)
        await over.wait()
        return "done"

    assert await runtime(patient).use(patient).run() == "done"


async def test_it_is_an_option_like_the_others() -> None:
    made = job(name="made", heartbeat=None)(for_ever)
    plain = job(name="plain")(for_ever)
    flowli = Flowli(context=None, jobs=[made, plain], driver=MemoryDriver(), defaults=Defaults(heartbeat="5s"))
    plan = flowli.__flowli__.plan
    assert (plan(made).options.heartbeat, plan(plain).options.heartbeat) == (None, 5_000)
    handle = await flowli.use(plain).enqueue(heartbeat="20ms", max_attempts=1)
    await Runner(flowli).run_until_idle()
    with pytest.raises(JobFailedError, match=r"heartbeat of 0\.02s"):
        await handle.result()
    with pytest.raises(ValidationError, match="heartbeat has to be longer than 0"):
        await flowli.use(plain).enqueue(heartbeat="0s")
