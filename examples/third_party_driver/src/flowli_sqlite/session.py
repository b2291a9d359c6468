"""What a driver has between open and close: one worker thread, and the connection that lives in it. It knows no verb."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from flowli.driver import Millis
from flowli.errors import DriverClosed
from flowli_sqlite.connection import Connection, Step

__all__ = ["Session"]

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.1
"""Seconds between two looks at the file: SQLite tells no other process that something changed."""


class Session:
    """Steps in the order in which they were asked for, away from the event loop.

    A step whose caller is cancelled is dropped if it has not begun, and completed if it has.
    """

    def __init__(self, path: str, max_bytes: int | None) -> None:
        self._pid = os.getpid()
        self._connection = Connection(path, max_bytes)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="flowli-sqlite")
        self._ended = asyncio.Event()

    @property
    def is_inherited(self) -> bool:
        """True in a fork of the process that opened it: thread and connection stayed with the parent."""
        return os.getpid() != self._pid

    async def open(self) -> None:
        await self._do(self._connection.open)

    async def end(self) -> None:
        """Close the connection behind the steps that were asked for before; end every pause."""
        self._ended.set()
        closing = asyncio.get_running_loop().run_in_executor(self._worker, self._connection.close)
        self._worker.shutdown(wait=False)
        await asyncio.shield(closing)

    async def read(self, step: Step[T], now: Millis | None) -> T:
        return await self._do(lambda: self._connection.read(step, now))

    async def write(self, step: Step[T], now: Millis | None, *, grows: bool = False) -> T:
        return await self._do(lambda: self._connection.write(step, now, grows=grows))

    async def pauses(self, wait: Millis) -> AsyncIterator[bool]:
        """Pause for longer and longer, up to ``wait`` in all. Each item says whether time is left after it."""
        clock = asyncio.get_running_loop().time
        end, pause = clock() + wait / 1000, _FIRST_PAUSE
        while (left := end - clock()) > 0:
            await self._pause(min(pause, left))
            pause = min(pause * 1.25, _LONGEST_PAUSE)
            yield clock() < end

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._ended.wait(), seconds)
        except TimeoutError:
            return
        raise DriverClosed("The driver was closed while this call waited. Open it, and call again.")

    async def _do(self, work: Callable[[], T]) -> T:
        if self._ended.is_set():
            raise DriverClosed("The driver was closed. Open it, and call again.")
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)
