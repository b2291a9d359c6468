"""How long a conversation may take; it knows one timer for all of them, and no command.

A timeout of its own for each call (`asyncio.timeout`) costs as much as all else that a short call does.
"""

from __future__ import annotations

import asyncio

from flowli_redis.links import Link

__all__ = ["Patience"]


class Patience:
    """The links that are in a conversation, each with the second of the loop's clock at which it is given up."""

    def __init__(self) -> None:
        self._ends: dict[Link, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, link: Link, seconds: float) -> None:
        """Give the link up after ``seconds``, unless `end` comes first."""
        loop = asyncio.get_running_loop()
        self._ends[link] = end = loop.time() + seconds
        if self._timer is None or end < self._timer.when():
            self._watch(loop, end)

    def end(self, link: Link) -> None:
        """The conversation is over, however it ended."""
        self._ends.pop(link, None)

    def lose(self) -> None:
        """Give up every conversation now, and watch no more."""
        for link in list(self._ends):
            link.give_up()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(at, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer, now = None, loop.time()
        for link in [link for link, end in self._ends.items() if end <= now]:
            del self._ends[link]
            link.give_up()
        if self._ends:
            self._watch(loop, min(self._ends.values()))
