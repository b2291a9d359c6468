"""Knows who waits, for which queues or jobs, and how to wake them from any thread. Refuses to know what they find."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TypeVar

from flowli.driver import Millis

__all__ = ["Lounge", "Waiter"]

K = TypeVar("K")


class Waiter:
    """One sleep of one call. ``alarm`` is the instant at which it wakes by itself."""

    __slots__ = ("_future", "_loop", "alarm", "is_closed")

    def __init__(self, alarm: Millis) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()
        self.alarm = alarm
        self.is_closed = False

    def wake(self) -> bool:
        """End the sleep, from any thread. False if nobody can be asleep here, since the event loop is closed."""
        try:
            running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self._loop:
            self._end()
            return True
        try:
            self._loop.call_soon_threadsafe(self._end)
        except RuntimeError:
            return False
        return True

    def close(self) -> None:
        """End the sleep, and the call with it."""
        self.is_closed = True
        self.wake()

    async def sleep(self, seconds: float | None) -> None:
        """Sleep until woken, or for ``seconds``."""
        timer = None if seconds is None else self._loop.call_later(max(seconds, 0.001), self._end)
        try:
            await self._future
        finally:
            if timer is not None:
                timer.cancel()

    def _end(self) -> None:
        if not self._future.done():
            self._future.set_result(None)


class Lounge:
    """Waiters by what they wait for. Every method is called under the lock of the store."""

    def __init__(self) -> None:
        self._queues: dict[str | None, dict[Waiter, None]] = {}
        self._ids: dict[str, dict[Waiter, None]] = {}

    def enter(self, waiter: Waiter, queues: Sequence[str] | None) -> None:
        """Wait for work in ``queues`` (None: in any)."""
        for queue in (None,) if queues is None else queues:
            self._queues.setdefault(queue, {})[waiter] = None

    def leave(self, waiter: Waiter, queues: Sequence[str] | None) -> None:
        """Wait no more; allowed after a wake-up, which is also a leave."""
        for queue in (None,) if queues is None else queues:
            _discard(self._queues, queue, waiter)

    def wake_one(self, queue: str) -> None:
        """Wake one waiter for ``queue``; one that waits for any queue only if no other does."""
        if not self._queues:
            return
        for key in (queue, None):
            for waiter in list(self._queues.get(key, ())):
                _discard(self._queues, key, waiter)
                if waiter.wake():
                    return

    def wake_later_than(self, queue: str, instant: int) -> None:
        """Have those look again that would sleep past an instant which has just become known."""
        if not self._queues:
            return
        for key in (queue, None):
            self._wake(self._queues.get(key, ()), instant)

    def wake_all_later_than(self, instant: int) -> None:
        """The same, whatever their queues."""
        for waiters in list(self._queues.values()):
            self._wake(waiters, instant)

    def watch(self, waiter: Waiter, ids: Sequence[str]) -> None:
        """Wait for the end of one of these jobs."""
        for id in ids:
            self._ids.setdefault(id, {})[waiter] = None

    def unwatch(self, waiter: Waiter, ids: Sequence[str]) -> None:
        """Wait no more."""
        for id in ids:
            _discard(self._ids, id, waiter)

    def ended(self, id: str) -> None:
        """Wake everybody who waits for this job."""
        if self._ids:
            for waiter in self._ids.get(id, ()):
                waiter.wake()

    @staticmethod
    def _wake(waiters: Iterable[Waiter], instant: int) -> None:
        for waiter in list(waiters):
            if waiter.alarm > instant:
                waiter.wake()


def _discard(places: dict[K, dict[Waiter, None]], key: K, waiter: Waiter) -> None:
    waiters = places.get(key)
    if waiters is not None:
        waiters.pop(waiter, None)
        if not waiters:
            del places[key]
