"""One stretch of a runner's work, from its opening to its close: who waits, who claims, who settles, and how it ends.

It knows how attempts, leases and the conversation with the store go together. It refuses to know each of their insides.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from flowli.attempts import Attempts, Why
from flowli.backlog import Backlog, Pace, Taken
from flowli.children import Children
from flowli.conversation import Conversation, Terms
from flowli.core import Core
from flowli.driver import Driver, Exchanged, Hold, Lease, Millis, StoredJob
from flowli.errors import DriverClosed, DriverError
from flowli.execution import Execution
from flowli.firing import try_to_fire
from flowli.journal import Journal, logger
from flowli.leases import Leases
from flowli.presence import Presence
from flowli.readiness import Readiness
from flowli.repeat import repeat
from flowli.reporting import Reporter
from flowli.settle import hand_back
from flowli.threads import HandlerThreads

__all__ = ["Shift"]

_HICCUP_S = 1.0
_FIRE_AGAIN = Millis(1_000)

_LAST_S = 1.7
"""How long all that follows the grace may take: a deaf handler's second, the last settlements, the last events."""

_LEAST_S = 0.05
"""What each of these gets when the others used up that time."""


class Shift:
    """A runner at work on an open driver."""

    def __init__(self, core: Core, driver: Driver, terms: Terms, journal: Journal, concurrency: int) -> None:
        self._driver = driver
        self._journal = journal
        self._concurrency = concurrency
        self._queues = terms.queues
        self._threads = HandlerThreads()
        self._talk = Conversation(driver, terms, journal, self._take, self._written)
        self._reporter = Reporter(driver)
        self._children = Children()
        execution = Execution(
            core, self._threads, self._children, self._talk.store_now, self._read, self._reporter.report
        )
        self._attempts = Attempts(execution, journal, self._talk.settle, self._ended)
        self._leases = Leases(driver, terms.lease_for / 1000, self._cancel)
        self._backlog = Backlog(self._hand_back)
        self._pace = Pace()
        self._is_to_start = False
        self._presence = Presence(driver, terms.runner, terms.queues, tuple(core.jobs), self._talk.heard_now)
        self._readiness = Readiness(lambda: self.is_consuming, terms.poll / 1000)
        self._stopping = False
        self._hurried = asyncio.Event()
        self._end_by: float | None = None
        self._taken = 0
        self._waiting: asyncio.Task[Exchanged] | None = None
        self._work: asyncio.Task[None] | None = None

    @property
    def busy(self) -> int:
        """Attempts under way."""
        return len(self._attempts)

    @property
    def is_consuming(self) -> bool:
        """Whether it works, is not about to end, and the store answers."""
        works = self._work is not None and not self._work.done()
        return works and not self._stopping and self._talk.is_answered

    async def _read(self, ids: Sequence[str]) -> Sequence[StoredJob | None]:
        return await repeat(lambda: self._driver.get_jobs(ids))

    def _take(self, leases: Sequence[Lease], ends_at: float) -> None:
        self._taken += len(leases)
        holds = [Hold(lease.queue, lease.id, lease.token) for lease in leases]
        # Asked for before the runner was told to stop, or answered so late that others may have the jobs by now.
        if self._stopping or self._leases.is_late(ends_at):
            self._hand_back(list(zip(holds, leases, strict=True)))
            return
        self._leases.add(holds, ends_at)
        self._backlog.add(zip(holds, leases, strict=True))
        self._start_next()
        self._backlog.watch()

    def _start_next(self) -> None:
        """Fill the free slots."""
        self._is_to_start = False
        while self._backlog and (free := self._concurrency - self.busy) > 0:
            for hold, lease in self._backlog.take(free):
                self._attempts.start(hold, lease)

    def _ended(self, hold: Hold) -> None:
        self._leases.end(hold)
        if self._backlog and not self._is_to_start:  # once for all that end in this step of the loop
            self._is_to_start = True
            asyncio.get_running_loop().call_soon(self._start_next)
        self._talk.news.set()

    def _written(self, holds: Sequence[Hold]) -> None:
        self._leases.drop(holds)

    def _cancel(self, hold: Hold, why: Why) -> None:
        lease = self._backlog.remove(hold)
        if lease is None:
            self._attempts.cancel(hold, why)
        elif why is Why.ASKED:
            self._leases.end(hold)
            self._attempts.withdraw(lease)

    def _hand_back(self, taken: Sequence[Taken]) -> None:
        """What was leased ahead and not started may be executed by whoever has a slot."""
        for hold, lease in taken:
            self._leases.end(hold)
            self._talk.settle(hand_back(lease))

    async def tick(self, most: int | None) -> int:
        """Recover, fire, and execute as many jobs as are ready now (at most ``most``); how many attempts that made."""
        before = self._attempts.executed
        budget = await self._ready_now()
        await self._work_off(budget if most is None else min(budget, most))
        return self._attempts.executed - before

    async def tick_until_idle(self) -> int:
        """Tick until nothing is ready; how many attempts that made."""
        before, taken = self._attempts.executed, -1
        while taken != self._taken and (budget := await self._ready_now()):  # what was not taken, other runners have
            taken = self._taken
            await self._work_off(budget)
        return self._attempts.executed - before

    async def _work_off(self, budget: int) -> None:
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

    async def _ready_now(self) -> int:
        """How many jobs are ready, once all that lapsed is handed back, all that is due is promoted and schedules are
        fired."""
        answer = await self._talk.exchange(self._talk.claim(0))
        if answer.schedule_at is not None and answer.schedule_at <= answer.now:
            await self._fire(answer.now)
        while answer.next_at is not None and answer.next_at <= answer.now:
            answer = await self._talk.exchange(self._talk.claim(0))
        view = await repeat(lambda: self._driver.overview(self._queues))
        return sum(queue.queued for queue in view.queues.values())

    async def _fire(self, now: Millis) -> None:
        if not await try_to_fire(self._driver, now):
            self._talk.put_off_schedules(_FIRE_AGAIN)

    def begin(self) -> None:
        """Work in the background."""
        self._work = asyncio.create_task(self._work_on(), name="flowli-runner")
        self._presence.begin()
        self._readiness.begin()

    @property
    def work(self) -> asyncio.Task[None]:
        """It ends with `finish`, or when the driver is closed under it."""
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
        while not (self._stopping and not self.busy and talk.is_over):
            talk.news.clear()
            self._hear_waiting()
            if self._stopping:
                await self._stop_waiting()
            elif self._waiting is None and (limit := self._limit()) > 0:
                await self._claim(limit)
                continue
            if talk.has_verdicts:
                await talk.exchange(None)
            elif not self._stopping or self.busy:
                await talk.news.wait()

    def _limit(self) -> int:
        """How many leases to ask for: the free slots, and some ahead where there is more and handlers are fast."""
        free = self._concurrency - self.busy - len(self._backlog)
        return free + self._pace.ahead if self._talk.more else free

    async def _claim(self, limit: int) -> None:
        talk = self._talk
        if talk.schedules_are_due:
            await self._fire(talk.store_now())
        wait = Millis(0) if talk.has_verdicts else talk.wait
        claim = talk.claim(limit, wait=wait)
        if wait == 0:
            began_at = time.monotonic()
            await talk.exchange(claim)
            self._pace.measure(self._attempts.executed - self.busy, began_at, time.monotonic())
            return
        self._waiting = asyncio.create_task(talk.exchange(claim), name="flowli-waiting")
        self._waiting.add_done_callback(lambda _: talk.news.set())
        await talk.news.wait()

    def _hear_waiting(self) -> None:
        if self._waiting is not None and self._waiting.done():
            call, self._waiting = self._waiting, None
            call.result()

    async def _stop_waiting(self) -> None:
        """Cancel the waiting claim, and hand back what it may have leased all the same."""
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.wait({self._waiting})
            if not self._waiting.cancelled():
                self._hear_waiting()
            self._waiting = None
        await self._talk.hand_back()

    def hurry(self) -> None:
        """End the grace of `finish` now."""
        self._hurried.set()

    def _stop(self) -> None:
        """Start nothing more."""
        self._stopping = True
        self._hand_back(self._backlog.clear())
        self._backlog.close()
        self._talk.news.set()

    async def finish(self, grace_s: float) -> None:
        """Claim nothing more; wait for handlers, then cancel and hand back; settle what there is to settle."""
        self._stop()
        await self._readiness.end()
        await self._idle(grace_s)
        self._end_by = time.monotonic() + _LAST_S
        if self.busy:
            logger.warning("handing back after the grace: %s", ", ".join(sorted(self._attempts.names)))
            self._attempts.cancel_all(Why.SHUTDOWN)
            await self._attempts.idle()
        await asyncio.gather(asyncio.wait({self.work}, timeout=self._left()), self._presence.end())

    async def _idle(self, grace_s: float) -> None:
        """Until no handler is under way, ``grace_s`` have passed, somebody hurries, or nothing can be settled."""
        idle = asyncio.create_task(self._attempts.idle())
        hurried = asyncio.create_task(self._hurried.wait())
        try:
            await asyncio.wait({idle, hurried, self.work}, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            idle.cancel()
            hurried.cancel()

    async def close(self) -> int:
        """Hand back what is under way, release everything; how many handlers are left behind."""
        self._stop()
        try:
            for task in (self._work, self._waiting):
                if task is not None:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)  # however it ended, nobody else asks
            self._attempts.cancel_all(Why.SHUTDOWN)
            await self._attempts.idle()
            await self._say_the_rest()
        finally:
            self._leases.stop()  # also if this is cancelled: nobody is left to say what became of them
        await asyncio.gather(self._presence.end(), self._readiness.end(), self._leases.close(), self._reporter.close())
        await self._journal.close(self._left())
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._children.close()
        return self._attempts.abandoned + self._threads.busy

    async def _say_the_rest(self) -> None:
        """What `finish` did not come to: it was not called, cancelled, or the store was away."""
        if self._talk.is_over:
            return
        try:
            async with asyncio.timeout(self._left()):
                await self._talk.hand_back()
                await self._talk.flush()
        except Exception as exc:
            why = exc if isinstance(exc, DriverError) else type(exc).__name__
            logger.error("the last outcomes could not be written, the leases of their jobs lapse: %s", why)

    def _left(self) -> float:
        """Seconds that are left for the end."""
        now = time.monotonic()
        if self._end_by is None:
            self._end_by = now + _LAST_S
        return max(_LEAST_S, self._end_by - now)
