"""What a runner takes from its process, put into a virtual loop: the monotonic clock, and the thread of its leases.

It knows where core reads the clock. It refuses to change what core does with it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from flowli.attempts import Why
from flowli.driver import Driver, Hold
from flowli.errors import DriverError
from flowli.leases import Leases

__all__ = ["LoopClock", "in_virtual_time"]

_START = datetime(2030, 1, 1, tzinfo=UTC)
_READ_BY = ("flowli.conversation", "flowli.leases", "flowli.shift")


class LoopClock:
    """A store's clock that goes with a loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        return _START + timedelta(seconds=self._loop.time())


class _Time:
    """The part of the module `time` that a runner reads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._clock = LoopClock(loop)
        self.monotonic = loop.time

    def time_ns(self) -> int:
        return int(self._clock.now().timestamp() * 1000) * 1_000_000


class _LeasesInTheLoop(Leases):
    """`Leases`, its thread played by a task: every decision is the real one's, the waiting is virtual."""

    def __init__(self, driver: Driver, lease_s: float, tell: Callable[[Hold, Why], None]) -> None:
        super().__init__(driver, lease_s, tell)
        self._thread = threading.Thread()  # stands for the one that is not needed, and never starts
        self._closing = asyncio.Event()
        self._keeper = asyncio.create_task(self._keep(), name="flowli-leases")

    def stop(self) -> None:
        self._closing.set()
        super().stop()

    async def _keep(self) -> None:
        opened = False
        try:
            while not self._closing.is_set():
                await self._rest()
                if not self._ends:
                    continue
                opened = opened or await self._speak(self._twin.open())
                if opened:
                    await self._speak(self._renew_or_look())
                self._fence()
            if opened:
                await self._speak(self._twin.close())
        finally:
            self._ended.set()

    async def _rest(self) -> None:
        waiting = asyncio.create_task(self._closing.wait())
        await asyncio.wait({waiting}, timeout=self._pause(asyncio.get_running_loop().time()))
        waiting.cancel()

    async def _speak(self, call: Coroutine[object, object, None]) -> bool:
        try:
            await asyncio.wait_for(call, self._patience())
        except (DriverError, OSError, TimeoutError):
            return False
        return True


@contextmanager
def in_virtual_time(loop: asyncio.AbstractEventLoop) -> Generator[None]:
    """Let core read this loop's clock, and keep leases in it, for the length of a block."""
    with pytest.MonkeyPatch.context() as patch:
        for module in _READ_BY:
            patch.setattr(f"{module}.time", _Time(loop))
        patch.setattr("flowli.shift.Leases", _LeasesInTheLoop)
        yield
