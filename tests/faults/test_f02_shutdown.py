"""F2: SIGTERM drains, then hands back; what is handed back starts elsewhere at once, and the end comes in time."""

from __future__ import annotations

import pytest

from tests.faults.conftest import Figure
from tests.faults.lab import SECRET, Lab
from tests.support.runners import RunnerProcess

pytestmark = pytest.mark.anyio

_END_S = 2.0 + 1.0
"""What the end may take beyond the grace, and a second for the interpreter itself to go."""


async def _starts(lab: Lab, runner: RunnerProcess, number: int) -> float:
    return await lab.until_runs(number, pid=runner.pid)


async def test_fifty_jobs_in_flight_end_within_the_grace(lab: Lab, figure: Figure) -> None:
    [runner] = await lab.start(1, "--grace", "30s")
    await lab.send_many(lab.app.naps.enqueue_many, [0.5] * 49)
    await lab.send(lab.app.naps.enqueue, 3)
    await _starts(lab, runner, 50)
    status, took = runner.terminate(within=40)
    assert status == 0
    assert [run.outcome for run in lab.history.runs] == ["done"] * 50
    await lab.until_over()
    await lab.check()
    figure("SIGTERM, 3-s job running", f"drains; gone after {took:.1f} s")


@pytest.mark.quick
async def test_what_outlasts_the_grace_starts_elsewhere_within_a_second(lab: Lab, figure: Figure) -> None:
    [first] = await lab.start(1, "--grace", "1s", "--concurrency", "50")
    handles = await lab.send_many(lab.app.hangs_at_first.enqueue_many, [None] * 50)
    await _starts(lab, first, 50)
    [second] = await lab.start()
    end, bound = lab.within(1 + _END_S), lab.within(1)
    status, took = first.terminate(within=40)
    assert status == 0
    assert took < end.seconds
    last = await _starts(lab, second, 50)
    released_at = max(run.ended or 0 for run in lab.history.runs_of(pid=first.pid))
    assert last - released_at < bound.seconds
    await lab.until_over()
    records = [await handle.record() for handle in handles]
    assert {(record.failures, record.deliveries) for record in records} == {(0, 0)}
    await lab.check()
    figure("SIGTERM, 3-s job running", f"after the grace released, elsewhere after {last - released_at:.2f} s")


@pytest.mark.quick
async def test_a_second_sigterm_hands_back_at_once(lab: Lab) -> None:
    [first] = await lab.start(1, "--grace", "60s")
    await lab.send(lab.app.hangs_at_first.enqueue)
    await _starts(lab, first, 1)
    [second] = await lab.start()
    first.ask_to_end()

    async def draining() -> bool:
        return "draining" in first.said

    await lab.until(draining, "a runner that drains")
    bound = lab.within(1)
    asked_at = first.ask_to_end()
    began = await _starts(lab, second, 1)
    assert began - asked_at < bound.seconds
    assert await first.ended() == 0
    await lab.until_over()
    await lab.check()


@pytest.mark.parametrize("stubborn", ["is_deaf", "sits_in_a_thread"])
async def test_a_handler_that_will_not_end_is_left_behind_in_time(lab: Lab, stubborn: str) -> None:
    [runner] = await lab.start(1, "--grace", "1s")
    if stubborn == "is_deaf":
        handle = await lab.send(lab.app.is_deaf.enqueue)
    else:
        handle = await lab.send(lab.app.sits_in_a_thread.enqueue, 600)
    await _starts(lab, runner, 1)
    end = lab.within(1 + _END_S)
    status, took = runner.terminate(within=40)
    assert status == 4
    assert took < end.seconds
    record = await handle.record()
    assert (record.state, record.failures) == ("queued", 0)
    await handle.cancel()
    await lab.check()


async def test_sigterm_while_handlers_enqueue_and_others_wait_loses_nothing(lab: Lab) -> None:
    """A runner that holds its slots full, with more queued behind, and handlers that produce."""
    runners = await lab.start(2, "--concurrency", "4", "--grace", "1s")
    await lab.send_many(lab.app.orders_another.enqueue_many, [SECRET] * 100)
    await lab.send_many(lab.app.naps.enqueue_many, [0.05] * 60)
    await _starts(lab, runners[0], 10)
    assert runners[0].terminate(within=40)[0] == 0
    await lab.until_over()
    await lab.check()
    assert len(await lab.records()) == 260


@pytest.mark.quick
async def test_an_idle_runner_ends_at_once(lab: Lab) -> None:
    """Also while its claim waits at the store."""
    [runner] = await lab.start(1, "--poll-interval", "10s")
    end = lab.within(_END_S)
    status, took = runner.terminate(within=40)
    assert (status, took < end.seconds) == (0, True)
    await lab.check()
