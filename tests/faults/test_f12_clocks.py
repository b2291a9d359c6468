"""F12: clocks jump and drift. The server's decides leases; a runner's own decides nothing."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.app import AHEAD_S
from tests.faults.lab import LEASE_S, SECRET, Lab, lasts
from tests.faults.load import load
from tests.support.clocks import ShiftedClock
from tests.support.servers import ValkeyServer

pytestmark = pytest.mark.anyio

_HOUR_S, _DAY_S = 3_600.0, 86_400.0


@pytest.fixture
def clock(tmp_path: Path) -> ShiftedClock:
    if os.environ.get("FLOWLI_TEST_SERVER") == "redis-7":
        pytest.skip("Debian's server does not start under libfaketime")
    return ShiftedClock(tmp_path)


@pytest.fixture
async def shifted(clock: ShiftedClock, client: str, tmp_path: Path) -> AsyncIterator[Lab]:
    """A lab whose server follows `clock`."""
    folder = tmp_path / "server"
    folder.mkdir()
    server = ValkeyServer(folder, environment=clock.environment).start()
    lab = Lab(tmp_path, server, client)
    async with lab.app:
        yield lab
        lab.close()
    server.stop()


@pytest.mark.parametrize("jump_s", [2 * _HOUR_S, -_HOUR_S])
async def test_a_jump_of_the_servers_clock_loses_nothing(shifted: Lab, clock: ShiftedClock, jump_s: float) -> None:
    """Forward, leases run out early and what is delivered again is fenced; back, new work is still done at once."""
    await shifted.start(2)
    await shifted.send_many(shifted.app.naps.enqueue_many, [1.5] * 10, result_ttl="1d")
    await shifted.until_runs(10)
    with shifted.ledger.trouble("clock", "server"):
        clock.set(jump_s)
        await lasts(LEASE_S)
    after = await shifted.send_many(shifted.app.quick.enqueue_many, [SECRET] * 50, result_ttl="1d")
    for handle in after:
        assert await handle.result(timeout=30) > 0
    await shifted.until_over()
    await shifted.check()


async def test_a_clock_that_is_set_back_delays_recovery_by_no_more_than_that(shifted: Lab, clock: ShiftedClock) -> None:
    back_s = 4.0
    [first] = await shifted.start()
    await shifted.send(shifted.app.hangs_at_first.enqueue)
    await shifted.until_runs(1)
    [second] = await shifted.start()
    clock.set(-back_s)
    with shifted.ledger.trouble("kill", first.pid):
        bound = shifted.within(LEASE_S + back_s + 1)
        killed_at = first.kill()
    began = await shifted.until_runs(1, pid=second.pid)
    assert began - killed_at < bound.seconds
    await shifted.until_over()
    await shifted.check()


async def test_a_clock_that_swings_by_five_seconds_under_load_loses_nothing(shifted: Lab, clock: ShiftedClock) -> None:
    await shifted.start(2)
    async with load(shifted, 25):
        with shifted.ledger.trouble("clock", "server"):
            for swing in range(10):
                clock.set(5.0 if swing % 2 else -5.0)
                await lasts(0.7)
    await shifted.until_over()
    await shifted.check()


@pytest.mark.parametrize("ahead_s", [_DAY_S, -_DAY_S])
async def test_a_runners_own_clock_decides_nothing(lab: Lab, ahead_s: float) -> None:
    [odd] = await lab.start(extra={AHEAD_S: str(ahead_s)})
    handles = await lab.send_many(lab.app.naps.enqueue_many, [2 * LEASE_S] * 5)
    delayed = await lab.send(lab.app.quick.delay, "1s", SECRET)
    retried = await lab.send(lab.app.fails_twice.enqueue, SECRET)
    for handle in [*handles, delayed, retried]:
        assert await handle.result(timeout=30) > 0
    assert {run.pid for run in lab.history.runs} == {odd.pid}
    assert len(lab.history.runs) == 5 + 1 + 3
    await lab.check()
