"""Keeping leases alive from a thread, an event loop and connections of their own: a handler that blocks its loop keeps
its lease.

It knows holds and when each ends by the monotonic clock, counted from when the claim or renewal was sent. It refuses to
touch attempts: the runner is told, in its own loop, what was lost or is to be cancelled.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress

from flowli.attempts import Why
from flowli.driver import Driver, Hold, Millis, Renewal
from flowli.errors import DriverError
from flowli.journal import logger

__all__ = ["Leases"]

_LOOK_S = 0.5
"""How often the store is asked whether somebody wants a running job cancelled."""

_RENEWED_FROM = 2 / 3
"""The part of a lease that is left when it is renewed."""

_MARGIN = 0.1
"""The part of a lease before its end at which a handler whose renewals fail is stopped."""

_IDLE_S = 5.0
"""How long after the last lease the thread goes on looking before it sleeps until it is woken."""

_CALL_S = 5.0
_SHORTEST_CALL_S = 0.05
_SHORTEST_PAUSE_S = 0.005
_CLOSE_S = 0.2
_BATCH = 1_000


class Leases:
    """The leases that a runner holds. `add`, `end` and `drop` may be called from any thread; ``tell`` is called in the
    event loop that made this object."""

    def __init__(self, driver: Driver, lease_s: float, tell: Callable[[Hold, Why], None]) -> None:
        self._twin = driver.twin()
        self._lease_s = lease_s
        self._margin_s = lease_s * _MARGIN
        self._lease_for = Millis(round(lease_s * 1000))
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._ends: dict[Hold, float] = {}
        self._over: set[Hold] = set()
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._closed = False
        self._ended = asyncio.Event()
        self._is_asleep = False
        self._used_at = time.monotonic()
        self._thread: threading.Thread | None = None

    def add(self, holds: Iterable[Hold], ends_at: float) -> None:
        """These end at ``ends_at`` (monotonic seconds), unless they are renewed."""
        with self._news:
            self._ends.update((hold, ends_at) for hold in holds)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="flowli-leases", daemon=True)
                self._thread.start()
            elif self._is_asleep:
                self._news.notify()

    def is_late(self, ends_at: float) -> bool:
        """Whether a lease that ends then (monotonic seconds) would have to be given up at once."""
        return ends_at - self._margin_s <= time.monotonic()

    def end(self, hold: Hold) -> None:
        """This attempt is over. Its lease is kept until the outcome is written; what becomes of it is no news."""
        with self._lock:
            if hold in self._ends:
                self._over.add(hold)

    def drop(self, holds: Iterable[Hold]) -> None:
        """What came of these is written: their leases need no more renewals."""
        with self._lock:
            for hold in holds:
                self._ends.pop(hold, None)
                self._over.discard(hold)

    def stop(self) -> None:
        """Renew nothing more: what is still held lapses."""
        with self._news:
            self._closed = True
            self._news.notify()

    async def close(self) -> None:
        """`stop`, and wait for the end of the thread. A call that hangs at the store is left to end by itself."""
        self.stop()
        if self._thread is not None:
            try:
                await asyncio.wait_for(self._ended.wait(), _CLOSE_S)
            except TimeoutError:
                logger.debug("a renewal hangs; its thread ends when it does")

    # below runs in the thread

    def _run(self) -> None:
        loop = asyncio.new_event_loop()
        opened = False
        try:
            while self._sleep():
                if not self._ends:
                    continue
                opened = opened or self._call(loop, self._twin.open())
                if opened:
                    self._call(loop, self._renew_or_look())
                self._fence()
        finally:
            if opened:
                self._call(loop, self._twin.close())
            loop.close()
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._ended.set)

    def _sleep(self) -> bool:
        """Wait until something may be due; False when it is all over."""
        with self._news:
            if not self._closed:
                now = time.monotonic()
                if self._ends:
                    self._used_at = now
                # A runner that works takes leases all the time: only one that is idle for a while is worth waking.
                self._is_asleep = now - self._used_at > _IDLE_S
                self._news.wait(None if self._is_asleep else self._pause(now))
                self._is_asleep = False
            # A loop that was closed without a stop executes nothing any more: its leases lapse.
            return not self._closed and not self._loop.is_closed()

    def _pause(self, now: float) -> float:
        """Until the next look, and no longer than until the first lease would have to be given up."""
        pause = min(_LOOK_S, self._lease_s / 6)
        first = min(self._ends.values(), default=None)
        return pause if first is None else min(pause, max(_SHORTEST_PAUSE_S, first - self._margin_s - now))

    def _call(self, loop: asyncio.AbstractEventLoop, call: Coroutine[object, object, None]) -> bool:
        """Run one call, no longer than until a lease has to be given up; False when it failed."""
        try:
            loop.run_until_complete(asyncio.wait_for(call, self._patience()))
        except (DriverError, TimeoutError) as exc:
            logger.warning("leases could not be renewed, trying again: %s", exc or type(exc).__name__)
            return False
        except (Exception, asyncio.CancelledError):  # nobody cancels in this thread: the latter is a client's own
            logger.exception("leases could not be renewed, trying again")
            return False
        return True

    def _patience(self) -> float:
        with self._news:
            first = min(self._ends.values(), default=None)
        if first is None:
            return _CALL_S
        return min(_CALL_S, max(_SHORTEST_CALL_S, first - self._margin_s - time.monotonic()))

    async def _renew_or_look(self) -> None:
        sent_at = time.monotonic()
        with self._news:
            # By the lease that ends first: one that came late, from a slow call or to a blocked loop, has less left.
            renew = bool(self._ends) and min(self._ends.values()) - sent_at <= self._lease_s * _RENEWED_FROM
            holds = list(self._ends)
        for at in range(0, len(holds), _BATCH):
            batch = holds[at : at + _BATCH]
            found = await self._twin.renew(batch, self._lease_for if renew else None)
            self._note(batch, found, sent_at if renew else None)

    def _note(self, batch: list[Hold], found: Iterable[Renewal], sent_at: float | None) -> None:
        for hold, renewal in zip(batch, found, strict=True):
            if renewal is Renewal.LOST:
                self._stop(hold, "the lease of job %s was lost; its handler is stopped")
            else:
                if renewal is Renewal.CANCEL:
                    self._say(hold, Why.ASKED)
                if sent_at is not None:
                    self._extend(hold, sent_at)

    def _extend(self, hold: Hold, sent_at: float) -> None:
        with self._news:
            if hold in self._ends:
                self._ends[hold] = sent_at + self._lease_s

    def _fence(self) -> None:
        """Stop what could not be renewed in time, before somebody else may start it."""
        with self._news:
            over = [hold for hold, ends_at in self._ends.items() if self.is_late(ends_at)]
        for hold in over:
            self._stop(hold, "the lease of job %s could not be renewed in time; its handler is stopped")

    def _stop(self, hold: Hold, text: str) -> None:
        with self._news:
            is_over = hold in self._over
            self._over.discard(hold)
            if self._ends.pop(hold, None) is None or is_over:
                return
        logger.warning(text, hold.id)
        self._say(hold, Why.LOST)

    def _say(self, hold: Hold, why: Why) -> None:
        with suppress(RuntimeError):  # a loop that was closed a moment ago has no handlers
            self._loop.call_soon_threadsafe(self._tell, hold, why)
