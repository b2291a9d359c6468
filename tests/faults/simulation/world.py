"""One seed: some processes, some producers, trouble for a while, then calm, and an account of it all.

It knows how a story goes. It refuses to know what must be true of it (`tests.faults.simulation.invariants`).
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from flowli.driver import Millis
from flowli.reading import read_job
from flowli.records import JobRecord
from flowli_memory import MemoryDriver
from tests.faults.simulation.history import History
from tests.faults.simulation.jobs import Desk, runtime
from tests.faults.simulation.line import Line, Weather
from tests.faults.simulation.loop import VirtualLoop
from tests.faults.simulation.process import LEASE_S, Process
from tests.faults.simulation.producer import Producer
from tests.faults.simulation.substitutes import LoopClock, in_virtual_time

__all__ = ["Account", "simulate"]

_MOST_STEPS = 120_000
_CALM_S = 150.0
"""Virtual seconds in which healthy runners end all that is left, parked jobs among it."""
_DAY = 86_400_000


@dataclass
class Account:
    """All that one seed left behind."""

    seed: int
    history: History
    promised: set[str] = field(default_factory=set[str])
    """Ids whose enqueue was acknowledged."""
    unsure: set[str] = field(default_factory=set[str])
    refused: set[str] = field(default_factory=set[str])
    records: dict[str, JobRecord] = field(default_factory=dict[str, JobRecord])
    complaints: list[str] = field(default_factory=list[str])
    left: int = 0
    """Records that the store still has long after everything expired."""


def simulate(seed: int) -> Account:
    """Play one seed; the same seed plays the same. Raises `Stuck` where nothing happens any more."""
    before = random.getstate()
    random.seed(seed)  # core draws its jitter there
    loop = VirtualLoop(random.Random(seed), most_steps=_MOST_STEPS)
    asyncio.set_event_loop(loop)
    loop.set_exception_handler(lambda _, context: None)  # what is left of the dead says so when they are buried
    account = Account(seed, History())
    world = _World(account, loop)
    try:
        with in_virtual_time(loop):
            try:
                loop.run_until_complete(world.live())
            finally:
                loop.allow(_MOST_STEPS)
                loop.run_until_complete(world.bury())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
        random.setstate(before)
    return account


class _World:
    def __init__(self, account: Account, loop: VirtualLoop) -> None:
        self._account = account
        self._history = account.history
        self._loop = loop
        self._dice = random.Random(account.seed + 1)
        self._store = MemoryDriver(clock=LoopClock(loop))
        rate, longest = self._dice.choice((0.0, 0.03, 0.1, 0.3)), self._dice.choice((0.01, 0.5, 4.0)) * LEASE_S
        self._weather = Weather(self._dice, rate, longest)
        self._processes: list[Process] = []

    async def live(self) -> None:
        await self._store.open()
        dice = self._dice
        producers = [self._producer(number) for number in range(dice.randint(1, 2))]
        working = [asyncio.create_task(producer.produce()) for producer in producers]
        watching = [asyncio.create_task(self._keep_one_running()) for _ in range(dice.randint(1, 3))]
        trouble = asyncio.create_task(self._make_trouble())
        await asyncio.sleep(dice.uniform(2.0, 8.0))
        await self._calm(trouble, watching)
        await asyncio.gather(*working)
        for producer in producers:
            await producer.finish()
        await self._until_over()
        await self._take_stock(producers)

    def _producer(self, number: int) -> Producer:
        name = f"producer-{number}"
        desk = Desk(name, self._history, lambda: False)
        line = Line(self._store.twin(), self._weather, self._history, name, lambda: None)
        return Producer(number, runtime(desk, line), self._weather, self._account)

    def _boot(self) -> Process:
        name = f"runner-{len(self._processes)}"
        process = Process(name, self._store, self._weather, self._history, self._loop)
        self._processes.append(process)
        return process

    async def _keep_one_running(self) -> None:
        while True:
            await self._boot().gone.wait()
            await asyncio.sleep(self._dice.uniform(0.0, 0.5))

    async def _make_trouble(self) -> None:
        dice = self._dice
        mean_s = dice.choice((0.3, 1.0, 4.0))
        while True:
            await asyncio.sleep(dice.expovariate(1 / mean_s))
            alive = [process for process in self._processes if process.is_alive]
            if not alive:
                continue
            process = dice.choice(alive)
            match dice.choice(("kill", "pause", "stop", "stop", "interrupt", "outage", "cut off", "stop twice")):
                case "kill":
                    process.kill()
                case "pause":
                    await self._pause(process)
                case "stop":
                    process.ask()
                case "interrupt":
                    process.interrupt()
                case "outage":
                    await self._outage()
                case "cut off":
                    await self._cut_off(process)
                case _:
                    process.ask()
                    await asyncio.sleep(dice.uniform(0.0, 0.3))
                    process.ask()

    async def _pause(self, process: Process) -> None:
        process.pause()
        try:
            await asyncio.sleep(self._dice.uniform(0.0, 3 * LEASE_S))
        finally:
            process.resume()

    async def _cut_off(self, process: Process) -> None:
        self._history.note(f"{process.name}: cut off")
        self._weather.cut_off.add(process.name)
        try:
            await asyncio.sleep(self._dice.uniform(0.0, 3 * LEASE_S))
        finally:
            self._history.note(f"{process.name}: reaches the store again")
            self._weather.cut_off.discard(process.name)

    async def _outage(self) -> None:
        self._history.note("the store is away")
        self._weather.is_down = True
        try:
            await asyncio.sleep(self._dice.uniform(0.0, 3 * LEASE_S))
        finally:
            self._history.note("the store is back")
            self._weather.is_down = False

    async def _calm(self, trouble: asyncio.Task[None], watching: list[asyncio.Task[None]]) -> None:
        """From here on every line is good, old runners end, and one more lives that knows every job."""
        for task in (trouble, *watching):
            task.cancel()
        await asyncio.gather(trouble, *watching, return_exceptions=True)
        self._history.note("calm")
        self._weather.is_calm = True
        self._boot()
        for process in self._processes:
            if process.is_old and process.is_alive:
                process.ask()

    async def _until_over(self) -> None:
        end = self._loop.time() + _CALM_S
        while True:
            view = await self._store.overview()
            if not any(queue.scheduled + queue.queued + queue.active for queue in view.queues.values()):
                return
            if self._loop.time() > end:
                self._account.complaints.append(f"I11: jobs are left {_CALM_S:g}s after all was well: {view.queues}")
                return
            await asyncio.sleep(0.5)

    async def _take_stock(self, producers: list[Producer]) -> None:
        for process in self._processes:
            if process.is_alive:
                process.ask()
        await asyncio.gather(*(process.gone.wait() for process in self._processes))
        account = self._account
        account.complaints += [text for process in self._processes for text in process.complaints]
        account.complaints += [text for producer in producers for text in producer.complaints]
        ids = sorted({*account.promised, *account.unsure, *account.refused, *self._history.fired})
        for id, stored in zip(ids, await self._store.get_jobs(ids), strict=True):
            if stored is not None:
                account.records[id] = read_job(stored)
        later = (await self._store.overview()).now + 8 * _DAY
        view = await self._store.overview(now=Millis(later))
        account.left = sum(
            queue.scheduled + queue.queued + queue.active + queue.completed + queue.failed + queue.cancelled
            for queue in view.queues.values()
        )

    async def bury(self) -> None:
        """What was killed is taken apart, now that it cannot change anything any more."""
        for process in self._processes:
            process.is_over = True
            await process.store.close()
            self._loop.resume(process.name)
        await self._store.close()
        for _ in range(20):
            others = asyncio.all_tasks() - {asyncio.current_task()}
            if not others:
                return
            for task in others:
                task.cancel()
            await asyncio.wait(others, timeout=1.0)
