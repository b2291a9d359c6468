"""Saying that a runner lives, so that operators see it. Nothing depends on it: recovery knows leases only.

It knows a runner's note. It refuses to fail: a store that is away is somebody else's news.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

from flowli.driver import Driver, Millis, RunnerNote
from flowli.journal import logger
from flowli.wire import encode_note

__all__ = ["Presence"]

_EVERY_S = 20.0
_AGAIN_S = 3.0
"""After an announcement that failed: twice before the last one is over."""

_ALIVE = 30_000
_LAST_CALL_S = 0.5


class Presence:
    """One runner's announcements. ``now`` is the store's clock, None as long as the runner has not heard of it."""

    def __init__(
        self,
        driver: Driver,
        runner: str,
        queues: tuple[str, ...] | None,
        jobs: tuple[str, ...],
        now: Callable[[], Millis | None],
    ) -> None:
        self._driver = driver
        self._now = now
        self._runner = runner
        self._queues = queues
        self._note = encode_note(host=socket.gethostname(), pid=os.getpid(), jobs=jobs)
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Announce the runner now and every twenty seconds."""
        self._task = asyncio.create_task(self._go_on(), name="flowli-presence")

    async def _go_on(self) -> None:
        while True:
            is_known = await self._say(_ALIVE)
            await asyncio.sleep(_EVERY_S if is_known else _AGAIN_S)

    async def _say(self, alive_for: int) -> bool:
        """Whether it was heard."""
        try:
            now = self._now()
            if now is None:
                now = (await self._driver.overview(())).now
            until = Millis(now + alive_for) if alive_for else Millis(0)
            note = RunnerNote(id=self._runner, queues=self._queues, note=self._note, alive_until=until)
            await self._driver.announce(note)
        except Exception as exc:
            logger.debug("the runner could not be announced: %s", exc)
            return False
        return True

    async def end(self) -> None:
        """Take the runner off the list."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait({self._task})
        self._task = None
        try:
            await asyncio.wait_for(self._say(0), _LAST_CALL_S)
        except TimeoutError:
            logger.debug("the runner could not be taken off the list in time")
