"""A runner process of the simulation: how it lives, is told to stop, is paused and is killed.

It knows the ways in which users run a runner. It refuses to decide when anything happens to it.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from flowli import DriverUnavailable, Runner
from flowli.events import JobCompleted
from flowli_memory import MemoryDriver
from tests.faults.simulation.history import History
from tests.faults.simulation.jobs import Desk, runtime
from tests.faults.simulation.line import Line, Weather
from tests.faults.simulation.loop import VirtualLoop

__all__ = ["LEASE_S", "Process"]

LEASE_S = 1.0
_POLL = "200ms"
_AFTER_GRACE_S = 2.0
"""How long `Runner.stop` may take beyond its grace."""


class Process:
    """One runner. ``gone`` is set when it has ended, or was killed."""

    def __init__(self, name: str, store: MemoryDriver, weather: Weather, history: History, loop: VirtualLoop) -> None:
        dice = weather.dice
        self.name = name
        self.gone = asyncio.Event()
        self.complaints: list[str] = []
        self._loop = loop
        self._history = history
        self._dice = dice
        self._asked = asyncio.Event()
        self._asked_at: float | None = None
        self._disturbed = False
        self.is_over = False
        self.is_old = not weather.is_calm and dice.random() < 0.25
        self._grace_s = dice.choice((0.0, 0.1, 0.5, 3.0))
        desk = Desk(name, history, lambda: self.is_over)
        self.store = store.twin()
        line = Line(self.store, weather, history, name, self.interrupt)
        self._runner = Runner(
            runtime(desk, line, is_old=self.is_old),
            concurrency=dice.choice((1, 2, 5, 100)),
            lease=f"{int(LEASE_S * 1000)}ms",
            poll_interval=_POLL,
            max_jobs_per_tick=dice.choice((None, None, 1, 3)),
        )
        self._runner.on(JobCompleted)(lambda event: history.completed.append(event.job_id))
        life = self._run if weather.is_calm else dice.choice((self._run, self._start_and_stop, self._tick))
        history.note(f"{name}: begins to {life.__name__.strip('_')}, grace {self._grace_s:g}s")
        self.task: asyncio.Task[None] = loop.spawn(name, self._live(life))

    async def _live(self, life: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await life()
        except (DriverUnavailable, OSError) as exc:
            self._history.note(f"{self.name}: ends with {exc}")
        except asyncio.CancelledError:
            self._history.note(f"{self.name}: ends, cancelled")
        except BaseException as exc:
            self.complaints.append(f"I11: {self.name} ended with {exc!r}")
        else:
            self._history.note(f"{self.name}: ends")
        finally:
            self._time_the_end()
            self.gone.set()

    async def _run(self) -> None:
        await self._runner.run(f"{int(self._grace_s * 1000)}ms")
        if not self._asked.is_set() and not self._disturbed:
            self.complaints.append(f"I11: {self.name} ended, and nobody had asked")

    async def _start_and_stop(self) -> None:
        await self._runner.start()
        try:
            await self._asked.wait()
        finally:
            self._asked_at = self._loop.time()
            await self._runner.stop(f"{int(self._grace_s * 1000)}ms")

    async def _tick(self) -> None:
        while not self._asked.is_set():
            await self._runner.run_once()
            await asyncio.sleep(0.05)

    def _time_the_end(self) -> None:
        if self._asked_at is None or self._disturbed:
            return
        took = self._loop.time() - self._asked_at
        if took > self._grace_s + _AFTER_GRACE_S:
            self.complaints.append(f"{self.name} took {took:.2f}s to stop, its grace was {self._grace_s:g}s")

    def ask(self) -> None:
        """What `kill PID` does: SIGTERM."""
        self._history.note(f"{self.name}: asked to stop")
        self._asked.set()
        if self._loop.signal(self.name, signal.SIGTERM) and self._runner.running and self._asked_at is None:
            self._asked_at = self._loop.time()

    def interrupt(self) -> None:
        """Cancel the task in which the user awaits the runner."""
        self._history.note(f"{self.name}: cancelled")
        self._disturbed = True
        self.task.cancel()

    def pause(self) -> None:
        """SIGSTOP."""
        self._history.note(f"{self.name}: paused")
        self._history.paused.add(self.name)
        self._disturbed = True
        self._loop.hold(self.name)

    def resume(self) -> None:
        """SIGCONT."""
        self._history.note(f"{self.name}: resumed")
        self._loop.resume(self.name)

    def kill(self) -> None:
        """SIGKILL: nothing of it runs any more."""
        self._history.note(f"{self.name}: killed")
        self._history.paused.add(self.name)
        self._disturbed = True
        self._loop.hold(self.name)
        self.gone.set()

    @property
    def is_alive(self) -> bool:
        return not self.gone.is_set()
