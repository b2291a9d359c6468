"""F1: a runner is killed, at random and at the worst moments. Its jobs are done elsewhere, with no new traffic."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from flowli.records import State
from tests.faults.checker import UNKEPT
from tests.faults.conftest import Figure
from tests.faults.lab import LEASE_S, SECRET, Lab
from tests.support.polling import eventually
from tests.support.proxy import ChaosProxy
from tests.support.trouble import Hold, HoldAfter, HoldBefore

pytestmark = pytest.mark.anyio

_KILLS = 10
_MOST: Any = {"max_deliveries": _KILLS + 1}
"""All of the kills may meet the same job, which is no poison for that."""


@pytest.mark.quick
async def test_a_killed_runners_job_starts_elsewhere_within_its_lease_and_a_second(lab: Lab, figure: Figure) -> None:
    first, second = await lab.start(2)
    handle = await lab.send(lab.app.hangs_at_first.enqueue)
    await lab.until_runs(1)
    [run] = lab.history.runs
    victim, heir = (first, second) if run.pid == first.pid else (second, first)
    with lab.ledger.trouble("kill", victim.pid):
        bound = lab.within(LEASE_S + 1)
        killed_at = victim.kill()
    began = await lab.until_runs(1, pid=heir.pid)
    assert began - killed_at < bound.seconds
    await lab.until_over()
    record = await handle.record()
    assert (record.attempts_made, record.failures, record.deliveries) == (2, 0, 1)
    await lab.check()
    figure("kill -9 mid-job, new runner at once", f"another after {began - killed_at:.1f} s")


async def test_a_new_runner_of_the_same_host_takes_what_a_killed_one_left(lab: Lab, figure: Figure) -> None:
    [first] = await lab.start()
    handles = await lab.send_many(lab.app.hangs_at_first.enqueue_many, [None] * 5)
    await lab.until_runs(5)
    with lab.ledger.trouble("kill", first.pid):
        killed_at = first.kill()
    [second] = await lab.start()
    ready_at, bound = lab.now(), lab.within(1)
    took = await lab.until_runs(5, pid=second.pid) - killed_at
    assert took < max(LEASE_S, ready_at - killed_at) + bound.seconds
    await lab.until_over()
    assert [(await handle.record()).failures for handle in handles] == [0] * 5
    await lab.check()
    start_s = ready_at - killed_at
    figure("kill -9 mid-job, new runner at once", f"new one after {took:.1f} s, {start_s:.1f} s of them its start")


@pytest.mark.parametrize("hold", [HoldBefore, HoldAfter])
@pytest.mark.parametrize("number", [1, 3, 5, 8, 13, 21])
async def test_a_kill_at_any_request_of_a_runner_loses_nothing(
    lab: Lab, proxy: ChaosProxy, hold: Callable[[int], Hold], number: int
) -> None:
    """Requests are claims, renewals, settlements, recoveries and firings of a schedule, as they come."""
    schedule = await lab.app.ticks.schedule("1s", key="every-second")
    [victim] = await lab.start(url=proxy.url)
    fault = hold(number)
    proxy.set(fault)
    await lab.send(lab.app.naps.enqueue, 0.5)
    await lab.send(lab.app.fails_twice.enqueue, SECRET, queue="other")
    await lab.send(lab.app.leaves_nothing.enqueue, SECRET, id=f"{UNKEPT}{number}")
    await lab.until(lambda: _has_happened(fault), f"request {number}")
    with lab.ledger.trouble("kill", victim.pid):
        victim.kill()
    fault.release()
    await lab.start()
    await schedule.delete()
    await lab.until_over()
    await lab.check(made_by_schedule="every-second")


async def _has_happened(fault: Hold) -> bool:
    return fault.happened.is_set()


async def test_ten_kills_under_two_hundred_mixed_jobs(lab: Lab) -> None:
    """Each while at least one job is active. All end with a reason, no failure is counted for a kill."""
    app, dice = lab.app, random.Random(20261125)
    runners = await lab.start(2)
    await lab.send_many(app.naps.enqueue_many, [dice.uniform(0.05, 0.6) for _ in range(80)], **_MOST)
    await lab.send_many(app.quick.enqueue_many, [SECRET] * 40, **_MOST)
    await lab.send_many(app.fails_twice.enqueue_many, [SECRET] * 30, **_MOST)
    await lab.send_many(app.in_a_thread.enqueue_many, [SECRET] * 30, **_MOST)
    await lab.send_many(app.fails.enqueue_many, [SECRET] * 20, **_MOST)
    for kill in range(_KILLS):
        await _while_active(lab)
        victim = runners.pop(dice.randrange(len(runners)))
        with lab.ledger.trouble("kill", victim.pid):
            victim.kill()
        await lab.send(app.naps.enqueue, 0.2 * (kill % 3), **_MOST)
        runners += await lab.start()
    await lab.until_over()
    await lab.check(max_deliveries=_KILLS)
    records = (await lab.records()).values()
    assert len(records) >= 200 + _KILLS
    assert sum(record.state is State.FAILED for record in records) == 20


async def _while_active(lab: Lab) -> None:
    """Until a job is active; a new one is enqueued where none would be."""

    async def active() -> bool:
        counts = await lab.app.inspect.get_queue_counts()
        if counts.active + counts.queued == 0:
            await lab.send(lab.app.naps.enqueue, 1.0, **_MOST)
        return counts.active > 0

    await eventually(active, what="an active job")
