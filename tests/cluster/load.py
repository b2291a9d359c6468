"""Work that goes on while something happens to the store, with a ledger of its own of what was asked for and done."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from flowli.driver import Claim, Driver, Exchanged, Millis, Settlement, State, Turn
from flowli.errors import DriverUnavailable, NotDurable
from flowli.ids import make_id
from flowli.repeat import repeat
from tests.support.jobs import job_of
from tests.support.polling import eventually

__all__ = ["Load", "under_load"]

_AT_ONCE = 20
_FURTHER = 200
_LEASE = Millis(5_000)


@dataclass
class Load:
    """What the producers and runners know themselves."""

    driver: Driver
    asked: set[str] = field(default_factory=set[str])
    """Ids whose enqueue was acknowledged."""
    done: Counter[str] = field(default_factory=Counter[str])
    """Executions by id."""
    refused: int = 0
    """Calls that had to be repeated."""

    async def produce(self, name: str) -> None:
        """Enqueue small batches, each until it is acknowledged, as core does."""
        number = 0
        while True:
            number += 1
            turn, jobs = Turn(name, number), [job_of(make_id()) for _ in range(_AT_ONCE)]
            while True:
                try:
                    await repeat(partial(self.driver.enqueue, jobs, turn=turn), within=60)
                    break
                except NotDurable:
                    await asyncio.sleep(0.05)
            self.asked.update(job.id for job in jobs)
            await asyncio.sleep(0.005)

    async def work(self, name: str) -> None:
        """Execute and settle, repeating every call whose outcome is unknown, as a runner does."""
        number, settlements = 0, list[Settlement]()
        while True:
            number += 1
            claim = Claim(
                runner=name, turn=Turn(name, number), queues=None, limit=50, lease_for=_LEASE, wait=Millis(500)
            )
            found = await self._exchange(settlements, claim)
            self.done.update(lease.id for lease in found.leases)
            settlements = [
                Settlement(lease.id, lease.queue, lease.token, State.COMPLETED, b"") for lease in found.leases
            ]

    async def goes_on(self) -> None:
        """Return when some hundred further jobs have been executed."""
        before = len(self.done)

        async def has_done_more() -> bool:
            return len(self.done) > before + _FURTHER

        await eventually(has_done_more, within=60, what="work that goes on")

    async def _exchange(self, settlements: Sequence[Settlement], claim: Claim) -> Exchanged:
        while True:
            try:
                return await self.driver.exchange(settlements, claim)
            except DriverUnavailable:
                self.refused += 1
                await asyncio.sleep(0.05)


@asynccontextmanager
async def under_load(driver: Driver, *, runners: int = 2) -> AsyncGenerator[Load, None]:
    """Produce and execute for as long as the block takes; behind it everything that was asked for has been done."""
    load = Load(driver)
    producing = [asyncio.create_task(load.produce(f"producer-{n}")) for n in range(2)]
    working = [asyncio.create_task(load.work(f"runner-{n}")) for n in range(runners)]

    async def is_done() -> bool:
        return load.asked <= load.done.keys()

    try:
        await load.goes_on()
        yield load
        await load.goes_on()
        await _end(producing)
        await eventually(is_done, within=60, what="the execution of everything that was asked for")
    finally:
        await _end([*producing, *working])


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        if not task.done():
            task.cancel()
        with suppress(asyncio.CancelledError):
            await task
