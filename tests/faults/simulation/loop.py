"""An event loop without time and without order: waiting costs nothing, and a seed says which ready callback runs next.

It knows processes by a context variable: what a process has ready can be held back, as SIGSTOP and SIGKILL do. It
refuses to know sockets, threads and what runs in it.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar

__all__ = ["PROCESS", "Stuck", "VirtualLoop"]

T = TypeVar("T")

PROCESS: ContextVar[str] = ContextVar("process", default="world")
"""Whose code is running. Tasks, timers and callbacks inherit it."""

_STEP_S = 0.000_01
"""What each callback costs, so that a busy loop gets somewhere and time never stands still."""


_LATEST_S = 0.003
"""Timers are late, and none always wins against another."""


class Stuck(Exception):
    """Nothing will ever happen again, or something happens over and over."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs one ready callback at a time, chosen by ``dice``; when none is ready, the clock jumps to the next timer."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, dice: random.Random, *, most_steps: int) -> None:
        super().__init__()
        self._dice = dice
        self._now = 1_000.0
        self._steps_left = most_steps
        self._held: dict[str, list[asyncio.Handle]] = {}
        self._signals: dict[str, dict[int, Callable[[], object]]] = defaultdict(dict)

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def allow(self, steps: int) -> None:
        """Run so many callbacks from here on, before it is `Stuck`."""
        self._steps_left = steps

    def spawn(self, process: str, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task that belongs to ``process``, with all that it starts."""
        context = copy_context()
        context.run(PROCESS.set, process)
        return self.create_task(coroutine, context=context)

    def hold(self, process: str) -> None:
        """Run nothing of this process until `resume`."""
        self._held.setdefault(process, [])

    def resume(self, process: str) -> None:
        """Let a process that was held go on; what came due meanwhile is late."""
        self._ready.extend(self._held.pop(process, ()))

    def signal(self, process: str, number: int) -> bool:
        """Send a process a signal; False where it has no handler for it, and nothing happens."""
        handler = self._signals[process].get(number)
        if handler is not None:
            self.spawn(process, _call(handler))
        return handler is not None

    def add_signal_handler(  # type: ignore[override]
        self, sig: int, callback: Callable[..., object], *args: Any
    ) -> None:
        """For the running process alone."""
        self._signals[PROCESS.get()][sig] = lambda: callback(*args)

    def remove_signal_handler(self, sig: int) -> bool:
        return self._signals[PROCESS.get()].pop(sig, None) is not None

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As every loop's, and up to some milliseconds late."""
        late = _LATEST_S * self._dice.random()
        return super().call_at(when + late, callback, *args, context=context)

    def _write_to_self(self) -> None:
        """There is one thread, and nothing that sleeps."""

    def _run_once(self) -> None:
        self._steps_left -= 1
        if self._steps_left < 0:
            raise Stuck(f"it does not come to an end; the clock shows {self._now:.3f}s")
        self._now += _STEP_S
        handle = self._choose()
        if not handle.cancelled():
            handle._run()

    def _choose(self) -> asyncio.Handle:
        while True:
            self._ring()
            if not self._ready:
                self._jump()
                continue
            place = self._dice.randrange(len(self._ready))
            self._ready.rotate(-place)
            handle = self._ready.popleft()
            self._ready.rotate(place)
            held = self._held.get(_process_of(handle))
            if held is None:
                return handle
            held.append(handle)

    def _ring(self) -> None:
        """What was timed for now becomes ready."""
        while self._scheduled and (self._scheduled[0].when() <= self._now or self._scheduled[0].cancelled()):
            self._ready.append(heapq.heappop(self._scheduled))

    def _jump(self) -> None:
        if not self._scheduled:
            raise Stuck(f"everything waits, for nothing; the clock shows {self._now:.3f}s")
        self._now = max(self._now, self._scheduled[0].when())


def _process_of(handle: asyncio.Handle) -> str:
    context: Context = getattr(handle, "_context")  # noqa: B009 - the type stubs do not have it
    return context.get(PROCESS, "world")


async def _call(handler: Callable[[], object]) -> None:
    handler()
