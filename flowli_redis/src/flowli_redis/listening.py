"""One subscription of a driver, on which the store tells of outcomes; it knows ids and waiters, and no job."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Generator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from typing import Any, Protocol

from redis.exceptions import RedisError

from flowli.errors import DriverError
from flowli_redis.links import Link, Settings

__all__ = ["Heard", "Listener"]

_LONGEST_PAUSE = 5.0


class _Within(Protocol):
    def __call__(self, seconds: float, *, writes: bool) -> AbstractAsyncContextManager[None]: ...


class Heard:
    """What one caller waits to hear of."""

    def __init__(self, channel: str, within: _Within) -> None:
        self.channel = channel
        self._within = within
        self._event = asyncio.Event()

    def wake(self) -> None:
        """Let the caller look."""
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Return when told, or after ``seconds``; DriverClosed when the driver is closed."""
        async with self._within(seconds + 60, writes=False):
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._event.wait()
            self._event.clear()


class Listener:
    """Reads messages as long as anyone waits for one, connects again when it has to, and then wakes everybody."""

    def __init__(self, settings: Settings, channel: str) -> None:
        self._settings = settings
        self._channel = channel
        self._waiters: dict[str, set[Heard]] = {}
        self._subscribed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def hear(self, ids: Collection[str], within: _Within) -> Generator[Heard, None, None]:
        """Be told of these jobs while the context is open."""
        heard = Heard(self._channel, within)
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

    async def start(self, seconds: float) -> None:
        """Subscribe, unless that is done. After ``seconds`` without success go on: readers look again by themselves."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen(), name=f"flowli outcomes {self._settings.where}")
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._subscribed.wait()

    async def stop(self) -> None:
        """End the subscription."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _listen(self) -> None:
        pause = 0.05
        while True:
            with suppress(DriverError, RedisError, OSError):
                link = await Link.open(self._settings)
                try:
                    await link.send([("SUBSCRIBE", self._channel)])
                    pause = 0.05
                    self._subscribed.set()
                    self._wake_all()
                    while True:
                        self._tell(await link.read())
                finally:
                    self._subscribed.clear()
                    await link.close()
            self._wake_all()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _tell(self, message: Any) -> None:
        if isinstance(message, list) and message[:1] == [b"message"]:
            for heard in self._waiters.get(message[2].decode(), ()):  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
                heard.wake()

    def _wake_all(self) -> None:
        for waiters in self._waiters.values():
            for heard in waiters:
                heard.wake()
