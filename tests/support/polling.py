"""Waiting, with a deadline, for what happens in another process or thread. It refuses to wait a fixed time."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

__all__ = ["eventually", "eventually_sync"]

_T = TypeVar("_T")


async def eventually(
    condition: Callable[[], Awaitable[_T | None]], *, within: float = 20.0, every: float = 0.02, what: str = ""
) -> _T:
    """Return the first truthy answer of ``condition``, asked every ``every`` seconds.

    AssertionError when ``within`` seconds have passed; it names ``what`` was awaited, and the last answer.
    """
    deadline = time.monotonic() + within
    while not (answer := await condition()):
        if time.monotonic() > deadline:
            raise AssertionError(_missed(what, within, answer))
        await anyio.sleep(every)
    return answer


def eventually_sync(
    condition: Callable[[], _T | None], *, within: float = 20.0, every: float = 0.02, what: str = ""
) -> _T:
    """`eventually` for code without an event loop."""
    deadline = time.monotonic() + within
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(_missed(what, within, answer))
        time.sleep(every)
    return answer


def _missed(what: str, within: float, answer: object) -> str:
    return f"{what or 'the condition'} did not come true within {within:g} s; the last answer was {answer!r}"
