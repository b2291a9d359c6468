"""F7: the network between one runner and the store breaks in every way; the others see nothing of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flowli import JobHandle
from tests.faults.lab import LEASE_S, Lab, lasts
from tests.faults.load import load, recovery
from tests.support.proxy import ChaosProxy
from tests.support.runners import RunnerProcess
from tests.support.trouble import Blackhole, Delay, Fault, HalfOpen, Narrow, Refuse, ResetEvery

pytestmark = pytest.mark.anyio

_RATE = 20.0
_LASTS_S = 3 * LEASE_S + 1
_BACK_S = 5.0
"""Until 90 % of the throughput is back, once the network is."""

CUT = {
    "refuse": Refuse,
    "blackhole": Blackhole,
    "half-open": HalfOpen,
}
SLOW: dict[str, Callable[[], Fault]] = {
    "reset": lambda: ResetEvery(4),
    "delay": lambda: Delay(0.2, jitter=0.2),
    "narrow": lambda: Narrow(10_000),
}


@pytest.mark.parametrize("kind", CUT)
async def test_a_runner_that_is_cut_off_stops_its_handlers_in_time_and_comes_back(
    lab: Lab, proxy: ChaosProxy, kind: str
) -> None:
    """Its job is stopped before its lease is over, is run by the other, and it consumes again when all is well."""
    [cut_off] = await lab.start(url=proxy.url)
    [other] = await lab.start()
    handle = await _hanging_on(lab, cut_off)
    connections = proxy.connections
    with lab.ledger.trouble(kind, cut_off.pid):
        cut_at = lab.now()
        proxy.set(CUT[kind]())
        await lasts(_LASTS_S)
        tries = proxy.connections - connections
        proxy.set(Fault())
    healed_at, bound = lab.now(), lab.within(_BACK_S)
    first, second = lab.history.runs_of(handle.id)
    assert first.outcome == "stopped"
    assert (first.ended or 0) - cut_at < LEASE_S
    assert second.pid == other.pid
    assert tries <= 4 * _LASTS_S, "no thundering reconnect: conversation, renewals and presence try as they may"
    assert other.terminate(within=40)[0] == 0

    async with load(lab, _RATE):
        took = await recovery(lab, healed_at, _RATE)
    assert {run.pid for run in lab.history.runs[-5:]} == {cut_off.pid}
    assert took < bound.seconds
    await lab.until_over()
    await lab.check()


async def _hanging_on(lab: Lab, runner: RunnerProcess) -> JobHandle[int]:
    """A job that hangs on this runner: what the other one takes is cancelled."""
    while True:
        handle = await lab.send(lab.app.hangs_at_first.enqueue)
        await lab.until_runs(1, job=handle.id)
        if lab.history.runs_of(handle.id)[0].pid == runner.pid:
            return handle
        await handle.cancel()


@pytest.mark.parametrize("kind", SLOW)
async def test_a_bad_network_loses_nothing_and_runs_nothing_twice_for_ever(
    lab: Lab, proxy: ChaosProxy, kind: str
) -> None:
    [meant] = await lab.start(url=proxy.url)
    await lab.start()
    async with load(lab, _RATE):
        await lab.until_runs(10)
        with lab.ledger.trouble(kind, meant.pid):
            proxy.set(SLOW[kind]())
            await lasts(8)
            proxy.set(Fault())
        bound = lab.within(_BACK_S)
        assert await recovery(lab, lab.now(), _RATE) < bound.seconds
    await lab.until_over()
    await lab.check()
