"""Who works during a soak: one server whose clock can be set, four runners, two of them behind a proxy each, and two
producers that never give up a job.

It knows how they are wired and started again. It refuses to make trouble and to judge.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from flowli import DriverError, EnqueueUnknown, QueueFull
from flowli.ids import make_id
from tests.faults.app import New, environment, runtime
from tests.faults.checker import UNKEPT
from tests.faults.clients import CLIENTS
from tests.faults.lab import SECRET
from tests.support.clocks import ShiftedClock
from tests.support.ledger import Ledger
from tests.support.proxy import ChaosProxy
from tests.support.runners import RunnerProcess
from tests.support.servers import ValkeyServer

__all__ = ["Crew"]

_PREFIX = "soak"
_KEPT = "10m"
_MIX: Sequence[tuple[str, int]] = (
    ("quick", 72),
    ("naps", 8),
    ("fails_twice", 8),
    ("fails", 2),
    ("in_a_thread", 5),
    ("leaves_nothing", 5),
)
"""Job and its weight."""


class Crew:
    """A context manager of everything that runs. Two runners go through a proxy each, two reach the server directly."""

    def __init__(self, folder: Path, seed: int, lease_s: float) -> None:
        self.folder = folder
        self.ledger = Ledger(folder / "ledger")
        self.clock = ShiftedClock(folder)
        self.runners: list[RunnerProcess] = []
        self.ended: list[RunnerProcess] = []
        self.proxies: list[ChaosProxy] = []
        self.refused: Counter[str] = Counter()
        """Errors that producers met, by class, before the job was taken."""
        self._dice = random.Random(seed + 1)
        self._options = ("--lease", f"{lease_s:g}s", "--poll-interval", "200ms", "--grace", "2s")
        server = folder / "server"
        server.mkdir()
        always = ("--appendonly", "yes", "--appendfsync", "always")
        self.server = ValkeyServer(server, options=always, environment=self.clock.environment)
        self.apps: list[New] = []

    async def begin(self) -> None:
        """Start everything."""
        self.server.start()
        self.proxies = [ChaosProxy(self.server.port).__enter__() for _ in range(2)]
        self.apps = [runtime(client, self.server.url, _PREFIX) for client in CLIENTS]
        for app in self.apps:
            await app.__aenter__()
        self.runners = [self._runner(place) for place in range(4)]
        for runner in self.runners:
            await runner.ready()

    def _runner(self, place: int) -> RunnerProcess:
        """Places 0 and 1 are behind a proxy; even ones use redis-py, odd ones GLIDE."""
        url = self.proxies[place].url if place < len(self.proxies) else self.server.url
        where = environment(CLIENTS[place % 2], url, _PREFIX, self.ledger)
        return RunnerProcess(self.folder, "tests.faults.app:current", options=self._options, environment=where)

    async def replace(self, place: int) -> None:
        """Start a runner anew that has ended."""
        self.ended.append(self.runners[place])
        self.runners[place] = self._runner(place)
        await self.runners[place].ready()

    def behind(self, proxy: ChaosProxy) -> list[RunnerProcess]:
        """Who reaches the server through this proxy."""
        return [self.runners[self.proxies.index(proxy)]]

    async def send(self, name: str, *inputs: Any, app: int = 0) -> None:
        """Enqueue one job, again and again under its id until the store has it."""
        kept = name != "leaves_nothing"
        id = make_id() if kept else f"{UNKEPT}{make_id()}"
        options = {"id": id, "result_ttl": _KEPT} if kept else {"id": id}
        call: Callable[..., Awaitable[object]] = getattr(self.apps[app], name).enqueue
        self.ledger.intends(id)
        while True:
            try:
                await call(*inputs, **options)
            except EnqueueUnknown:
                self.ledger.unsure(id)
                self.refused["EnqueueUnknown"] += 1
                continue
            except (QueueFull, DriverError) as error:
                self.refused[type(error).__name__] += 1
                await asyncio.sleep(0.2)
                continue
            self.ledger.stored(id)
            return

    async def produce(self, app: int, jobs_per_s: float, until: float) -> None:
        """Enqueue at this rate, and make up for what an outage held up."""
        loop = asyncio.get_running_loop()
        names, weights = zip(*_MIX, strict=True)
        at = loop.time()
        async with asyncio.TaskGroup() as calls:
            while loop.time() < until:
                [name] = self._dice.choices(names, weights)
                calls.create_task(self.send(name, 1.5 if name == "naps" else SECRET, app=app))
                at += 1 / jobs_per_s
                await asyncio.sleep(max(0.0, at - loop.time()))

    async def end(self) -> None:
        """End everything."""
        for runner in self.runners:
            runner.close()
        for app in self.apps:
            with suppress(DriverError):
                await app.__aexit__(None, None, None)
        for proxy in self.proxies:
            proxy.__exit__(None, None, None)
        self.server.stop()
