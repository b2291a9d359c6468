"""Concurrent enqueues of one event loop, in few calls: the first goes at once, those that come while it is under way
travel together behind it.

It knows jobs on their way and who waits for each. It refuses to know how a job was made and what its outcome means.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from copy import copy
from weakref import WeakKeyDictionary

from flowli.driver import Driver, Enqueued, NewJob, Turn
from flowli.errors import DriverUnavailable, EnqueueUnknown, FlowliError, NotDurable
from flowli.repeat import PATIENCE, repeat, wait_before
from flowli.turns import Turns

__all__ = ["Coalescer", "Coalescers", "store"]

_MOST_JOBS = 500
_MOST_BYTES = 1_000_000
"""Of one call: less than a driver cuts, so that a full store refuses all of it or nothing."""


async def store(driver: Driver, jobs: Sequence[NewJob], turns: Turns, *, with_turn: bool) -> Sequence[Enqueued]:
    """Store, repeated while the reply is lost. An id covers a repeat, unless the job may be gone by then, or another
    one stood for it: that takes a turn."""
    turn = turns.take() if with_turn else None
    try:
        return await repeat(lambda: driver.enqueue(jobs, turn=turn))
    except DriverUnavailable as exc:
        raise _in_the_end(exc, [job.id for job in jobs], maybe_written=exc.maybe_written) from None
    finally:
        if turn is not None:
            turns.give_back(turn)


def _in_the_end(error: DriverUnavailable, ids: Sequence[str], *, maybe_written: bool) -> FlowliError:
    """What a caller hears whose patience is over."""
    if not maybe_written:
        return error
    return EnqueueUnknown(
        f"The reply of the store was lost, and {len(ids)} job(s) may be stored. Repeat the call with the same ids "
        f"(.job_ids): that never makes a second job. ({error})",
        job_ids=ids,
    )


class _Caller:
    """Who waits for one job to be stored. Its ``outcome`` is done before that if it gave up."""

    __slots__ = ("driver", "job", "outcome", "until", "with_turn")

    def __init__(self, driver: Driver, job: NewJob, with_turn: bool) -> None:
        loop = asyncio.get_running_loop()
        self.driver = driver
        self.job = job
        self.with_turn = with_turn
        self.until = loop.time() + PATIENCE
        self.outcome: asyncio.Future[Enqueued] = loop.create_future()


class Coalescer:
    """The enqueues of one event loop; one call is under way at a time, and the order of the callers is kept."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._waiting: deque[_Caller] = deque()
        self._is_busy = False
        self._carrier: asyncio.Task[None] | None = None

    async def enqueue(self, driver: Driver, job: NewJob, *, with_turn: bool) -> Enqueued:
        """Store one job. The errors of `store` reach each caller by itself, and a cancelled one harms no other."""
        if self._is_busy:
            caller = _Caller(driver, job, with_turn)
            self._waiting.append(caller)
            return await caller.outcome
        self._is_busy = True
        try:
            [outcome] = await store(driver, [job], self._turns, with_turn=with_turn)
        finally:
            self._is_busy = bool(self._waiting)
            if self._waiting:  # in a task of its own: whoever is first among them may be cancelled
                self._carrier = asyncio.create_task(self._carry(), name="flowli-enqueue")
        return outcome

    async def _carry(self) -> None:
        callers: list[_Caller] = []
        try:
            while callers := self._next():
                await self._deliver(callers)
        finally:
            self._is_busy, self._carrier = False, None
            for caller in (*callers, *self._waiting):  # only where the loop is being closed
                caller.outcome.cancel()
            self._waiting.clear()

    def _next(self) -> list[_Caller]:
        """Those that travel together next."""
        callers: list[_Caller] = []
        room = _MOST_BYTES
        while self._waiting and len(callers) < _MOST_JOBS:
            caller = self._waiting[0]
            room -= len(caller.job.head) + len(caller.job.body)
            if callers and (room < 0 or caller.driver is not callers[0].driver):
                break
            self._waiting.popleft()
            if not caller.outcome.done():
                callers.append(caller)
        return callers

    async def _deliver(self, callers: list[_Caller]) -> None:
        turn = self._turns.take() if any(caller.with_turn for caller in callers) else None
        try:
            await self._try(callers, turn)
        finally:
            if turn is not None:
                self._turns.give_back(turn)

    async def _try(self, callers: list[_Caller], turn: Turn | None) -> None:
        """Call until there is an answer, or nobody waits for one any more."""
        repetition, maybe_written = 0, False
        while callers:
            try:
                outcomes = await callers[0].driver.enqueue([caller.job for caller in callers], turn=turn)
            except DriverUnavailable as exc:
                repetition += 1
                maybe_written = maybe_written or exc.maybe_written
                pause = wait_before(repetition)
                callers = _still_patient(callers, exc, pause, maybe_written=maybe_written)
            except Exception as exc:
                return _refuse(callers, exc)
            else:
                return _tell(callers, outcomes)
            if callers:
                await asyncio.sleep(pause)
        return None


def _still_patient(
    callers: list[_Caller], error: DriverUnavailable, pause: float, *, maybe_written: bool
) -> list[_Caller]:
    """Tell those whose patience ends within ``pause``; whose jobs the next try has.

    A call that may have been written is repeated as it was, or not at all: its `Turn` stands for these jobs.
    """
    end = asyncio.get_running_loop().time() + pause
    for caller in callers:
        if caller.until <= end and not caller.outcome.done():
            caller.outcome.set_exception(_in_the_end(copy(error), [caller.job.id], maybe_written=maybe_written))
    patient = [caller for caller in callers if not caller.outcome.done()]
    return callers if patient and maybe_written else patient


def _tell(callers: Sequence[_Caller], outcomes: Sequence[Enqueued]) -> None:
    for caller, outcome in zip(callers, outcomes, strict=True):
        if not caller.outcome.done():
            caller.outcome.set_result(outcome)


def _refuse(callers: Sequence[_Caller], error: Exception) -> None:
    """An error for each caller: one that several tasks raise would grow the traceback of all of them."""
    for place, caller in enumerate(callers):
        own = copy(error) if isinstance(error, FlowliError) else error
        if isinstance(own, NotDurable):
            own.outcomes = own.outcomes[place : place + 1]
        if not caller.outcome.done():
            caller.outcome.set_exception(own)


class Coalescers:
    """A `Coalescer` for each event loop."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Coalescer] = WeakKeyDictionary()

    def here(self) -> Coalescer:
        """The running loop's own."""
        loop = asyncio.get_running_loop()
        found = self._by_loop.get(loop)
        if found is None:
            found = self._by_loop[loop] = Coalescer(self._turns)
        return found
