"""What a runner says: log lines for people, events for listeners. Never a payload.

It knows verdicts that were written. It refuses to influence one: an exception in a listener is logged and goes no
further.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from flowli import instruments
from flowli.driver import Recovered
from flowli.events import (
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobParked,
    JobRetryScheduled,
    JobSnoozed,
    LeaseRecovered,
    RunnerEvent,
)
from flowli.lifecycle import Move
from flowli.settle import Verdict, describe, message_of

__all__ = ["Journal", "Listener", "is_being_cancelled", "logger"]

E = TypeVar("E", bound=RunnerEvent)
Listener = Callable[[E], Awaitable[None] | None]

logger: logging.Logger = logging.getLogger("flowli.runner")
logger.addHandler(logging.NullHandler())

# Looked up once: reading a member of an enumeration takes Python 3.11 several times as long as reading a name.
_COMPLETE = Move.COMPLETE


class Journal:
    """The listeners of one runner. They are called one after the other, in order, beside the jobs."""

    def __init__(self) -> None:
        self._listeners: dict[type[RunnerEvent], list[Callable[[Any], Any]]] = defaultdict(list)
        self._events: asyncio.Queue[RunnerEvent] | None = None
        self._teller: asyncio.Task[None] | None = None

    def add(self, kind: type[E], listener: Listener[E]) -> None:
        """Call ``listener`` for each event of ``kind`` from now on."""
        self._listeners[kind].append(listener)

    @property
    def has_listeners(self) -> bool:
        return bool(self._listeners)

    @property
    def is_heard(self) -> bool:
        """Whether anybody hears of a job that begins and completes."""
        return bool(self._listeners) or logger.isEnabledFor(logging.DEBUG)

    def emit(self, event: RunnerEvent) -> None:
        """Queue an event for its listeners."""
        if not self._listeners:
            return
        if self._teller is None or self._teller.done():
            self._events = asyncio.Queue()
            self._teller = asyncio.create_task(self._tell(self._events), name="flowli-listeners")
        assert self._events is not None
        self._events.put_nowait(event)

    async def drain(self) -> None:
        """Wait until every listener has heard everything so far."""
        if self._events is not None and self._teller is not None and not self._teller.done():
            await self._events.join()

    async def close(self, patience: float) -> None:
        """Let listeners hear the rest, for ``patience`` seconds."""
        teller = self._teller
        if teller is None or teller is asyncio.current_task():  # the latter: a listener stops its runner
            self._teller = None
            return
        try:
            await asyncio.wait_for(self.drain(), patience)
        except TimeoutError:
            logger.warning("a listener did not return within %.1fs; the rest of the events is dropped", patience)
        self._teller = self._events = None
        teller.cancel()
        await asyncio.wait({teller}, timeout=patience)

    async def _tell(self, events: asyncio.Queue[RunnerEvent]) -> None:
        while self._teller is asyncio.current_task() or not events.empty():
            event = await events.get()
            try:
                for kind in type(event).__mro__:
                    for listener in self._listeners.get(kind, ()):
                        await self._call(listener, event)
            finally:
                events.task_done()

    async def _call(self, listener: Callable[[Any], Any], event: RunnerEvent) -> None:
        try:
            outcome = listener(event)
            if inspect.isawaitable(outcome):
                await outcome
        except (Exception, SystemExit, asyncio.CancelledError) as exc:
            if isinstance(exc, asyncio.CancelledError) and is_being_cancelled():
                raise
            frames = describe(exc).traceback
            logger.error(
                "a listener for %s failed, the job's outcome stands: %s: %s%s",
                type(event).__name__,
                type(exc).__name__,
                message_of(exc),
                f"\n{frames}" if frames else "",
            )

    def written(self, verdict: Verdict) -> None:
        """A settlement is in the store: say so."""
        if verdict.move is _COMPLETE and not self.is_heard:
            return
        _log(verdict)
        if self._listeners:
            for event in _events_of(verdict):
                self.emit(event)

    def refused(self, verdict: Verdict) -> None:
        """A settlement was refused by its token: somebody else has the job, or had."""
        logger.warning(
            "%s %s: its lease was lost, the outcome of attempt %d is refused",
            verdict.name,
            verdict.settlement.id,
            verdict.number,
        )

    def recovered(self, found: Recovered) -> None:
        """Housekeeping handed a job back whose lease had lapsed."""
        logger.warning(
            "\N{ANTICLOCKWISE GAPPED CIRCLE ARROW} %s %s lease lapsed, queued again (lost runners: %d)",
            found.name,
            found.id,
            found.deliveries,
        )
        instruments.recovered(found.name)
        self.emit(LeaseRecovered(job_id=found.id, job_name=found.name, deliveries=found.deliveries))


def is_being_cancelled() -> bool:
    """Whether somebody cancels the running task; else a CancelledError is that of what it awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _log(verdict: Verdict) -> None:
    id, name, error = verdict.settlement.id, verdict.name, verdict.error
    what = f"{type(error).__name__}: {message_of(error)}" if error is not None else ""
    wait_s = verdict.wait / 1000
    match verdict.move:
        case Move.COMPLETE:
            logger.debug("\u2713 %s %s attempt %d, %.0fms", name, id, verdict.number, verdict.run_s * 1000)
        case Move.RETRY:
            logger.warning(
                "\u21bb %s %s attempt %d failed after %.1fs, retry in %.1fs: %s",
                name,
                id,
                verdict.number,
                verdict.run_s,
                wait_s,
                what,
            )
        case Move.FAIL:
            # Not exc_info: logging would print the exception's own text, which in pydantic's case shows the input.
            frames = describe(error).traceback if error is not None else None
            logger.error(
                "\u2717 %s %s failed for good (%s) at attempt %d: %s%s",
                name,
                id,
                verdict.reason,
                verdict.number,
                what,
                f"\n{frames}" if frames else "",
            )
        case Move.SNOOZE:
            logger.info("%s %s snoozes for %.1fs in attempt %d: %s", name, id, wait_s, verdict.number, what)
        case Move.PARK:
            logger.warning("%s %s parked for %.1fs: %s", name, id, wait_s, what)
        case Move.CANCEL:
            why = "" if error is None else f": {message_of(error)}"
            logger.info("%s %s cancelled in attempt %d%s", name, id, verdict.number, why)
        case _:
            logger.info("%s %s handed back", name, id)


def _events_of(verdict: Verdict) -> list[RunnerEvent]:
    id, name, number = verdict.settlement.id, verdict.name, verdict.number
    wait_s = verdict.wait / 1000
    error = verdict.error or RuntimeError("unknown")
    match verdict.move:
        case Move.COMPLETE:
            return [JobCompleted(job_id=id, job_name=name, attempt=number, run_s=verdict.run_s)]
        case Move.RETRY:
            failed = JobFailed(job_id=id, job_name=name, error=error, attempt=number, final=False)
            return [failed, JobRetryScheduled(job_id=id, job_name=name, attempt=number, wait_s=wait_s)]
        case Move.FAIL:
            return [JobFailed(job_id=id, job_name=name, error=error, attempt=number, final=True, reason=verdict.reason)]
        case Move.SNOOZE:
            return [JobSnoozed(job_id=id, job_name=name, attempt=number, wait_s=wait_s)]
        case Move.PARK:
            return [JobParked(job_id=id, job_name=name, why=message_of(error), wait_s=wait_s)]
        case Move.CANCEL:
            return [JobCancelled(job_id=id, job_name=name, attempt=number)]
        case _:
            return []
