"""Whether a call may pass, and for how long; it knows the process and the time, and no connection."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from flowli.errors import DriverClosed
from flowli.resp.refusals import lost

__all__ = ["Gate"]


class Gate:
    """What every call of an open driver passes: shut by `close`, and not there for a fork of the process."""

    def __init__(self, where: str) -> None:
        self.where = where
        self._pid = os.getpid()
        self._scopes: set[asyncio.Timeout] = set()
        self._shut = False

    @property
    def is_shut(self) -> bool:
        return self._shut

    def check(self) -> None:
        """DriverClosed after `shut`, and in a fork of the process that opened the connections."""
        if self._shut:
            raise DriverClosed(f"The driver of {self.where} is closed; open it again.")
        if os.getpid() != self._pid:
            raise DriverClosed(f"This process is a fork of the one that opened {self.where}; open a twin() here.")

    def shut(self) -> bool:
        """End what is under way with DriverClosed. False if connections must be left alone: shut before, or a fork."""
        if self._shut:
            return False
        self._shut = True
        if os.getpid() != self._pid:
            return False
        now = asyncio.get_running_loop().time()
        for scope in list(self._scopes):
            with suppress(RuntimeError):  # it has just run out by itself
                scope.reschedule(now - 1)
        return True

    @asynccontextmanager
    async def within(self, seconds: float, *, writes: bool) -> AsyncGenerator[None, None]:
        """No call outlives its time or the driver."""
        scope = asyncio.timeout(seconds)
        try:
            async with scope:
                self._scopes.add(scope)
                yield
        except TimeoutError as error:
            self.check()
            raise lost(self.where, type(error).__name__, maybe_written=writes) from None
        finally:
            self._scopes.discard(scope)
