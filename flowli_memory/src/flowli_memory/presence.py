"""Knows whether a driver is open, what time it is for a call, and how a call waits. Refuses to know what calls do."""

from __future__ import annotations

import asyncio
import os
from typing import Protocol, TypeVar

from flowli.driver import Millis
from flowli.errors import DriverClosed
from flowli_memory.clock import Timekeeper
from flowli_memory.store import Store
from flowli_memory.waiting import Waiter

__all__ = ["Presence", "WaitingCall"]

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class WaitingCall(Protocol[T_co]):
    """A call that may have to wait. Its methods are called under the lock of the store."""

    @property
    def alarm(self) -> Millis:
        """Until when to wait, if nobody wakes the call."""
        ...

    def look(self, now: Millis) -> T_co | None:
        """The answer, or None if there is none yet."""

    def enter(self, waiter: Waiter) -> None:
        """Register for wake-ups."""

    def leave(self, waiter: Waiter, *, abandoned: bool) -> None:
        """Undo `enter`; the call is ``abandoned`` if it will not look again."""


class Presence:
    """One driver on a store: open or closed by itself, whatever its twins are."""

    def __init__(self, store: Store, time: Timekeeper) -> None:
        self.store = store
        self.time = time
        self._is_open = False
        self._asleep: set[Waiter] = set()

    def begin(self) -> None:
        """Admit calls from here on."""
        if self.store.pid is None:
            self.store.pid = os.getpid()
        self._refuse_a_fork()
        self._is_open = True

    def end(self) -> None:
        """Refuse calls from here on, and end those that wait."""
        self._is_open = False
        if self.store.pid == os.getpid():
            with self.store.lock:
                for waiter in self._asleep:
                    waiter.close()

    async def enter(self) -> Store:
        """Admit one call.

        It gives way to other tasks once, as a driver with a server does: a producer in a loop must not starve a runner.
        """
        self._refuse_closed()
        await asyncio.sleep(0)
        self._refuse_closed()
        return self.store

    def instant(self, now: Millis | None) -> Millis:
        """The instant of a step."""
        return self.time.read() if now is None else now

    async def run(self, call: WaitingCall[T], now: Millis | None) -> T:
        """Have a call look until it has an answer. Where ``now`` was passed, time goes on from there while it waits."""
        began = self.time.read()
        instant = began if now is None else now
        ahead = instant - began
        while True:
            with self.store.lock:
                answer = call.look(instant)
                if answer is not None:
                    return answer
                waiter = Waiter(call.alarm)
                call.enter(waiter)
                self._asleep.add(waiter)
            try:
                await self._sleep(waiter, instant, ahead)
            except GeneratorExit:
                # The event loop is gone, and a garbage collection came by here: it may have begun under the lock.
                raise
            except BaseException:
                self._leave(call, waiter, abandoned=True)
                raise
            self._leave(call, waiter, abandoned=waiter.is_closed)
            if waiter.is_closed:
                raise _closed()
            instant = Millis(self.time.read() + ahead)

    def _leave(self, call: WaitingCall[object], waiter: Waiter, *, abandoned: bool) -> None:
        with self.store.lock:
            call.leave(waiter, abandoned=abandoned)
            self._asleep.discard(waiter)

    async def _sleep(self, waiter: Waiter, since: Millis, ahead: int) -> None:
        manual = self.time.manual
        if manual is None:
            await waiter.sleep((waiter.alarm - since) / 1000)
            return
        with manual.watched_by(waiter.wake):
            if self.time.read() + ahead == since:
                await waiter.sleep(None)

    def _refuse_closed(self) -> None:
        self._refuse_a_fork()
        if not self._is_open:
            raise _closed()

    def _refuse_a_fork(self) -> None:
        if self.store.pid not in (None, os.getpid()):
            raise DriverClosed(
                "this process is a fork of the one that opened the memory driver, and cannot share its memory; "
                "make a MemoryDriver in each process, or use a driver whose store is a server"
            )


def _closed() -> DriverClosed:
    return DriverClosed("this memory driver is not open; call open() first, and no verb after close()")
