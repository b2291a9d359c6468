"""The bench that tests work at: one open driver, an instant, and short forms of the verbs.

It knows how jobs are brought into a state by the driver's own verbs; it refuses to know what a driver must do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import TypeVar

import pytest

from flowli.driver import (
    Act,
    Acted,
    Claim,
    Deed,
    Driver,
    Enqueued,
    Exchanged,
    Hold,
    Lease,
    Millis,
    NewJob,
    Overview,
    Renewal,
    Settled,
    Settlement,
    State,
    StoredJob,
    Turn,
)

__all__ = [
    "DAY",
    "HOUR",
    "LEASE",
    "MINUTE",
    "QUEUE",
    "SECOND",
    "START",
    "Bench",
    "background",
    "new_job",
    "new_jobs",
    "promptly",
    "settlement",
]

T = TypeVar("T")

START = Millis(1_900_000_000_000)
"""Where the clock of a test begins: later than any real one, so that nothing may hang on a server's own time."""

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
LEASE = 30 * SECOND
QUEUE = "mail"

_DEADLINE = 20.0
"""Seconds after which a call that should have been woken is given up: far more than a busy machine needs."""

_turns = count(1)


def new_job(
    id: str,
    *,
    queue: str = QUEUE,
    name: str = "send",
    head: bytes = b"head",
    body: bytes = b"body",
    priority: int = 0,
    due: int | None = None,
    delay: int | None = None,
) -> NewJob:
    return NewJob(
        id=id,
        queue=queue,
        name=name,
        head=head,
        body=body,
        priority=priority,
        due=None if due is None else Millis(due),
        delay=None if delay is None else Millis(delay),
    )


def new_jobs(number: int, *, prefix: str = "job", queue: str = QUEUE, due: int | None = None) -> list[NewJob]:
    return [new_job(f"{prefix}-{index:04}", queue=queue, due=due) for index in range(number)]


def settlement(
    lease: Lease,
    state: State = State.COMPLETED,
    *,
    memo: bytes = b"memo",
    due: int | None = None,
    delay: int | None = None,
    keep_for: int = HOUR,
) -> Settlement:
    return Settlement(
        id=lease.id,
        queue=lease.queue,
        token=lease.token,
        state=state,
        memo=memo,
        due=None if due is None else Millis(due),
        delay=None if delay is None else Millis(delay),
        keep_for=Millis(keep_for),
    )


async def promptly(call: Awaitable[T], guarantee: str) -> T:
    """The result of a call that must not wait for its own end; fails the test with ``guarantee`` if it does."""
    try:
        return await asyncio.wait_for(call, _DEADLINE)
    except TimeoutError:
        pytest.fail(f"nothing came within {_DEADLINE:.0f} s. {guarantee}")


@asynccontextmanager
async def background(call: Coroutine[object, object, T]) -> AsyncGenerator[asyncio.Task[T]]:
    """Run a call beside the test, and end it with the block."""
    task = asyncio.create_task(call)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Bench:
    """One open driver and the instant at which its verbs are called; None is the store's own clock."""

    def __init__(self, driver: Driver, make_driver: Callable[[], Driver], stack: AsyncExitStack, now: Millis | None):
        self.driver = driver
        self.clock = now
        self._make_driver = make_driver
        self._stack = stack

    @classmethod
    @asynccontextmanager
    async def over(cls, make_driver: Callable[[], Driver], *, now: Millis | None) -> AsyncGenerator[Bench]:
        async with AsyncExitStack() as stack:
            bench = cls(make_driver(), make_driver, stack, now)
            await bench._open(bench.driver)
            yield bench

    async def second_driver(self) -> Driver:
        """Another open driver on the same store, closed with the bench."""
        return await self._open(self._make_driver())

    async def _open(self, driver: Driver) -> Driver:
        self._stack.push_async_callback(driver.close)
        await driver.open()
        return driver

    @property
    def now(self) -> Millis:
        assert self.clock is not None, "this bench goes by the store's clock: take the fixture `bench`"
        return self.clock

    def at(self, offset: int) -> Millis:
        return Millis(self.now + offset)

    def advance(self, span: int) -> Millis:
        self.clock = self.at(span)
        return self.clock

    async def enqueue(self, *jobs: NewJob, turn: Turn | None = None) -> list[Enqueued]:
        return list(await self.driver.enqueue(jobs, turn=turn, now=self.clock))

    def turn(self, sender: str = "sender") -> Turn:
        return Turn(sender, next(_turns))

    def claim(
        self,
        limit: int = 10,
        *,
        queues: Sequence[str] | None = (QUEUE,),
        runner: str = "runner",
        turn: Turn | None = None,
        lease_for: int = LEASE,
        max_bytes: int = 1_000_000,
        wait: int = 0,
    ) -> Claim:
        return Claim(
            runner=runner,
            turn=turn or self.turn(runner),
            queues=queues,
            limit=limit,
            lease_for=Millis(lease_for),
            max_bytes=max_bytes,
            wait=Millis(wait),
        )

    async def exchange(self, claim: Claim | None = None, *settlements: Settlement) -> Exchanged:
        return await self.driver.exchange(settlements, claim, now=self.clock)

    async def keep_house(self, *, queues: Sequence[str] | None = (QUEUE,)) -> Exchanged:
        return await self.exchange(self.claim(0, queues=queues))

    async def lease(
        self,
        limit: int = 10,
        *,
        queues: Sequence[str] | None = (QUEUE,),
        lease_for: int = LEASE,
        runner: str = "runner",
    ) -> list[Lease]:
        claim = self.claim(limit, queues=queues, lease_for=lease_for, runner=runner)
        return list((await self.exchange(claim)).leases)

    async def lease_ids(self, limit: int = 10, *, queues: Sequence[str] | None = (QUEUE,)) -> list[str]:
        return [lease.id for lease in await self.lease(limit, queues=queues)]

    async def lease_one(self, id: str, *, queue: str = QUEUE, lease_for: int = LEASE) -> Lease:
        """Lease the job that is next in its queue, which the test arranged to be ``id``."""
        leases = await self.lease(1, queues=[queue], lease_for=lease_for)
        assert [lease.id for lease in leases] == [id], (
            "a ready job at the head of its queue is leased by the next claim"
        )
        return leases[0]

    async def start(self, *jobs: NewJob, lease_for: int = LEASE) -> list[Lease]:
        """Enqueue jobs that are ready at once, on a queue where nothing else is, and lease them all."""
        await self.enqueue(*jobs)
        leases = await self.lease(len(jobs), queues=list({job.queue: None for job in jobs}), lease_for=lease_for)
        assert {lease.id for lease in leases} == {job.id for job in jobs}, (
            "a claim leases what is ready, up to its limit"
        )
        return leases

    async def bring(self, state: State, *jobs: NewJob, keep_for: int = HOUR) -> None:
        """Bring new jobs into a state, on a queue where nothing else is ready."""
        if state is State.SCHEDULED:
            await self.enqueue(*(job._replace(due=self.at(HOUR)) for job in jobs))
        elif state is State.QUEUED:
            await self.enqueue(*jobs)
        else:
            leases = await self.start(*jobs, lease_for=DAY)
            if state is not State.ACTIVE:
                await self.settle(*(settlement(lease, state, keep_for=keep_for) for lease in leases))

    async def settle(self, *settlements: Settlement) -> list[Settled]:
        return list((await self.exchange(None, *settlements)).settled)

    async def renew(self, *leases: Lease, lease_for: int | None = LEASE) -> list[Renewal]:
        holds = [Hold(lease.queue, lease.id, lease.token) for lease in leases]
        span = None if lease_for is None else Millis(lease_for)
        return list(await self.driver.renew(holds, span, now=self.clock))

    async def cancel(self, *ids: str, memo: bytes | None = None, keep_for: int = HOUR) -> list[Acted]:
        acts = [Act(id=id, deed=Deed.CANCEL, memo=memo, keep_for=Millis(keep_for)) for id in ids]
        return list(await self.driver.act(acts, now=self.clock))

    async def outcomes(self, *ids: str, wait: int = 0) -> Mapping[str, StoredJob | None]:
        return await self.driver.outcomes(ids, wait=Millis(wait), now=self.clock)

    async def find(self, id: str) -> StoredJob | None:
        (job,) = await self.driver.get_jobs([id], now=self.clock)
        return job

    async def get(self, id: str) -> StoredJob:
        job = await self.find(id)
        assert job is not None, f"job {id!r} has a record: it was stored and nothing removed it"
        return job

    async def overview(self, *queues: str) -> Overview:
        return await self.driver.overview(queues or None, now=self.clock)

    async def under_way(self) -> None:
        """Give a call that was started beside the test the time to reach the store, by calling the store meanwhile."""
        for _ in range(5):
            await asyncio.sleep(0)
            await self.driver.get_jobs(["nobody"], now=self.clock)
