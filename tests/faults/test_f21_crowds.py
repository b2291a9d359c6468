"""F21, F22: a hundred thousand jobs due in one millisecond, fifty drivers that lose their server, a long backlog."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from flowli.driver import Claim, Driver, Millis, NewJob, Settlement, State, Turn
from flowli.repeat import repeat
from tests.faults.clients import driver_of
from tests.faults.lab import LEASE_S, SECRET, Lab
from tests.support.outside import Outside, outside
from tests.support.servers import ValkeyServer
from tests.support.waiting import Bound

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

_CROWD = 100_000
_BACKLOG = 200_000
_RUNNERS = 50
_MOST_S = 0.005
"""Of the server's processor, for one claim with what it settles and promotes."""
_STEP = 500
"""Jobs that one claim promotes."""


def _jobs(number: int, due: int | None = None) -> list[NewJob]:
    at = None if due is None else Millis(due)
    return [NewJob(f"job-{one}", "default", "quick", b"", b'"x"', due=at) for one in range(number)]


async def _drain(driver: Driver, number: int, *, sender: str, limit: int = 200, now: Millis | None = None) -> int:
    """Claim and settle so many jobs; the number of claims that it took."""
    settlements: list[Settlement] = []
    turn, got = 0, 0
    while got < number:
        turn += 1
        claim = Claim(
            runner=sender, turn=Turn(sender, turn), queues=("default",), limit=limit, lease_for=Millis(60_000)
        )
        found = await driver.exchange(settlements, claim, now=now)
        got += len(found.leases)
        settlements = [Settlement(one.id, one.queue, one.token, State.COMPLETED, b"") for one in found.leases]
    await driver.exchange(settlements, now=now)
    return turn


async def test_a_hundred_thousand_jobs_due_at_once_are_promoted_in_steps(
    start_server: Callable[..., ValkeyServer], client: str
) -> None:
    """No claim promotes more than a step, nobody leads, and one costs the server less than five milliseconds.

    On average by its processor; the slowest by its own clock, less what it waited for a processor that others use.
    """
    server = start_server()
    driver = driver_of(client, server.url, "crowd")
    await driver.open()
    try:
        due = Millis((await driver.overview(())).now + 3_600_000)
        for at in range(0, _CROWD, 1_000):
            batch = [job._replace(id=f"job-{at + one}") for one, job in enumerate(_jobs(1_000, due))]
            await driver.enqueue(batch)
        async with outside(server.url) as operator:
            await _drain(driver, 1, sender="first", limit=1, now=due)
            promoted = _CROWD - (await driver.overview(now=due)).queues["default"].scheduled
            assert 0 < promoted <= _STEP
            before, bound = await _spent(operator), Bound(_MOST_S, lambda: [server.pid])
            await operator.ask("CONFIG", "SET", "slowlog-log-slower-than", int(_MOST_S * 1e6), "slowlog-max-len", 1_000)
            await operator.ask("SLOWLOG", "RESET")
            claims = await _drain(driver, _CROWD - 1, sender="one", now=due)
            spent = await _spent(operator) - before
            slow = await _slower(operator)
        assert spent / claims < _MOST_S
        assert sum(slow) - len(slow) * _MOST_S < bound.seconds, f"{len(slow)} of {claims}, up to {max(slow):.4f} s"
        counts = (await driver.overview(now=due)).queues["default"]
        assert (counts.scheduled, counts.queued, counts.active) == (0, 0, 0)
    finally:
        await driver.close()


async def _slower(operator: Outside) -> list[float]:
    """Seconds that each command took by the server's clock, of those above the bound."""
    return [entry[2] / 1e6 for entry in await operator.ask("SLOWLOG", "GET", "1000")]


async def _spent(operator: Outside) -> float:
    """Seconds of a processor that the server has used."""
    facts = await operator.ask("INFO", "cpu")
    return float(facts["used_cpu_user"]) + float(facts["used_cpu_sys"])


async def test_fifty_drivers_that_lose_their_server_come_back_without_a_stampede(
    start_server: Callable[..., ValkeyServer], client: str
) -> None:
    server = start_server()
    drivers = [driver_of(client, server.url, "crowd") for _ in range(_RUNNERS)]
    await asyncio.gather(*(driver.open() for driver in drivers))
    try:
        async with outside(server.url) as operator:
            before = await operator.connections_received()
            await operator.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            began = time.monotonic()
            await asyncio.gather(*(_until_answered(driver) for driver in drivers))
            took = time.monotonic() - began
            made = await operator.connections_received() - before
        assert took < 50
        assert made <= _RUNNERS * (2 + took), "about one connection for each driver and second"
    finally:
        await asyncio.gather(*(driver.close() for driver in drivers))


async def _until_answered(driver: Driver) -> None:
    await repeat(lambda: driver.overview(()), within=60)


async def test_a_long_backlog_makes_neither_claims_nor_counts_dearer(
    start_server: Callable[..., ValkeyServer], client: str
) -> None:
    """By the processor of the server: what else this machine does is not counted."""
    server = start_server()
    driver = driver_of(client, server.url, "crowd")
    await driver.open()
    try:
        async with outside(server.url) as operator:
            await driver.enqueue(_jobs(4_000))
            short = await _cost(operator, driver, 4_000, sender="short")
            for at in range(0, _BACKLOG, 1_000):
                await driver.enqueue([job._replace(id=f"job-{at + one}") for one, job in enumerate(_jobs(1_000))])
            before = await _spent(operator)
            counted = [(await driver.overview()).queues["default"].queued for _ in range(100)]
            spent = await _spent(operator) - before
            long = await _cost(operator, driver, 20_000, sender="long")
    finally:
        await driver.close()
    assert counted == [_BACKLOG] * 100
    assert spent / 100 < _MOST_S / 5
    assert long < 3 * short


async def _cost(operator: Outside, driver: Driver, number: int, *, sender: str) -> float:
    """Seconds of the server's processor for each claim, while so many jobs are drained."""
    before = await _spent(operator)
    claims = await _drain(driver, number, sender=sender)
    return (await _spent(operator) - before) / claims


async def test_what_a_slow_runner_leased_ahead_is_not_delivered_to_another_meanwhile(lab: Lab) -> None:
    """Fast jobs make it lease ahead; slow ones then keep its slot for three leases."""
    await lab.start(1, "--concurrency", "1")
    await lab.send_many(lab.app.quick.enqueue_many, [SECRET] * 300)
    await lab.send_many(lab.app.naps.enqueue_many, [3 * LEASE_S, 0.0, 0.0, 0.0])
    await lab.send_many(lab.app.quick.enqueue_many, [SECRET] * 50)
    await lab.start(1, "--concurrency", "1")
    await lab.until_over()
    assert len(lab.history.runs) == 354
    await lab.check()
