"""A process's line to the store, on which calls are slow, refused, answered into the void, broken or cancelled.

It knows what may happen to a call, and writes down what the store answered before anything happens to the answer. It
refuses to know what a call means.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from flowli.driver import (
    Ability,
    Act,
    Acted,
    Change,
    Changed,
    Claim,
    Enqueued,
    Exchanged,
    Hold,
    Millis,
    NewJob,
    Overview,
    Renewal,
    RunnerNote,
    Settlement,
    Slice,
    State,
    StoredJob,
    StoredSchedule,
    Turn,
)
from flowli.errors import DriverUnavailable
from flowli_memory import MemoryDriver
from tests.faults.simulation.history import History

__all__ = ["Line", "Weather"]

T = TypeVar("T")

_EVENTS = ("late", "late", "refused", "unsure", "lost", "lost", "answered late", "answered late", "broken", "cancel")


@dataclass
class Weather:
    """How bad the lines are: the part of the calls to which something happens, and the longest delay."""

    dice: random.Random
    rate: float
    longest_s: float
    is_down: bool = False
    """No call comes through."""
    is_calm: bool = False
    cut_off: set[str] = field(default_factory=set[str])
    """Processes whose calls do not come through, while those of others do."""

    def is_away(self, process: str) -> bool:
        """Whether this process cannot reach the store."""
        return not self.is_calm and (self.is_down or process in self.cut_off)

    def draw(self, process: str) -> str:
        """What happens to the next call."""
        if self.is_calm:
            return "nothing"
        if self.is_away(process):
            return "refused"
        if self.dice.random() >= self.rate:
            return "nothing"
        return self.dice.choice(_EVENTS)

    def delay(self) -> float:
        """Mostly short, at times longer than a lease."""
        return self.longest_s * self.dice.random() ** 2


class Line:
    """A driver on the shared store. ``interrupt`` cancels whoever this process is working for."""

    def __init__(
        self, store: MemoryDriver, weather: Weather, history: History, process: str, interrupt: Callable[[], None]
    ) -> None:
        self._store = store
        self._weather = weather
        self._history = history
        self._process = process
        self._interrupt = interrupt

    def __str__(self) -> str:
        return "simulated"

    @property
    def abilities(self) -> frozenset[Ability]:
        return frozenset()

    @property
    def process_local(self) -> bool:
        return True

    async def _call(self, verb: str, call: Callable[[], Awaitable[T]]) -> T:
        weather = self._weather
        event = weather.draw(self._process)
        if event == "late":
            await asyncio.sleep(weather.delay())
        elif event == "cancel":
            self._interrupt()
            await asyncio.sleep(0)
        elif event in ("refused", "unsure"):
            self._history.note(f"{self._process}: {verb} {event}")
            await asyncio.sleep(weather.delay() / 10)
            raise DriverUnavailable("the line is cut", maybe_written=event == "unsure")
        answer = await call()
        if event == "answered late":
            await asyncio.sleep(weather.delay())
        if event == "lost" or weather.is_away(self._process):
            self._history.note(f"{self._process}: {verb} lost")
            raise DriverUnavailable("the reply is lost", maybe_written=True)
        if event == "broken":
            self._history.note(f"{self._process}: {verb} broken")
            raise OSError("a driver breaks in a way that nobody foresaw")
        return answer

    async def open(self) -> None:
        await self._call("open", self._store.open)

    async def close(self) -> None:
        await self._store.close()

    def twin(self) -> Line:
        return Line(self._store.twin(), self._weather, self._history, self._process, lambda: None)

    async def enqueue(
        self, jobs: Sequence[NewJob], *, turn: Turn | None = None, now: Millis | None = None
    ) -> Sequence[Enqueued]:
        return await self._call("enqueue", lambda: self._store.enqueue(jobs, turn=turn, now=now))

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        async def exchange() -> Exchanged:
            answer = await self._store.exchange(settlements, claim, now=now)
            self._history.exchanged(self._process, settlements, answer)
            return answer

        return await self._call("exchange", exchange)

    async def renew(
        self, holds: Sequence[Hold], lease_for: Millis | None, *, now: Millis | None = None
    ) -> Sequence[Renewal]:
        return await self._call("renew", lambda: self._store.renew(holds, lease_for, now=now))

    async def act(self, acts: Sequence[Act], *, now: Millis | None = None) -> Sequence[Acted]:
        async def act() -> Sequence[Acted]:
            answers = await self._store.act(acts, now=now)
            self._history.acted(acts, answers)
            return answers

        return await self._call("act", act)

    async def outcomes(
        self, ids: Sequence[str], *, wait: Millis = Millis(0), now: Millis | None = None
    ) -> Mapping[str, StoredJob | None]:
        return await self._call("outcomes", lambda: self._store.outcomes(ids, wait=wait, now=now))

    async def get_jobs(self, ids: Sequence[str], *, now: Millis | None = None) -> Sequence[StoredJob | None]:
        return await self._call("get_jobs", lambda: self._store.get_jobs(ids, now=now))

    async def list_jobs(
        self,
        state: State,
        *,
        queue: str | None = None,
        limit: int,
        cursor: str | None = None,
        now: Millis | None = None,
    ) -> Slice[StoredJob]:
        def listing() -> Awaitable[Slice[StoredJob]]:
            return self._store.list_jobs(state, queue=queue, limit=limit, cursor=cursor, now=now)

        return await self._call("list_jobs", listing)

    async def overview(self, queues: Sequence[str] | None = None, *, now: Millis | None = None) -> Overview:
        return await self._call("overview", lambda: self._store.overview(queues, now=now))

    async def announce(self, note: RunnerNote, *, now: Millis | None = None) -> None:
        await self._call("announce", lambda: self._store.announce(note, now=now))

    async def change_schedules(self, changes: Sequence[Change], *, now: Millis | None = None) -> Sequence[Changed]:
        async def change() -> Sequence[Changed]:
            answers = await self._store.change_schedules(changes, now=now)
            self._history.changed(changes, answers)
            return answers

        return await self._call("change_schedules", change)

    async def get_schedules(self, keys: Sequence[str]) -> Sequence[StoredSchedule | None]:
        return await self._call("get_schedules", lambda: self._store.get_schedules(keys))

    async def list_schedules(
        self, *, due: bool = False, limit: int, cursor: str | None = None, now: Millis | None = None
    ) -> Slice[StoredSchedule]:
        return await self._call(
            "list_schedules", lambda: self._store.list_schedules(due=due, limit=limit, cursor=cursor, now=now)
        )
