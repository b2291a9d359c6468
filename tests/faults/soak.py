"""An hour of work under a seeded nemesis: ``python -m tests.faults.soak --minutes 60 --seed 7``.

It puts crew, nemesis and collector together, accounts for every job at the end, and writes down what came of it. Exit
status 1 if anything was found.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import platform
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from flowli import DriverError
from tests.faults.checker import Account, findings
from tests.faults.collector import Collector
from tests.faults.crew import Crew
from tests.faults.lab import SECRET, inconsistencies, lasts
from tests.faults.nemesis import Nemesis
from tests.support.polling import eventually

__all__ = ["Soak", "main"]

logger = logging.getLogger("flowli.soak")

LEASE_S = 3.0
_LOOK_S = 30.0
_KEPT_S = 600
_MOST_GROWN = 0.05
_PULSE_S, _SLOW_S = 0.2, 0.5


@dataclass
class Soak:
    """One run and what was found in it."""

    crew: Crew
    seed: int
    minutes: float
    rate: float
    found: list[str] = field(default_factory=list[str])
    looks: int = 0
    memory: tuple[int, int] = (0, 0)
    slow_s: float = 0.0
    """Seconds for which the server did not answer although nobody disturbed it."""

    async def run(self) -> None:
        """All of it."""
        crew = self.crew
        await crew.begin()
        self.nemesis = Nemesis(crew, self.seed, LEASE_S)
        self.collector = Collector(crew.apps[0], crew.ledger)
        watchers: list[asyncio.Task[None]] = []
        try:
            await self._warm_up()
            until = asyncio.get_running_loop().time() + 60 * self.minutes
            duties = (self.collector.go_on(), self._look_again_and_again(), self._feel_the_pulse())
            watchers += [asyncio.create_task(duty) for duty in duties]
            async with asyncio.TaskGroup() as work:
                work.create_task(self.nemesis.go_on(until))
                for app in range(len(crew.apps)):
                    work.create_task(crew.produce(app, self.rate / len(crew.apps), until))
            await eventually(self._is_over, within=300, every=0.5, what="the end of all jobs")
            await _end(watchers)
            await self.collector.look()
            self._account()
            await self._forget()
        finally:
            await _end(watchers)
            await crew.end()

    async def _warm_up(self) -> None:
        """So that the first measure of memory has scripts, connections and the keys that are always there."""
        for number in range(400):
            await self.crew.send("quick", SECRET, app=number % 2)
        await eventually(self._is_over, within=60, what="the warm-up")
        await self.collector.look()
        await self._jump()
        self.memory = (await self._used(), 0)

    async def _is_over(self) -> bool:
        counts = await self.crew.apps[0].inspect.get_queue_counts()
        return counts.queued + counts.scheduled + counts.active == 0

    async def _look_again_and_again(self) -> None:
        driver, said = await self.crew.apps[0].__flowli__.driver("a soak"), 0
        while True:
            await lasts(_LOOK_S)
            async with self.nemesis.free:
                try:
                    self.found += await inconsistencies(driver)
                    self.looks += 1
                except DriverError as error:
                    self.found.append(f"I7: the store could not be looked at between two troubles: {error}")
            for runner in self.crew.runners:
                if not runner.is_alive and not runner.expected_to_end:
                    self.found.append(f"I11: a runner ended with status {runner.status}: {runner.said[-500:]}")
            logger.info("%d faults, %d findings", sum(self.nemesis.made.values()), len(self.found))
            for finding in self.found[said:]:
                logger.warning("%s", finding)
            said = len(self.found)

    async def _feel_the_pulse(self) -> None:
        """A server that is slow by itself (its disk is, with AOF always) is trouble that nobody made: write it down."""
        client: Any = Redis.from_url(self.crew.server.url)  # pyright: ignore[reportUnknownMemberType]
        async with client:
            while True:
                began = time.monotonic()
                with suppress(RedisError, OSError):
                    await client.set("pulse", began, ex=60)
                    if time.monotonic() - began > _SLOW_S:
                        self.crew.ledger.troubled("slow", "server", began, time.monotonic())
                        self.slow_s += time.monotonic() - began
                await lasts(_PULSE_S)

    def _account(self) -> None:
        self.history = self.crew.ledger.read()
        account = Account(self.history, self.collector.records, LEASE_S)
        self.found += findings(account)
        self.found += [f"I10: {one.log.name}" for one in self._processes() if SECRET in one.said]
        self.again = [run for runs in account.runs.values() for run in runs[:-1] if run.outcome not in ("raised",)]

    def _processes(self) -> Sequence[Any]:
        return [*self.crew.runners, *self.crew.ended]

    async def _jump(self) -> None:
        """Let every retention pass, and wait until runners have swept all of it."""
        self.crew.clock.set(self.crew.clock.ahead_s + 2 * _KEPT_S)

        async def swept() -> bool:
            counts = await self.crew.apps[0].inspect.get_queue_counts()
            return counts.completed + counts.failed + counts.cancelled == 0

        await eventually(swept, within=120, every=0.5, what="the end of every retention")

    async def _forget(self) -> None:
        """Nothing may be left when retention has passed: no key, no memory. Failed jobs are kept for seven days."""
        self.crew.clock.set(self.crew.clock.ahead_s + 8 * 86_400)
        await self._jump()
        await lasts(2)
        driver = await self.crew.apps[0].__flowli__.driver("a soak")
        self.found += await inconsistencies(driver)
        before, after = self.memory[0], await self._used()
        self.memory = (before, after)
        if after > before * (1 + _MOST_GROWN):
            self.found.append(f"I6: {after - before} bytes more are used than before")

    async def _used(self) -> int:
        """Bytes of the server for what is stored: without connections, and without what it remembers for operators."""
        client: Any = Redis.from_url(self.crew.server.url)  # pyright: ignore[reportUnknownMemberType]
        async with client, client.pipeline(transaction=True) as pipe:
            for command in ("SLOWLOG RESET", "LATENCY RESET", "CONFIG RESETSTAT", "SCRIPT FLUSH SYNC", "MEMORY PURGE"):
                pipe.execute_command(*command.split())
            pipe.info("memory")
            *_, facts = await pipe.execute()
        return int(facts["used_memory"] - facts["mem_clients_normal"] - facts["mem_aof_buffer"])

    def summary(self) -> str:
        """As a page."""
        history, records = self.history, self.collector.records
        outcomes = Counter(
            f"{record.state}" + (f" ({record.reason})" if record.reason else "") for record in records.values()
        )
        lines = [
            "# Soak",
            "",
            f"`nox -s soak -- --minutes {self.minutes:g} --seed {self.seed}`, {time.strftime('%Y-%m-%d')},",
            f"{self.crew.server.product}, Python {platform.python_version()}, AOF always, lease {LEASE_S:g} s,",
            "four runners (two through redis-py, two through GLIDE; one of each behind a proxy), two producers.",
            "",
            "| what | how many |",
            "|---|---|",
            f"| jobs acknowledged | {len(history.acknowledged):,} |",
            f"| handlers started | {len(history.runs):,} |",
            f"| faults made | {sum(self.nemesis.made.values())} |",
            *(f"| - {name} | {times} |" for name, times in sorted(self.nemesis.made.items())),
            *(f"| ended as {name} | {times:,} |" for name, times in sorted(outcomes.items())),
            f"| ended and left nothing, as asked | {len(history.acknowledged - records.keys()):,} |",
            f"| executed again after a fault that met its lease | {len(self.again)} |",
            *(f"| - met by {name} | {times} |" for name, times in sorted(self._explained().items())),
            f"| enqueues that were refused or unsure, and were repeated | {sum(self.crew.refused.values())} |",
            f"| seconds in which the server was slow by itself (its disk) | {self.slow_s:.1f} |",
            f"| looks of `flowli doctor` between faults | {self.looks} |",
            f"| bytes used before and after | {self.memory[0]:,} and {self.memory[1]:,} |",
            f"| **findings** (lost, unexplained, stale writes, left behind) | **{len(self.found)}** |",
            "",
            *(f"- {one}" for one in self.found[:50]),
        ]
        return "\n".join(lines).rstrip() + "\n"

    def _explained(self) -> Counter[str]:
        account = Account(self.history, {}, LEASE_S)
        return Counter(window.kind for run in self.again for window in account.windows_over(run)[:1])


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel until they end: a client that just loses its server may take a cancellation for its own."""
    while waiting := [task for task in tasks if not task.done()]:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=1)


def main() -> int:
    """Parse, run, write."""
    parser = argparse.ArgumentParser(prog="nox -s soak --", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--rate", type=float, default=50, help="jobs a second, of both producers together")
    parser.add_argument("--out", type=Path, default=None, help="where to write the page")
    parser.add_argument("--keep", type=Path, default=None, help="a folder for ledger and logs, which is kept")
    given = parser.parse_args()
    seed = random.randrange(1_000_000) if given.seed is None else given.seed
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logger.info("seed %d", seed)
    with tempfile.TemporaryDirectory() as name:
        folder = given.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        soak = Soak(Crew(folder, seed, LEASE_S), seed, given.minutes, given.rate)
        asyncio.run(soak.run())
    page = soak.summary()
    sys.stdout.write(page)
    if given.out is not None:
        given.out.write_text(page, encoding="utf-8")
    return 1 if soak.found else 0


if __name__ == "__main__":
    sys.exit(main())
