"""Who makes trouble during a soak: every few seconds one fault, drawn with a seed.

It knows faults and writes each one's window into the ledger. It refuses to check anything.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.faults.crew import Crew
from tests.faults.lab import lasts
from tests.support.trouble import Blackhole, Delay, Fault, HalfOpen, Narrow, Refuse, ResetEvery

__all__ = ["Nemesis"]

_NETWORKS: dict[str, Callable[[], Fault]] = {
    "refuse": Refuse,
    "blackhole": Blackhole,
    "half-open": HalfOpen,
    "reset": lambda: ResetEvery(5),
    "delay": lambda: Delay(0.2, jitter=0.2),
    "narrow": lambda: Narrow(10_000),
}


class Nemesis:
    """Seeded: the same seed draws the same faults, lengths and victims."""

    def __init__(self, crew: Crew, seed: int, lease_s: float) -> None:
        self._crew = crew
        self._dice = random.Random(seed)
        self._lease_s = lease_s
        self._faults: dict[str, Callable[[], Awaitable[None]]] = {
            "F1 kill a runner": self._kill,
            "F2 SIGTERM a runner": self._terminate,
            "F3 SIGSTOP a runner": self._stop,
            "F4 block a loop": self._block,
            "F5 kill the server": self._crash,
            "F6 CLIENT KILL": self._disconnect,
            "F7 network": self._network,
            "F8 SCRIPT FLUSH": self._flush,
            "F9 maxmemory": self._fill,
            "F12 server clock": self._shift,
        }
        self.made: Counter[str] = Counter()
        """How often each fault was made."""
        self.free = asyncio.Lock()
        """Held while trouble is being made: who wants to look at a store in peace takes it."""

    async def go_on(self, until: float) -> None:
        """Make trouble every 5 to 20 seconds, up to this second of the loop's clock."""
        clock = asyncio.get_running_loop().time
        while clock() + 20 < until:
            await lasts(self._dice.uniform(5, 20))
            name = self._dice.choice(sorted(self._faults))
            async with self.free:
                await self._faults[name]()
            self.made[name] += 1

    def _some_leases(self) -> float:
        return self._dice.uniform(0.2, 2.0) * self._lease_s

    async def _ask(self, *words: str | int) -> None:
        client: Any = Redis.from_url(self._crew.server.url)  # pyright: ignore[reportUnknownMemberType]
        async with client:
            with suppress(RedisError):  # a client of an operator that is killed with the others
                await client.execute_command(*words)

    async def _kill(self) -> None:
        place = self._dice.randrange(len(self._crew.runners))
        victim = self._crew.runners[place]
        with self._crew.ledger.trouble("kill", victim.pid):
            victim.kill()
        await self._crew.replace(place)

    async def _terminate(self) -> None:
        place = self._dice.randrange(len(self._crew.runners))
        self._crew.runners[place].ask_to_end()
        assert await self._crew.runners[place].ended(within=60) in (0, 4)
        await self._crew.replace(place)

    async def _stop(self) -> None:
        victim = self._dice.choice(self._crew.runners)
        with self._crew.ledger.trouble("stop", victim.pid):
            victim.signal(signal.SIGSTOP)
            await lasts(self._some_leases())
            victim.signal(signal.SIGCONT)

    async def _block(self) -> None:
        await self._crew.send("blocks_the_loop", self._some_leases())

    async def _crash(self) -> None:
        with self._crew.ledger.trouble("server", "kill"):
            await asyncio.to_thread(self._crew.server.kill)
            await lasts(self._dice.uniform(0.2, 4))
            await asyncio.to_thread(self._crew.server.start)

    async def _disconnect(self) -> None:
        for _ in range(self._dice.randrange(1, 6)):
            for kind in ("normal", "pubsub"):
                await self._ask("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
            await lasts(0.5)

    async def _network(self) -> None:
        kind = self._dice.choice(sorted(_NETWORKS))
        proxy = self._dice.choice(self._crew.proxies)
        meant = ",".join(str(runner.pid) for runner in self._crew.behind(proxy))
        with self._crew.ledger.trouble(kind, meant):
            proxy.set(_NETWORKS[kind]())
            await lasts(self._some_leases())
            proxy.set(Fault())

    async def _flush(self) -> None:
        for _ in range(20):
            await self._ask("SCRIPT", "FLUSH")
            await self._ask("FUNCTION", "FLUSH")
            await lasts(0.1)

    async def _fill(self) -> None:
        await self._ask("CONFIG", "SET", "maxmemory", "1mb")
        await lasts(self._dice.uniform(1, 4))
        await self._ask("CONFIG", "SET", "maxmemory", "0")

    async def _shift(self) -> None:
        """Forward leases run out early, back they run out late."""
        span = self._dice.choice([-1, 1]) * self._dice.uniform(1, 5) * self._lease_s
        with self._crew.ledger.trouble("clock", "server"):
            self._crew.clock.set(self._crew.clock.ahead_s + span)
            await lasts(1)
