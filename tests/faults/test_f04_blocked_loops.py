"""F4: a handler blocks the event loop, or the whole interpreter, for three leases."""

from __future__ import annotations

import pytest

from tests.faults.conftest import Figure
from tests.faults.lab import LEASE_S, SECRET, Lab

pytestmark = pytest.mark.anyio

_LONG_S = 3 * LEASE_S


@pytest.mark.quick
async def test_a_handler_that_blocks_the_loop_for_three_leases_runs_once(lab: Lab, figure: Figure) -> None:
    await lab.start(2)
    handle = await lab.send(lab.app.blocks_the_loop.enqueue, _LONG_S)
    began = await lab.until_runs(1)
    await handle.result(timeout=60)
    runs = lab.history.runs_of(handle.id)
    assert len(runs) == 1
    assert (runs[0].ended or 0) - began >= _LONG_S
    await lab.check()
    figure("event loop blocked", f"{len(runs)} run of {_LONG_S:g} s")


async def test_jobs_beside_a_blocked_loop_are_done_elsewhere(lab: Lab) -> None:
    """What the blocked runner had taken waits for it; what it had not, does not."""
    await lab.start(2, "--concurrency", "1")
    await lab.send(lab.app.blocks_the_loop.enqueue, _LONG_S)
    began = await lab.until_runs(1)
    others = await lab.send_many(lab.app.quick.enqueue_many, [SECRET] * 20)
    for other in others:
        await other.result(timeout=60)
    done = max(run.ended or 0 for run in lab.history.runs if run.job in {other.id for other in others})
    assert done < began + _LONG_S
    await lab.until_over()
    await lab.check()


@pytest.mark.quick
async def test_a_held_interpreter_may_cost_a_second_run_and_never_a_second_outcome(lab: Lab) -> None:
    """No thread moves, so no lease is renewed: it is delivered again, and what the first run returns is refused."""
    await lab.start(2)
    with lab.ledger.trouble("gil"):
        handle = await lab.send(lab.app.holds_the_gil.enqueue, int(_LONG_S * 1000))
        token = await handle.result(timeout=60)
        await lab.until_runs(2)

        async def ended() -> bool:
            return all(run.ended is not None for run in lab.history.runs)

        await lab.until(ended, "the end of both runs")
    first, second = lab.history.runs_of(handle.id)
    assert first.token < second.token == token
    record = await handle.record()
    assert (record.failures, record.deliveries) == (0, 1)
    await lab.check()
