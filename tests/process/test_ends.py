"""How runner processes end, by SIGTERM and by SIGKILL, and what becomes of their jobs."""

from __future__ import annotations

import time

import pytest

from tests.process.app import New
from tests.process.conftest import StartRunner
from tests.support.polling import eventually
from tests.support.runners import Ledger

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

LEASE_S = 2.0
LEASE = ("--lease", f"{LEASE_S:g}s")


async def starts(ledger: Ledger, count: int, *, pid: int | None = None) -> None:
    async def enough() -> bool:
        return len(ledger.starts(pid=pid)) >= count

    await eventually(enough, what=f"{count} starts")


async def test_sigterm_lets_fifty_jobs_in_flight_end(flowli: New, ledger: Ledger, start_runner: StartRunner) -> None:
    runner = start_runner()
    handles = [await flowli.half_a_second.enqueue() for _ in range(50)]
    await starts(ledger, 50)
    status, took = runner.terminate(within=30)
    assert (status, [await handle.result(timeout=10) for handle in handles]) == (0, [1] * 50)
    assert took < 30


async def test_sigterm_hands_back_what_outlasts_the_grace(
    flowli: New, ledger: Ledger, start_runner: StartRunner
) -> None:
    first = start_runner("--grace", "1s")
    handles = [await flowli.hangs_at_first.enqueue() for _ in range(50)]
    await starts(ledger, 50, pid=first.pid)
    second = start_runner()
    status, took = first.terminate(within=30)
    assert status == 0
    assert took < 1 + 2
    assert [await handle.result(timeout=10) for handle in handles] == [2] * 50
    released = min(start.at for start in ledger.starts(pid=second.pid))
    assert max(start.at for start in ledger.starts(pid=second.pid)) - released < 1
    assert [(await handle.record()).failures for handle in handles] == [0] * 50
    assert [(await handle.record()).deliveries for handle in handles] == [0] * 50


async def test_a_released_job_starts_elsewhere_within_a_second(
    flowli: New, ledger: Ledger, start_runner: StartRunner
) -> None:
    first = start_runner("--grace", "0s", *LEASE)
    handle = await flowli.hangs_at_first.enqueue()
    await starts(ledger, 1)
    second = start_runner(*LEASE)
    asked_at = time.time()
    assert first.terminate(within=10)[0] == 0
    assert await handle.result(timeout=10) == 2
    [again] = ledger.starts(pid=second.pid)
    assert asked_at < again.at < asked_at + 1


async def test_a_killed_runners_job_is_done_elsewhere_and_no_failure_is_counted(
    flowli: New, ledger: Ledger, start_runner: StartRunner
) -> None:
    first = start_runner(*LEASE)
    handle = await flowli.hangs_at_first.enqueue()
    await starts(ledger, 1)
    second = start_runner(*LEASE)
    killed_at = first.kill()
    assert await handle.result(timeout=30) == 2
    [again] = ledger.starts(pid=second.pid)
    assert again.at - killed_at < LEASE_S + 1
    record = await handle.record()
    assert (record.attempts_made, record.failures, record.deliveries) == (2, 0, 1)


@pytest.mark.parametrize("stubborn", ["is_deaf", "sits_in_a_thread"])
async def test_a_handler_that_will_not_end_is_left_behind(
    flowli: New, ledger: Ledger, start_runner: StartRunner, stubborn: str
) -> None:
    runner = start_runner("--grace", "1s")
    handle = await flowli.use(flowli.jobs[stubborn]).enqueue()
    await starts(ledger, 1)
    status, took = runner.terminate(within=30)
    assert status == 4
    assert took < 1 + 2 + 1  # and a second for the process itself to end on a busy machine
    assert (await handle.record()).state == "queued"


async def test_a_handler_that_blocks_the_loop_for_three_leases_runs_once(
    flowli: New, ledger: Ledger, start_runner: StartRunner
) -> None:
    lease = ("--lease", "1s")
    first, second = start_runner(*lease), start_runner(*lease)
    handle = await flowli.blocks_the_loop.enqueue(3.0)
    assert await handle.result(timeout=30) == 1
    assert len(ledger.starts()) == 1
    assert [first.terminate(within=40)[0], second.terminate(within=40)[0]] == [0, 0]
