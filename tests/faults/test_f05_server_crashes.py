"""F5: the server is killed and comes back. No runner ends; what AOF kept is done; throughput is back at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.conftest import Figure
from tests.faults.lab import LEASE_S, SECRET, Lab, lasts
from tests.faults.load import load, recovery

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

_RATE = 25.0
ALWAYS = ("--appendonly", "yes", "--appendfsync", "always")
EVERYSEC = ("--appendonly", "yes", "--appendfsync", "everysec")
MakeLab = Callable[..., Any]


async def _crash(lab: Lab, down_s: float) -> float:
    """Kill the server, and start it again after ``down_s`` seconds; when it answered."""
    with lab.ledger.trouble("server", "kill"):
        lab.server.kill()
        await lasts(down_s)
        lab.server.start()
    return lab.now()


@pytest.mark.parametrize("down_s", [pytest.param(0.2, marks=pytest.mark.quick), 4, 30])
async def test_nothing_is_lost_and_throughput_comes_back(own_lab: MakeLab, figure: Figure, down_s: float) -> None:
    lab: Lab = await own_lab(*ALWAYS)
    await lab.start(2)
    async with load(lab, _RATE):
        running = await lab.send(lab.app.naps.enqueue, down_s + 2 * LEASE_S)
        await lab.until_runs(20)
        healed_at = await _crash(lab, down_s)
        bound = lab.within(5)
        took = await recovery(lab, healed_at, _RATE)
    assert took < bound.seconds
    await running.result(timeout=120)
    await lab.until_over()
    await lab.check()
    if down_s == 4:
        figure("server kill -9, 4 s down", f"ok, nothing lost, 90 % of the throughput after {took:.1f} s")
    if down_s == 30:
        figure("server kill -9, 4 s down", f"30 s down: after {took:.1f} s")


async def test_outcomes_of_what_ran_while_the_server_was_away_are_written_when_it_is_back(own_lab: MakeLab) -> None:
    """A lease that is longer than the outage is kept: the job is not run again."""
    lab: Lab = await own_lab(*ALWAYS)
    await lab.start(1, "--lease", "60s")
    handles = await lab.send_many(lab.app.naps.enqueue_many, [1.0] * 10)
    await lab.until_runs(10)
    await _crash(lab, 2)
    for handle in handles:
        await handle.result(timeout=60)
    assert len(lab.history.runs) == 10
    await lab.check()


async def test_with_everysec_a_killed_process_loses_nothing_that_reached_the_kernel(own_lab: MakeLab) -> None:
    """SIGKILL is no power cut: what was written is written. The promise is one second; here it is none."""
    lab: Lab = await own_lab(*EVERYSEC)
    await lab.start(2)
    async with load(lab, _RATE):
        await lab.until_runs(20)
        healed_at = await _crash(lab, 0.2)
        assert await recovery(lab, healed_at, _RATE) < 5
    await lab.until_over()
    history, records = lab.history, await lab.records()
    lost = history.acknowledged - records.keys()
    windows = [window for window in history.windows if window.kind == "server"]
    recent = {run.job for run in history.runs if run.began > windows[0].began - 1.5}
    assert {job for job in lost if job in {run.job for run in history.runs}} <= recent
    assert len(lost) <= 2 * _RATE
    await lab.check(lossy=True)


async def test_without_persistence_runners_go_on_with_an_empty_store(own_lab: MakeLab) -> None:
    lab: Lab = await own_lab()
    await lab.start(2)
    await lab.send_many(lab.app.quick.enqueue_many, [SECRET] * 100)
    await lab.send(lab.app.naps.enqueue, 1.5)
    await lab.until_runs(20)
    await _crash(lab, 0.2)
    after = await lab.send_many(lab.app.quick.enqueue_many, [SECRET] * 100)
    assert [await handle.result(timeout=30) > 0 for handle in after] == [True] * 100
    await lab.until_over()
    await lab.check(lossy=True)
