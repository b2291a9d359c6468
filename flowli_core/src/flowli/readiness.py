"""Whether a runner consumes: said in its logs when that changes, so that an operator sees it.

It knows one question, asked again and again. It refuses to know why the answer is no.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from flowli.journal import logger

__all__ = ["Readiness"]

_MOST_OFTEN_S = 0.5


class Readiness:
    """Watches ``is_consuming`` once in each ``every_s`` seconds (at most twice a second)."""

    def __init__(self, is_consuming: Callable[[], bool], every_s: float) -> None:
        self._is_consuming = is_consuming
        self._every_s = max(_MOST_OFTEN_S, every_s)
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Watch from now on."""
        self._task = asyncio.create_task(self._watch(), name="flowli-readiness")

    async def _watch(self) -> None:
        said: bool | None = None
        while True:
            found = self._is_consuming()
            if found and not said:
                logger.info("consuming")
            elif said and not found:
                logger.warning("not consuming: the store does not answer; it goes on when it does")
            said = found or (False if said is not None else None)
            await asyncio.sleep(self._every_s)

    async def end(self) -> None:
        """Watch no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None
