"""F6: the server closes every connection once a second, under load."""

from __future__ import annotations

import pytest

from tests.faults.conftest import Figure
from tests.faults.lab import Lab, lasts
from tests.faults.load import load, recovery
from tests.support.outside import outside

pytestmark = pytest.mark.anyio

_KILLS = 15
_RATE = 25.0


@pytest.mark.quick
async def test_no_runner_ends_and_no_job_runs_twice(lab: Lab, figure: Figure) -> None:
    await lab.start(2)
    async with outside(lab.server.url) as operator, load(lab, _RATE):
        await lab.until_runs(20)
        await lab.send_many(lab.app.naps.enqueue_many, [3.0] * 5)
        closed = 0
        for _ in range(_KILLS):
            for kind in ("normal", "pubsub"):
                closed += await operator.ask("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
            await lasts(1)
        took = await recovery(lab, lab.now(), _RATE)
    assert closed > 2 * _KILLS
    await lab.until_over()
    await lab.check()
    jobs = lab.history.runs
    assert len({run.job for run in jobs}) == len(jobs), "no trouble was written down, so none excuses a second run"
    figure("CLIENT KILL", f"ok, 0 of {len(jobs)} twice, {_KILLS} times; back after {took:.1f} s")
