"""One subscription of a driver, on which the store tells of outcomes; it knows how messages come, and no job."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from redis.exceptions import RedisError

from flowli.errors import DriverError
from flowli.resp.hearing import Hearing
from flowli_redis.links import Link

__all__ = ["Listener"]

_LONGEST_PAUSE = 5.0


class Listener:
    """Reads messages from its start to its stop, connects again when it has to, and then wakes everybody."""

    def __init__(self, open: Callable[[], Awaitable[Link]], where: str, hearing: Hearing) -> None:
        self._open, self._where = open, where
        self._hearing = hearing
        self._subscribed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self, seconds: float) -> None:
        """Subscribe, unless that is done. After ``seconds`` without success go on: readers look again by themselves."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen(), name=f"flowli outcomes {self._where}")
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
                link = await self._open()
                try:
                    await link.send([("SUBSCRIBE", self._hearing.channel)])
                    pause = 0.05
                    self._subscribed.set()
                    self._hearing.tell_all()
                    while True:
                        self._tell(await link.read())
                finally:
                    self._subscribed.clear()
                    await link.close()
            self._hearing.tell_all()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _tell(self, message: Any) -> None:
        if isinstance(message, list) and message[:1] == [b"message"]:
            self._hearing.tell(message[2].decode())  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
