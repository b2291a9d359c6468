"""The bench that tests work at: one open driver, an instant, and short forms of the verbs.

It knows how jobs are brought into a state by the driver's own verbs; it refuses to know what a driver must do.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from itertools import count
from typing import TypeVar

import pytest

from flowli.driver import (
    Act,
    Acted,
    Bonds,
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
    Seen,
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
    "only",
    "paired",
    "promptly",
    "raises",
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
    bonds: Bonds | None = None,
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
        bonds=bonds,
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
    __tracebackhide__ = True
    try:
        return await asyncio.wait_for(call, _DEADLINE)
    except TimeoutError:
        pytest.fail(f"nothing came within {_DEADLINE:.0f} s. {guarantee}")


def only(items: Collection[T], guarantee: str) -> T:
    """The one item that there has to be; fails the test with ``guarantee`` if there is none, or more."""
    __tracebackhide__ = True
    assert len(items) == 1, guarantee
    return next(iter(items))


def paired(answers: Sequence[T], asked: Collection[object], verb: str) -> list[T]:
    """The answers of a verb, one for each item that was asked."""
    __tracebackhide__ = True
    assert len(answers) == len(asked), (
        f"{verb} gives one answer for each item: core pairs them by their place, and would tell a caller another's"
    )
    return list(answers)


class _Raises:
    def __init__(self, error: type[Exception], guarantee: str, says: str) -> None:
        self._error = error
        self._guarantee = guarantee
        self._says = says

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, raised: BaseException | None, trace: object) -> bool:
        __tracebackhide__ = True
        if raised is None:
            pytest.fail(f"no {self._error.__name__} was raised. {self._guarantee}")
        if not isinstance(raised, self._error):
            return False
        if not re.search(self._says, str(raised)):
            pytest.fail(f"the text of the {self._error.__name__} does not say what was wrong. {self._guarantee}")
        return True


def raises(error: type[Exception], guarantee: str, *, says: str = "") -> AbstractContextManager[None, bool]:
    """A block that ends in ``error``, whose text matches ``says``; anything else fails the test with ``guarantee``."""
    return _Raises(error, guarantee, says)


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
        return paired(await self.driver.enqueue(jobs, turn=turn, now=self.clock), jobs, "enqueue")

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
        found = await self.driver.exchange(settlements, claim, now=self.clock)
        paired(found.settled, settlements, "exchange")
        return found

    async def work(
        self,
        *,
        driver: Driver | None = None,
        limit: int = 10,
        queues: Sequence[str] | None = (QUEUE,),
        runner: str = "runner",
        lease_for: int = HOUR,
    ) -> Exchanged:
        """What an idle runner does: wait for work, and claim again when a wait has ended empty, as it may.

        The lease is long, so that its end is not what wakes the next runner.
        """
        found: Exchanged | None = None
        while found is None or not found.leases:
            claim = self.claim(limit, queues=queues, runner=runner, lease_for=lease_for, wait=10 * MINUTE)
            found = await (driver or self.driver).exchange([], claim, now=self.clock)
            await asyncio.sleep(0)
        return found

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
        assert sorted(lease.id for lease in leases) == sorted(job.id for job in jobs), (
            "a claim leases each job that is ready, up to its limit: what it leaves out does not run"
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
        return paired(await self.driver.renew(holds, span, now=self.clock), holds, "renew")

    async def act(self, *acts: Act) -> list[Acted]:
        return paired(await self.driver.act(acts, now=self.clock), acts, "act")

    async def cancel(self, *ids: str, memo: bytes | None = None, keep_for: int = HOUR) -> list[Acted]:
        return await self.act(*(Act(id=id, deed=Deed.CANCEL, memo=memo, keep_for=Millis(keep_for)) for id in ids))

    async def replay(
        self, *ids: str, memo: bytes | None = None, seen: Seen | None = None, body: bytes | None = None, delay: int = 0
    ) -> list[Acted]:
        span = Millis(delay)
        return await self.act(
            *(Act(id=id, deed=Deed.REPLAY, memo=memo, seen=seen, body=body, delay=span) for id in ids)
        )

    async def delete(self, *ids: str, seen: Seen | None = None) -> list[Acted]:
        return await self.act(*(Act(id=id, deed=Deed.DELETE, seen=seen) for id in ids))

    async def outcomes(self, *ids: str, wait: int = 0) -> Mapping[str, StoredJob | None]:
        return await self.driver.outcomes(ids, wait=Millis(wait), now=self.clock)

    async def find(self, id: str) -> StoredJob | None:
        return paired(await self.driver.get_jobs([id], now=self.clock), [id], "get_jobs")[0]

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
