"""The portal: one daemon thread with one event loop, for every call of a process that comes from code without a loop.

It knows threads, forks and the end of a process. It refuses to be used inside a running loop, where awaiting is right,
and knows no job.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from typing import Any, TypeVar

from flowli.errors import StrategyError
from flowli.hub import close_idle

__all__ = ["call", "close_sync", "each"]

_T = TypeVar("_T")

_LAST_S = 2.0
"""How long closing may take: a store that is away does not keep a process from its end."""


class _Portal:
    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="flowli-portal", daemon=True)
        self._thread.start()

    def call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def close(self) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(_LAST_S)
        except TimeoutError:
            return  # a daemon: it ends with the process
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_LAST_S)
        if not self._thread.is_alive():
            self._loop.close()

    async def _end(self) -> None:
        await close_idle()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._loop.shutdown_asyncgens()


_portal: _Portal | None = None
_making = threading.Lock()
_left_behind: list[_Portal] = []
"""Of the parents of this process: their loops are nobody's to close here."""


def _here() -> _Portal:
    global _portal
    with _making:
        if _portal is None:
            _portal = _Portal()
        return _portal


def call(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run it on the portal's loop, with the caller's context variables. StrategyError inside a running loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _here().call(coroutine)
    coroutine.close()
    raise StrategyError(".sync was called inside a running event loop. Await the form without .sync.")


def each(generator: AsyncGenerator[_T]) -> Iterator[_T]:
    """What an asynchronous generator yields, one after the other."""

    async def step() -> _T:
        return await anext(generator)

    try:
        while True:
            try:
                one = call(step())
            except StopAsyncIteration:
                return
            yield one
    finally:
        call(generator.aclose())


def close_sync() -> None:
    """Close what ``.sync`` opened in this process: connections, the thread, its loop. The end of a process does it too;
    a call after it begins anew."""
    global _portal
    with _making:
        portal, _portal = _portal, None
    if portal is not None:
        portal.close()


def _after_fork() -> None:
    global _portal, _making
    _making = threading.Lock()
    if _portal is not None:
        _left_behind.append(_portal)
        _portal = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(close_sync)
