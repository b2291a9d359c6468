"""Who waits to hear of which job; it knows ids and waiters, and neither jobs nor how a message travels."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Generator
from contextlib import contextmanager, suppress

from flowli.resp.gate import Gate

__all__ = ["Heard", "Hearing"]


class Heard:
    """What one caller waits to hear of."""

    def __init__(self, channel: str, gate: Gate) -> None:
        self.channel = channel
        self._gate = gate
        self._event = asyncio.Event()

    def wake(self) -> None:
        """End a wait, or the next one."""
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Return when told, or after ``seconds``; DriverClosed when the driver is closed."""
        async with self._gate.within(seconds + 60, writes=False):
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._event.wait()
            self._event.clear()


class Hearing:
    """The waiters of one driver, on its one channel."""

    def __init__(self, channel: str, gate: Gate) -> None:
        self.channel = channel
        self._gate = gate
        self._waiters: dict[str, set[Heard]] = {}

    @contextmanager
    def of(self, ids: Collection[str]) -> Generator[Heard, None, None]:
        """Be told of these jobs while the context is open."""
        heard = Heard(self.channel, self._gate)
        for job_id in ids:
            self._waiters.setdefault(job_id, set()).add(heard)
        try:
            yield heard
        finally:
            for job_id in ids:
                waiters = self._waiters[job_id]
                waiters.discard(heard)
                if not waiters:
                    del self._waiters[job_id]

    def tell(self, job_id: str) -> None:
        """Wake who waits for this job."""
        for heard in self._waiters.get(job_id, ()):
            heard.wake()

    def tell_all(self) -> None:
        """Wake everybody: messages may have been missed."""
        for waiters in self._waiters.values():
            for heard in waiters:
                heard.wake()
