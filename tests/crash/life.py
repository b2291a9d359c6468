"""One life of each kind of job, by the verbs of a driver, each repeated as core repeats it. Time is passed in.

``python -m tests.crash.life DRIVER URL PREFIX LEDGER`` lives it in a process that can be killed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from flowli.driver import (
    Act,
    Change,
    Claim,
    Deed,
    Driver,
    Exchanged,
    Hold,
    Lease,
    Millis,
    NewJob,
    Renewal,
    RunnerNote,
    Settled,
    Settlement,
    State,
    StoredSchedule,
    Turn,
)
from flowli.repeat import repeat
from tests.crash.drivers import DRIVERS
from tests.crash.ledger import Ledger

__all__ = ["DAY", "START", "Life"]

T = TypeVar("T")

START, SECOND = 1_900_000_000_000, 1_000
HOUR, DAY = 3_600 * SECOND, 86_400 * SECOND
LEASE = SECOND
KEEP = 10 * DAY


class Life:
    """A producer and a runner in one. ``name`` tells the schedule's job of one life from that of another."""

    def __init__(self, driver: Driver, ledger: Ledger, *, name: str, now: int = START) -> None:
        self._driver = driver
        self._ledger = ledger
        self._name = name
        self._turns = 0
        self._tries = 0
        self.now = Millis(now)

    async def _repeat(self, call: Callable[[], Awaitable[T]]) -> T:
        self._tries = 0

        def again() -> Awaitable[T]:
            self._tries += 1
            return call()

        return await repeat(again, within=30)

    def _turn(self, verb: str) -> Turn:
        self._turns += 1
        return Turn(f"{self._name}-{verb}", self._turns)

    async def open(self) -> None:
        await self._repeat(self._driver.open)
        note = RunnerNote(id=self._name, queues=None, note=b"", alive_until=Millis(self.now + DAY))
        await self._repeat(lambda: self._driver.announce(note, now=self.now))

    async def close(self) -> None:
        note = RunnerNote(id=self._name, queues=None, note=b"", alive_until=Millis(0))
        await self._repeat(lambda: self._driver.announce(note, now=self.now))
        await self._driver.close()

    async def enqueue(self, *ids: str, delay: int | None = None) -> None:
        jobs = [
            NewJob(id, "mail", "send", b"", b"body", 0, None, None if delay is None else Millis(delay)) for id in ids
        ]
        self._ledger.intends(*ids)
        turn = self._turn("enqueue")
        await self._repeat(lambda: self._driver.enqueue(jobs, turn=turn, now=self.now))
        self._ledger.stored(*ids)

    async def exchange(self, *settlements: Settlement, limit: int = 10, wait: int = 0) -> list[Lease]:
        """Settle and claim."""
        turn, span = self._turn("exchange"), Millis(LEASE)
        claim = Claim(runner=self._name, turn=turn, queues=None, limit=limit, lease_for=span, wait=Millis(wait))
        for settlement in settlements:
            if settlement.state.is_terminal:
                self._ledger.ends(settlement.id)
        found = await self._repeat(lambda: self._driver.exchange(settlements, claim, now=self.now))
        self._note_settled(settlements, found)
        for lease in found.leases:
            self._ledger.starts(lease.id)
        return list(found.leases)

    def _note_settled(self, settlements: Sequence[Settlement], found: Exchanged) -> None:
        for settlement, answer in zip(settlements, found.settled, strict=True):
            accepted = {Settled.WRITTEN}
            if self._tries > 1:
                accepted |= {Settled.REPEATED} if settlement.keep_for else {Settled.REPEATED, Settled.GONE}
            assert answer in accepted, f"the settlement of {settlement.id} was answered {answer}"
            if settlement.state.is_terminal:
                self._ledger.ended(settlement.id)

    async def renew(self, *leases: Lease) -> list[Renewal]:
        holds = [Hold(lease.queue, lease.id, lease.token) for lease in leases]
        return list(await self._repeat(lambda: self._driver.renew(holds, Millis(LEASE), now=self.now)))

    async def cancel(self, id: str) -> None:
        self._ledger.ends(id)
        act = Act(id=id, deed=Deed.CANCEL, keep_for=Millis(KEEP))
        (acted,) = await self._repeat(lambda: self._driver.act([act], now=self.now))
        if acted.done or acted.found is State.CANCELLED:
            self._ledger.ended(id)

    async def put_schedule(self) -> None:
        schedule = StoredSchedule(key="tick", version=0, next_run_at=self.now, body=b"")
        change = Change(key="tick", expected=0, successor=schedule)
        await self._repeat(lambda: self._driver.change_schedules([change], now=self.now))
        self._ledger.stored("tick")

    async def fire(self) -> None:
        """Every schedule that is due fires for the last time."""
        due = await self._repeat(lambda: self._driver.list_schedules(due=True, limit=10, now=self.now))
        for schedule in due.items:
            jobs = [NewJob(f"tick-{self._name}", "mail", "tick", b"", b"")]
            change = Change(key=schedule.key, expected=schedule.version, successor=None, jobs=jobs)
            await self._repeat(partial(self._driver.change_schedules, [change], now=self.now))

    def ending(
        self, lease: Lease, state: State = State.COMPLETED, *, keep_for: int = KEEP, delay: int | None = None
    ) -> Settlement:
        wait = None if delay is None else Millis(delay)
        memo = self._name.encode()
        return Settlement(lease.id, lease.queue, lease.token, state, memo, None, wait, Millis(keep_for))

    async def live(self) -> None:
        """Enqueue, fire, claim, renew, complete, fail, retry, cancel, recover what lapsed, and wait for a job."""
        await self.open()
        await self.enqueue("kept", "kept-not", "retried")
        await self.enqueue("asked", "lapsed")
        await self.enqueue("waiting", delay=HOUR)
        await self.put_schedule()
        await self.fire()
        leases = {lease.id: lease for lease in await self.exchange()}
        await self.renew(*leases.values())
        await self.cancel("waiting")
        await self.cancel("asked")
        assert dict(zip(leases, await self.renew(*leases.values()), strict=True))["asked"] is Renewal.CANCEL
        await self.exchange(
            self.ending(leases["kept"]),
            self.ending(leases["kept-not"], keep_for=0),
            self.ending(leases["retried"], State.SCHEDULED, delay=LEASE // 2),
            self.ending(leases["asked"], State.CANCELLED),
            self.ending(leases[f"tick-{self._name}"]),
        )
        self.now = Millis(self.now + LEASE // 2)
        (retried,) = await self.exchange()
        await self.exchange(self.ending(retried, State.FAILED), limit=0)
        self.now = Millis(self.now + LEASE)
        (recovered,) = await self.exchange()
        await self._settle_late(leases["lapsed"])
        await self.exchange(self.ending(recovered), limit=0)
        await self._sleep_and_be_woken()
        await self.close()

    async def _sleep_and_be_woken(self) -> None:
        async def sleep() -> Lease:
            leases: list[Lease] = []
            while not leases:  # a wait may end early and empty
                leases = await self.exchange(limit=1, wait=60 * SECOND)
            return leases[0]

        sleeper = asyncio.create_task(sleep())
        for _ in range(3):  # by then it most likely sleeps; if not, it finds the job without
            await self._repeat(lambda: self._driver.get_jobs(["waiting"], now=self.now))
        await self.enqueue("woken")
        await self.exchange(self.ending(await sleeper), limit=0)

    async def _settle_late(self, stale: Lease) -> None:
        late = [self.ending(stale, State.FAILED)]
        found = await self._repeat(lambda: self._driver.exchange(late, now=self.now))
        assert list(found.settled) == [Settled.LOST], "a lease that lapsed and was taken over settles nothing"

    async def finish(self) -> None:
        """Fire and execute whatever there is."""
        await self.fire()
        leases = await self.exchange()
        while leases:
            leases = await self.exchange(*(self.ending(lease) for lease in leases))

    async def sweep(self, span: int) -> None:
        """Keep house much later, and speak once more after the last turn is forgotten."""
        self.now = Millis(self.now + span)
        await self.exchange(limit=0)
        self.now = Millis(self.now + HOUR)
        await self.close()


if __name__ == "__main__":
    _, _kind, _url, _prefix, _path = sys.argv
    asyncio.run(Life(DRIVERS[_kind](_url, _prefix), Ledger(Path(_path)), name="first").live())
