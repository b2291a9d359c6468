"""One stretch of a runner's work, from its opening to its close: who waits, who claims, who settles, and how it ends.

It knows how attempts, leases and the conversation with the store go together. It refuses to know each of their insides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from flowli.attempts import Attempts, Why
from flowli.conversation import Conversation, Terms
from flowli.core import Core
from flowli.driver import Claim, Driver, Exchanged, Hold, Lease, Millis
from flowli.errors import DriverClosed, DriverUnavailable
from flowli.execution import Execution
from flowli.firing import fire_due
from flowli.journal import Journal, logger
from flowli.leases import Leases
from flowli.presence import Presence
from flowli.settle import release
from flowli.threads import HandlerThreads

__all__ = ["Shift"]

_FLUSH_S = 0.7
"""How long the last settlements may take. With the second that a deaf handler gets it stays within two after the grace.
"""

_HICCUP_S = 1.0


class Shift:
    """A runner at work on an open driver."""

    def __init__(self, core: Core, driver: Driver, terms: Terms, journal: Journal, concurrency: int) -> None:
        self._driver = driver
        self._journal = journal
        self._concurrency = concurrency
        self._queues = terms.queues
        self._threads = HandlerThreads()
        self._talk = Conversation(driver, terms, journal, self._take)
        execution = Execution(core, self._threads, lambda: self._talk.store_now)
        self._attempts = Attempts(execution, journal, self._talk.settle, self._ended)
        self._leases = Leases(driver, terms.lease_for / 1000, self._attempts.cancel)
        self._presence = Presence(driver, terms.runner, terms.queues, tuple(core.jobs))
        self._stopping = False
        self._hurried = asyncio.Event()
        self._waiting: tuple[Claim, asyncio.Task[Exchanged]] | None = None
        self._work: asyncio.Task[None] | None = None

    @property
    def busy(self) -> int:
        """Attempts under way."""
        return len(self._attempts)

    def _take(self, leases: Sequence[Lease], since: float) -> None:
        self._leases.add([Hold(lease.queue, lease.id, lease.token) for lease in leases], since)
        self._attempts.start(leases)

    def _ended(self, hold: Hold) -> None:
        self._leases.drop(hold)
        self._talk.news.set()

    # one tick

    async def tick(self, most: int | None) -> int:
        """Recover, fire, and execute as many jobs as are ready now (at most ``most``); how many attempts that made."""
        before = self._attempts.executed
        budget = await self._ready_now()
        if most is not None:
            budget = min(budget, most)
        while budget > 0 or self.busy:
            self._talk.news.clear()
            free = min(self._concurrency - self.busy, budget)
            if free > 0:
                answer = await self._talk.exchange(self._talk.claim(free))
                budget = budget - len(answer.leases) if answer.leases else 0
            elif self._talk.has_verdicts:
                await self._talk.exchange(None)
            else:
                await self._talk.news.wait()
        await self._talk.flush()
        await self._journal.drain()
        return self._attempts.executed - before

    async def _ready_now(self) -> int:
        """How many jobs are ready, once all that lapsed is handed back, all that is due is promoted and schedules are
        fired."""
        answer = await self._talk.exchange(self._talk.claim(0))
        if answer.schedule_at is not None and answer.schedule_at <= answer.now:
            await fire_due(self._driver, answer.now)
        while answer.next_at is not None and answer.next_at <= answer.now:
            answer = await self._talk.exchange(self._talk.claim(0))
        view = await self._driver.overview(self._queues)
        return sum(queue.queued for queue in view.queues.values())

    # working until told to stop

    def begin(self) -> None:
        """Work in the background."""
        self._work = asyncio.create_task(self._work_on(), name="flowli-runner")
        self._presence.begin()

    @property
    def work(self) -> asyncio.Task[None]:
        """Ends after `finish`, or when the driver was closed under it."""
        assert self._work is not None
        return self._work

    async def _work_on(self) -> None:
        while True:
            try:
                return await self._serve()
            except DriverClosed:
                logger.error("the driver was closed under the runner; it ends")
                return None
            except Exception:
                logger.exception("the runner's conversation with the store failed; it goes on in a moment")
                await asyncio.sleep(_HICCUP_S)

    async def _serve(self) -> None:
        talk = self._talk
        while not (self._stopping and not self.busy and not talk.has_verdicts and self._waiting is None):
            talk.news.clear()
            self._hear_waiting()
            if self._stopping:
                await self._stop_waiting()
            elif self._waiting is None and self.busy < self._concurrency:
                await self._claim()
                continue
            if talk.has_verdicts:
                await talk.exchange(None)
            elif not self._stopping or self.busy:
                await talk.news.wait()

    async def _claim(self) -> None:
        talk, free = self._talk, self._concurrency - self.busy
        await self._fire()
        wait = Millis(0) if talk.has_verdicts else talk.wait
        claim = talk.claim(free, wait=wait)
        if wait == 0:
            await talk.exchange(claim)
            return
        call = asyncio.create_task(talk.exchange(claim), name="flowli-waiting")
        call.add_done_callback(lambda _: talk.news.set())
        self._waiting = claim, call
        await talk.news.wait()

    async def _fire(self) -> None:
        last = self._talk.last
        if last is None or last.schedule_at is None or last.schedule_at > self._talk.store_now:
            return
        try:
            await fire_due(self._driver, self._talk.store_now)
        except DriverUnavailable as exc:
            logger.warning("schedules could not be fired, trying again: %s", exc)

    def _hear_waiting(self) -> None:
        if self._waiting is not None and self._waiting[1].done():
            _, call = self._waiting
            self._waiting = None
            call.result()

    async def _stop_waiting(self) -> None:
        """Cancel the waiting claim, and hand back what it may have leased all the same."""
        if self._waiting is None:
            return
        (claim, call), self._waiting = self._waiting, None
        if not call.cancel() or await _ended_by_itself(call):
            return
        for lease in await self._talk.hand_back(claim):
            self._talk.settle(release(lease, None))

    # the end

    def hurry(self) -> None:
        """End the grace of `finish` now."""
        self._hurried.set()

    async def finish(self, grace_s: float) -> None:
        """Claim nothing more; wait for handlers, then cancel and hand back; settle what there is to settle."""
        self._stopping = True
        self._talk.news.set()
        await self._idle(grace_s)
        if self.busy:
            logger.warning("handing back after the grace: %s", ", ".join(sorted(self._attempts.names)))
            self._attempts.cancel_all(Why.SHUTDOWN)
            await self._attempts.idle()
        await asyncio.wait({self.work}, timeout=_FLUSH_S)
        if not self.work.done():
            logger.error("the last outcomes could not be written; the leases of their jobs lapse")
        await self._presence.end()

    async def _idle(self, grace_s: float) -> None:
        idle = asyncio.create_task(self._attempts.idle())
        hurried = asyncio.create_task(self._hurried.wait())
        await asyncio.wait({idle, hurried}, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
        for task in (idle, hurried):
            task.cancel()

    async def close(self) -> int:
        """Release everything; how many handlers are left behind."""
        for task in [self._work, self._waiting[1] if self._waiting else None]:
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait({task})
        self._attempts.cancel_all(Why.LOST)
        await self._attempts.idle()
        await self._leases.close()
        await self._journal.close(_FLUSH_S)
        self._threads.shutdown(wait=False, cancel_futures=True)
        return self._attempts.abandoned + self._threads.busy


async def _ended_by_itself(call: asyncio.Task[Exchanged]) -> bool:
    await asyncio.wait({call})
    return not call.cancelled()
