"""What a fault test works with: one namespace on one server, runners, a producer, a ledger, and the account at the end.

It knows how they are wired. It refuses to make trouble: tests do that.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from flowli import EnqueueUnknown, JobHandle
from flowli.doctor import examine
from flowli.driver import Driver
from flowli.ids import make_id
from flowli.reading import read_job
from flowli.records import JobRecord
from flowli.repeat import repeat
from flowli.resp.faults import FAULTS
from tests.faults.app import New, environment, runtime
from tests.faults.checker import Account, check
from tests.support.ledger import History, Ledger
from tests.support.polling import eventually
from tests.support.runners import RunnerProcess
from tests.support.servers import ValkeyServer
from tests.support.waiting import Bound

__all__ = ["LEASE_S", "SECRET", "Lab", "inconsistencies", "lasts"]

LEASE_S = 1.0
_OPTIONS = ("--lease", f"{LEASE_S:g}s", "--poll-interval", "100ms")
SECRET = "canary-4711"
"""In the input of every job that takes a word: it may appear in no log."""

R = TypeVar("R")


async def inconsistencies(driver: Driver) -> list[str]:
    """What contradicts itself in a store. Late work, settings and the like are not meant; a busy one is asked again."""
    found = (await repeat(lambda: examine(driver), within=120)).findings
    return [f"I7: {one.code} {one.subject}: {one.message}" for one in found if one.code in FAULTS]


async def lasts(seconds: float) -> None:
    """For as long as a trouble is to last. To wait for something that should happen use `Lab.until`."""
    await asyncio.sleep(seconds)


class Lab:
    """One namespace under trouble."""

    def __init__(self, folder: Path, server: ValkeyServer, client: str) -> None:
        self.server = server
        self.client = client
        self.prefix = uuid4().hex
        self.ledger = Ledger(folder / "ledger")
        self.app: New = runtime(client, server.url, self.prefix)
        self.runners: list[RunnerProcess] = []
        self._folder = folder

    async def start(
        self,
        number: int = 1,
        *options: str,
        app: str = "current",
        url: str | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> list[RunnerProcess]:
        """Runner processes that say they are ready. Options given later win over those of this lab."""
        where = environment(self.client, url or self.server.url, self.prefix, self.ledger)
        began = [
            RunnerProcess(
                self._folder,
                f"tests.faults.app:{app}",
                options=(*_OPTIONS, *options),
                environment={**where, **(extra or {})},
            )
            for _ in range(number)
        ]
        self.runners += began
        return [await runner.ready() for runner in began]

    async def send(self, call: Callable[..., Awaitable[JobHandle[R]]], *inputs: Any, **options: Any) -> JobHandle[R]:
        """Call a producing verb of the application, and write down what it intended and what came of it."""
        id = str(options.setdefault("id", make_id()))
        self.ledger.intends(id)
        try:
            handle = await call(*inputs, **options)
        except EnqueueUnknown:
            self.ledger.unsure(id)
            raise
        self.ledger.stored(id)
        return handle

    async def send_many(
        self, call: Callable[..., Awaitable[Sequence[JobHandle[R]]]], inputs: Sequence[Any], **options: Any
    ) -> list[JobHandle[R]]:
        """`send` for a batch."""
        ids = [make_id() for _ in inputs]
        self.ledger.intends(*ids)
        handles = await call(inputs, ids=ids, **options)
        self.ledger.stored(*ids)
        return list(handles)

    @property
    def history(self) -> History:
        return self.ledger.read()

    async def until(self, condition: Callable[[], Awaitable[Any]], what: str, *, within: float = 30.0) -> Any:
        """Wait for ``condition``, and look whether a runner has ended meanwhile that should not."""

        async def holds() -> Any:
            self._check_runners()
            return await condition()

        return await eventually(holds, within=within, what=what)

    async def until_runs(self, number: int, *, pid: int | None = None, job: str | None = None) -> float:
        """Wait until so many handlers have begun; when the last of them did."""

        async def enough() -> bool:
            return len(self.history.runs_of(job, pid=pid)) >= number

        await self.until(enough, f"{number} runs")
        return self.history.runs_of(job, pid=pid)[number - 1].began

    async def until_over(self, *, within: float = 60.0) -> None:
        """Wait until nothing is queued, scheduled or active."""

        async def over() -> bool:
            counts = await self.app.inspect.get_queue_counts()
            return counts.queued + counts.scheduled + counts.active == 0

        await self.until(over, "the end of all jobs", within=within)

    async def records(self) -> dict[str, JobRecord]:
        """Of all that was intended or executed, as far as the store has them."""
        history = self.history
        ids = sorted(history.intended | {run.job for run in history.runs})
        driver = await self.app.__flowli__.driver("a test")
        found = await driver.get_jobs(ids)
        return {id: read_job(stored) for id, stored in zip(ids, found, strict=True) if stored is not None}

    async def check(self, **expected: Any) -> None:
        """Every invariant: over the ledger and the records, the keys of the store, the runners and their logs."""
        check(Account(self.history, await self.records(), LEASE_S, **expected))
        await self.check_store()
        self._check_runners()
        assert [runner.log for runner in self.runners if SECRET in runner.said] == [], "I10: a payload was logged"

    async def check_store(self) -> None:
        """I7: what `flowli doctor` says of the store's own consistency, also while runners work."""
        found = await inconsistencies(await self.app.__flowli__.driver("a test"))
        assert not found, "\n".join(found[:20])

    def _check_runners(self) -> None:
        """I11: none ends that was not told to."""
        for runner in self.runners:
            if not runner.expected_to_end:
                assert runner.is_alive, f"I11: a runner ended with status {runner.status}\n{runner.said[-3000:]}"

    def close(self) -> None:
        """End every runner."""
        for runner in self.runners:
            runner.close()

    def within(self, seconds: float) -> Bound:
        """A bound from now on for something that runners, the server and this process do together."""
        return Bound(seconds, self._pids)

    def _pids(self) -> list[int]:
        alive = [runner.pid for runner in self.runners if runner.is_alive]
        return [os.getpid(), *alive, *([self.server.pid] if self.server.is_running else [])]

    @staticmethod
    def now() -> float:
        """As the ledger counts time."""
        return time.monotonic()
