"""Repeating a driver's call whose reply was lost: the one place where Flowli retries I/O of its own.

It knows `DriverUnavailable` and waits with jitter. It refuses to know verbs: every call that it gets may be repeated as
it was.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from flowli.errors import DriverUnavailable

__all__ = ["PATIENCE", "repeat", "wait_before"]

T = TypeVar("T")

PATIENCE = 5.0
"""Seconds for which a caller's own verb is repeated before its error is raised. A runner repeats for ever."""

_FIRST, _LONGEST = 0.05, 2.0


def wait_before(repetition: int) -> float:
    """Seconds before the nth repetition (from 1): full jitter under a ceiling that doubles from 50 ms to 2 s."""
    ceiling = min(_LONGEST, _FIRST * 2.0 ** min(repetition - 1, 16))
    return random.uniform(0.0, ceiling)


async def repeat(call: Callable[[], Awaitable[T]], *, within: float = PATIENCE) -> T:
    """The first answer of ``call``, repeated while the store is unavailable, for ``within`` seconds.

    Then DriverUnavailable is raised, ``maybe_written`` if any of the tries may have been.
    """
    clock = asyncio.get_running_loop().time
    give_up = clock() + within
    repetition, maybe_written = 0, False
    while True:
        try:
            return await call()
        except DriverUnavailable as exc:
            repetition += 1
            maybe_written = maybe_written or exc.maybe_written
            pause = wait_before(repetition)
            if clock() + pause >= give_up:
                exc.maybe_written = maybe_written
                raise
        await asyncio.sleep(pause)
