"""Who enqueues in the simulation, and what they were told: acknowledged, refused, or nobody knows.

It knows the calls of a user. It refuses to know runners.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from flowli import DriverUnavailable, EnqueueUnknown, Flowli, JobCancelledError, JobFailedError, JobNotFoundError
from tests.faults.simulation.jobs import Desk, draw, late, once, plain, pulse, timed, traceless
from tests.faults.simulation.line import Weather

if TYPE_CHECKING:
    from tests.faults.simulation.world import Account

__all__ = ["Producer"]

_JOBS = (plain, timed, once, traceless, late)
_WEIGHTS = (4, 3, 1, 1, 1)
_RESULT_S = 200.0


class Producer:
    """Enqueues, repeats what it is not sure of, cancels, and waits for results. The first one has a schedule too."""

    def __init__(self, number: int, flowli: Flowli[Desk], weather: Weather, account: Account) -> None:
        self._number = number
        self._flowli = flowli
        self._weather = weather
        self._dice = random.Random(weather.dice.random())
        self._account = account
        self._waiting: list[asyncio.Task[None]] = []
        self.complaints: list[str] = []

    async def produce(self) -> None:
        """Some jobs, each in a way of its own."""
        dice = self._dice
        if self._number == 0 and dice.random() < 0.5:
            await self._sure(self._flowli.use(pulse).schedule("700ms", key="pulse", misfire="all", misfire_cap=500))
        for number in range(dice.randint(2, 10)):
            await asyncio.sleep(dice.expovariate(3.0))
            id = f"{self._number}.{number}"
            await self._enqueue(id)
            if dice.random() < 0.2:
                await self._sure(self._flowli.use(plain).handle(id).cancel())

    async def finish(self) -> None:
        """Delete the schedule, once it has caught up, and hear of every result."""
        if self._number == 0:
            await asyncio.sleep(2.0)
            await self._flowli.control.delete(schedule="pulse")
        await asyncio.gather(*self._waiting)

    async def _sure(self, call: Coroutine[Any, Any, object]) -> None:
        """A call whose failure matters to nobody."""
        try:
            await call
        except (DriverUnavailable, OSError):
            return

    async def _enqueue(self, id: str) -> None:
        dice, account = self._dice, self._account
        [bound] = [self._flowli.use(job) for job in dice.choices(_JOBS, _WEIGHTS)]
        plan = draw(dice)
        if dice.random() < 0.3:
            call = asyncio.create_task(bound.delay(f"{dice.randint(0, 2000)}ms", plan, id=id))
        else:
            call = asyncio.create_task(bound.enqueue(plan, id=id))
        if dice.random() < 0.1:
            asyncio.get_running_loop().call_later(dice.random() ** 3, call.cancel)
        try:
            handle = await call
        except DriverUnavailable:
            account.refused.add(id)
        except (EnqueueUnknown, OSError, asyncio.CancelledError):
            account.unsure.add(id)
        else:
            account.promised.add(id)
            if dice.random() < 0.3:
                self._waiting.append(asyncio.create_task(self._hear(handle)))

    async def _hear(self, handle: Any) -> None:
        """Whoever waits for a result hears of the end, whatever it is."""
        try:
            await handle.result(timeout=_RESULT_S)
        except (JobFailedError, JobCancelledError, JobNotFoundError, OSError):
            return
        except Exception as exc:
            self.complaints.append(f"who waits for {handle.id} hears {exc!r}")
