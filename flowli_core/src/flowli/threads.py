"""The worker threads of ``def`` handlers: bounded, and counted while they are busy.

A thread cannot be killed: this module knows how many are left behind, and refuses to wait for them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

__all__ = ["HANDLER_THREADS", "HandlerThreads", "Turnstile"]

P = ParamSpec("P")
T = TypeVar("T")

HANDLER_THREADS = 32


class HandlerThreads(ThreadPoolExecutor):
    """A pool that knows how many of its threads are inside a handler."""

    def __init__(self, most: int = HANDLER_THREADS) -> None:
        super().__init__(max_workers=most, thread_name_prefix="flowli-handler")
        self._counting = threading.Lock()
        self._busy = 0

    @property
    def busy(self) -> int:
        """Handlers that are being executed in a thread now."""
        return self._busy

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As `ThreadPoolExecutor.submit`, counted."""
        return super().submit(self._counted, fn, *args, **kwargs)  # type: ignore[arg-type]

    def _counted(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self._counting:
            self._busy += 1
        try:
            return fn(*args, **kwargs)
        except StopIteration as exc:  # no future can carry one: whoever awaits it would wait for ever
            raise RuntimeError("the handler raised StopIteration") from exc
        finally:
            with self._counting:
                self._busy -= 1


class Turnstile(Executor):
    """The pool, for one handler: calls ``waits`` where the handler is submitted, and ``begins`` in its thread, once it
    has one."""

    def __init__(self, pool: Executor, waits: Callable[[], None], begins: Callable[[], None]) -> None:
        self._pool = pool
        self._waits = waits
        self._begins = begins

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As that of the pool."""
        self._waits()

        def begun() -> T:
            self._begins()
            return fn(*args, **kwargs)

        return self._pool.submit(begun)
