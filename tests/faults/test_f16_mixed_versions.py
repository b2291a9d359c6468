"""F16, as far as it needs no second release: a job that the old application does not know waits for the new one."""

from __future__ import annotations

import pytest

from tests.faults.conftest import Figure
from tests.faults.lab import SECRET, Lab

pytestmark = pytest.mark.anyio


@pytest.mark.quick
async def test_a_job_unknown_to_the_old_runner_is_run_by_the_new_one(lab: Lab, figure: Figure) -> None:
    [old] = await lab.start(app="previous")
    unknown = await lab.send_many(lab.app.only_in_the_new_version.enqueue_many, [SECRET] * 5)
    good = await lab.send_many(lab.app.quick.enqueue_many, [SECRET] * 50)
    for handle in good:
        assert await handle.result(timeout=30) > 0

    async def parked() -> bool:
        found = [await handle.record() for handle in unknown]
        return all((one.state, one.waiting_for, one.attempts_made) == ("scheduled", "runner", 0) for one in found)

    await lab.until(parked, "all five parked, no attempt counted")
    assert old.is_alive
    [new] = await lab.start()
    assert old.terminate(within=40)[0] == 0  # while both are there, either may look at a parked job, and park it again
    for handle in unknown:
        assert await handle.result(timeout=60) > 0
        assert [run.pid for run in lab.history.runs_of(handle.id)] == [new.pid]
    await lab.check()
    figure("job unknown to the old runner, then a new one", "run by the new one, 5 of 5")
