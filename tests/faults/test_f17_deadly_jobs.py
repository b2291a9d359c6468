"""F17: handlers that take their process with them. They end as poison; what ran beside them is run again."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from flowli.records import FailureReason, State
from tests.faults.lab import Lab
from tests.support.polling import eventually
from tests.support.runners import RunnerProcess

pytestmark = pytest.mark.anyio

_DELIVERIES = 3
"""`max_deliveries` of the deadly jobs."""


async def _supervise(lab: Lab, over: asyncio.Event) -> int:
    """Start a runner again whenever the last one died, as a supervisor does; how many died."""
    died = 0
    while not over.is_set():
        [runner] = await lab.start()
        runner.expected_to_end = True
        await eventually(partial(_one_is_over, runner, over), within=120, what="the end of a runner")
        died += not runner.is_alive
    return died


async def _one_is_over(runner: RunnerProcess, over: asyncio.Event) -> bool:
    return over.is_set() or not runner.is_alive


@pytest.mark.parametrize("deadly", ["exits", "crashes_the_interpreter"])
async def test_a_deadly_job_is_poison_after_its_deliveries(lab: Lab, deadly: str) -> None:
    over = asyncio.Event()
    beside = await lab.send_many(lab.app.naps.enqueue_many, [0.3] * 5)
    handle = await lab.send((lab.app.exits if deadly == "exits" else lab.app.crashes_the_interpreter).enqueue)
    supervisor = asyncio.create_task(_supervise(lab, over))
    try:
        for other in beside:
            assert await other.result(timeout=120) > 0
        await lab.until_over(within=120)
    finally:
        over.set()
        died = await supervisor
    record = await handle.record()
    assert (record.state, record.reason, record.failures) == (State.FAILED, FailureReason.POISON, 0)
    assert record.deliveries == len(lab.history.runs_of(handle.id)) == died == _DELIVERIES
    await lab.check(max_deliveries=_DELIVERIES)


@pytest.mark.quick
async def test_memory_that_is_refused_is_a_failure_and_not_the_end(lab: Lab) -> None:
    [runner] = await lab.start()
    handle = await lab.send(lab.app.eats_all_memory.enqueue)
    await lab.until_over()
    record = await handle.record()
    assert (record.state, record.reason, record.failures) == (State.FAILED, FailureReason.ATTEMPTS, 1)
    assert record.error is not None and record.error.type == "MemoryError"
    _is_well(runner)
    await lab.check()


def _is_well(runner: RunnerProcess) -> None:
    assert runner.is_alive, runner.said
