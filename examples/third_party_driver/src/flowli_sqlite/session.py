"""What a driver has from open to close: one worker thread, and the connection that lives in it. It knows no verb."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from flowli.driver import Millis
from flowli.errors import DriverClosed
from flowli_sqlite.connection import Connection, Step

__all__ = ["Session", "pauses"]

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.1
"""Seconds between two looks at the file: SQLite tells no other process that something changed."""


class Session:
    """Steps in the order in which they were asked for, away from the event loop.

    A step whose caller is cancelled is dropped if it has not begun, and completed if it has.
    """

    def __init__(self, connection: Connection) -> None:
        self._pid = os.getpid()
        self._connection = connection
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

    async def pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._ended.wait(), seconds)
        except TimeoutError:
            return
        raise DriverClosed("The driver was closed while this call waited. Open it, and call again.")

    async def _do(self, work: Callable[[], T]) -> T:
        if self._ended.is_set():
            raise DriverClosed("The driver was closed. Open it, and call again.")
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)


def pauses(wait: Millis) -> Iterator[float]:
    """How long to pause, in seconds, before each further look at the file, until ``wait`` is over."""
    end, pause = time.monotonic() + wait / 1000, _FIRST_PAUSE
    while (left := end - time.monotonic()) > 0:
        yield min(pause, left)
        pause = min(pause * 1.25, _LONGEST_PAUSE)
