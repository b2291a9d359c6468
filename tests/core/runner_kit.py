"""Short forms of what the tests of the runner do: runtimes, lost runners, faulty stores, what was heard."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from flowli import Defaults, DriverUnavailable, Flowli, Job, Runner
from flowli.driver import Claim, Driver, Exchanged, Hold, Lease, Millis, NewJob, Overview, Renewal, Settlement, Turn
from flowli.events import RunnerEvent
from flowli.records import JobRecord
from flowli_memory import ManualClock, MemoryDriver
from tests.support.polling import eventually

__all__ = [
    "DeafTwin",
    "Faraway",
    "ShakyDriver",
    "bare_lease",
    "block_the_thread",
    "driver_of",
    "hearing",
    "lost_runner",
    "nudged",
    "raw_job",
    "record",
    "runtime",
    "store_raw",
    "until",
]

_turns = count(1)


def runtime(
    *jobs: Job[None, Any, Any, Any],
    clock: ManualClock | None = None,
    driver: Driver | None = None,
    defaults: Defaults | None = None,
) -> Flowli[None]:
    """A runtime of these jobs, on a memory driver unless one is given."""
    return Flowli(context=None, jobs=jobs, driver=driver or MemoryDriver(clock=clock), defaults=defaults)


async def driver_of(flowli: Flowli[Any]) -> Driver:
    """The open driver of a runtime."""
    return await flowli.__flowli__.driver("a test")


async def store_raw(flowli: Flowli[Any], *jobs: NewJob) -> None:
    """Put records into the store past all that core checks."""
    await (await driver_of(flowli)).enqueue(jobs)


def raw_job(id: str = "raw", *, name: str = "echo", head: bytes = b"1", body: bytes = b'"x"') -> NewJob:
    return NewJob(id, "default", name, head, body)


async def record(flowli: Flowli[Any], id: str = "raw") -> JobRecord:
    """The record of an id; AssertionError when it is gone."""
    found = await flowli.inspect.get_job(id)
    assert found is not None, f"there is no record of {id}"
    return found


async def bare_lease(flowli: Flowli[Any]) -> Sequence[Lease]:
    """Claim all that is ready as a runner of its own would, and do nothing with it."""
    turn = Turn(f"other-{next(_turns)}", 1)
    claim = Claim(runner="other", turn=turn, queues=None, limit=500, lease_for=Millis(30_000))
    return (await (await driver_of(flowli)).exchange((), claim)).leases


async def lost_runner(flowli: Flowli[Any], clock: ManualClock, *, times: int = 1) -> None:
    """A runner claims all that is ready and is never heard of again, until its lease has lapsed."""
    for _ in range(times):
        assert await bare_lease(flowli), "nothing was ready"
        clock.advance("30s")


def hearing(runner: Runner, kind: type[RunnerEvent] = RunnerEvent) -> list[RunnerEvent]:
    """The events of a runner, as they come."""
    heard: list[RunnerEvent] = []
    runner.on(kind)(heard.append)
    return heard


def nudged(clock: ManualClock, condition: Callable[[], object]) -> Callable[[], object]:
    """A condition that moves the clock on by a second each time that it is asked, so that every wait ends."""

    def ask() -> object:
        clock.advance("1s")
        return condition()

    return ask


async def until(condition: Callable[[], object], what: str = "", *, within: float = 20.0) -> None:
    """Poll until ``condition`` is true."""

    async def ask() -> bool:
        return bool(condition())

    await eventually(ask, within=within, every=0.005, what=what)


class ShakyDriver(MemoryDriver):
    """Raises DriverUnavailable at chosen calls. A plan says for each next call of a verb what happens to it: None
    nothing, False it fails before it did anything, True it does its work and the reply is lost."""

    def __init__(self, *, clock: ManualClock | None = None) -> None:
        super().__init__(clock=clock)
        self.plans: dict[str, list[bool | None]] = {}
        self.is_down = False
        self.failed = 0

    def _fault(self, verb: str) -> bool | None:
        if self.is_down:
            return False
        plan = self.plans.get(verb)
        return plan.pop(0) if plan else None

    def _fail(self, fault: bool) -> DriverUnavailable:
        self.failed += 1
        return DriverUnavailable("the line is cut", maybe_written=fault)

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        fault = self._fault("settle" if settlements and "settle" in self.plans else "exchange")
        if fault is False:
            raise self._fail(fault)
        answer = await super().exchange(settlements, claim, now=now)
        if fault or (self.is_down and claim is not None and claim.wait):
            raise self._fail(True)
        return answer

    async def overview(self, queues: Sequence[str] | None = None, *, now: Millis | None = None) -> Overview:
        if self._fault("overview") is not None:
            raise self._fail(False)
        return await super().overview(queues, now=now)


class Faraway(MemoryDriver):
    """A store to which a call takes far longer than a fast handler: otherwise there is nothing to gain."""

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        await asyncio.sleep(0.02)
        return await super().exchange(settlements, claim, now=now)


class DeafTwin(MemoryDriver):
    """A driver whose twin, which a runner renews with, cannot reach the store."""

    def twin(self) -> MemoryDriver:
        twin = _CutOff(clock=self._clock)
        twin._presence = super().twin()._presence
        return twin


class _CutOff(MemoryDriver):
    async def renew(
        self, holds: Sequence[Hold], lease_for: Millis | None, *, now: Millis | None = None
    ) -> Sequence[Renewal]:
        raise DriverUnavailable("the line is cut")


def block_the_thread(seconds: float) -> None:
    """What a handler does that holds up its event loop: the subject of a test, not its way of waiting."""
    time.sleep(seconds)
