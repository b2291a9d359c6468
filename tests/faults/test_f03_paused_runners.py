"""F3: a runner stands still for three leases and wakes as a zombie. Its late outcome is refused; it goes on serving."""

from __future__ import annotations

import signal

import pytest

from tests.faults.conftest import Figure
from tests.faults.lab import LEASE_S, SECRET, Lab, lasts

pytestmark = pytest.mark.anyio


@pytest.mark.quick
async def test_a_paused_runners_late_outcome_is_refused_and_it_goes_on_serving(lab: Lab, figure: Figure) -> None:
    first, second = await lab.start(2)
    handle = await lab.send(lab.app.hangs_at_first.enqueue)
    await lab.until_runs(1)
    [run] = lab.history.runs
    zombie, heir = (first, second) if run.pid == first.pid else (second, first)
    with lab.ledger.trouble("stop", zombie.pid):
        zombie.signal(signal.SIGSTOP)
        paused_at, bound = lab.now(), lab.within(LEASE_S + 1)
        began = await lab.until_runs(1, pid=heir.pid)
        assert began - paused_at < bound.seconds
        assert await handle.result(timeout=30) > run.token  # whoever waits for it is not held up
        await lasts(3 * LEASE_S - (lab.now() - paused_at))
        zombie.signal(signal.SIGCONT)
    woken_at, bound = lab.now(), lab.within(1)

    async def stopped() -> float | None:
        return lab.history.runs_of(handle.id, pid=zombie.pid)[0].ended

    ended = await lab.until(stopped, "the end of the zombie's handler")
    assert ended - woken_at < bound.seconds
    assert lab.history.runs_of(handle.id, pid=zombie.pid)[0].outcome == "stopped"

    heir.kill()  # so that the zombie is the only one left
    with lab.ledger.trouble("kill", heir.pid):
        again = await lab.send_many(lab.app.quick.enqueue_many, [SECRET] * 20)
    assert [await one.result(timeout=30) > 0 for one in again] == [True] * 20
    await lab.until_over()
    await lab.check()
    figure("SIGSTOP, other runner alive", f"taken over, {began - paused_at:.1f} s; late outcome refused, serves on")


async def test_what_a_paused_handler_returns_late_changes_nothing(lab: Lab) -> None:
    """The zombie's handler is over at the moment it wakes: its outcome races with its fencing."""
    first, second = await lab.start(2)
    handles = await lab.send_many(lab.app.naps.enqueue_many, [0.5] * 20)
    await lab.until_runs(20)
    with lab.ledger.trouble("stop", first.pid):
        first.signal(signal.SIGSTOP)
        paused_at = lab.now()
        for handle in handles:
            await handle.result(timeout=30)
        before = await lab.records()
        await lasts(3 * LEASE_S - (lab.now() - paused_at))
        first.signal(signal.SIGCONT)
    assert (await (await lab.send(lab.app.quick.enqueue, SECRET)).result(timeout=30)) > 0
    assert second.terminate(within=40)[0] == 0
    assert (await (await lab.send(lab.app.quick.enqueue, SECRET)).result(timeout=30)) > 0
    after = await lab.records()
    assert {id: after[id] for id in before} == before
    await lab.check()
