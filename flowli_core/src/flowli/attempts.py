"""The attempts that a runner has under way: their tasks, their deadlines, and why one was cancelled.

It knows when to cancel and when to stop waiting for a handler that will not listen. It refuses to know the store: what
is to be written goes to ``settle``.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from enum import Enum

from flowli.deadlines import Deadlines
from flowli.driver import Hold, Lease
from flowli.errors import DriverError, JobTimeoutError
from flowli.events import JobStarted
from flowli.execution import Execution, Ready
from flowli.journal import Journal, logger
from flowli.lifecycle import Move
from flowli.settle import Verdict, cancel, describe, hand_back, release, set_aside
from flowli.threads import Turnstile

__all__ = ["Attempts", "Why"]

_DEAF_S = 1.0
"""How long a cancelled handler may go on before its slot and its lease are given up without it."""

_DECIDED = (Move.COMPLETE, Move.CANCEL, Move.SNOOZE)


class Why(Enum):
    """Why an attempt was cancelled from outside its handler."""

    TIMEOUT = "timeout"
    SILENT = "silent"
    LOST = "lost"
    ASKED = "asked"
    SHUTDOWN = "shutdown"


class _Running:
    """One attempt under way."""

    __slots__ = ("began", "hold", "is_bounded", "ready", "task", "why")

    task: asyncio.Task[None]

    def __init__(self, hold: Hold, ready: Ready) -> None:
        self.hold = hold
        self.ready = ready
        self.began = False
        options = ready.case.options
        self.is_bounded: bool = options.timeout is not None or options.heartbeat is not None
        self.why: Why | None = None


class Attempts:
    """The attempts under way. ``settle`` gets every verdict, ``ended`` hears of each free slot."""

    def __init__(
        self, execution: Execution, journal: Journal, settle: Callable[[Verdict], None], ended: Callable[[Hold], None]
    ) -> None:
        self._execution = execution
        self._journal = journal
        self._settle = settle
        self._ended = ended
        self._running: dict[Hold, _Running] = {}
        self._deadlines = Deadlines[Hold](lambda hold: self.cancel(hold, Why.TIMEOUT))
        self._silences = Deadlines[Hold](self._listen)
        self._deaf: set[_Running] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._variables = contextvars.copy_context()
        self.executed: int = 0
        """Handlers started so far."""

    def __len__(self) -> int:
        return len(self._running)

    @property
    def names(self) -> list[str]:
        """Of the jobs under way."""
        return [running.ready.job.name for running in self._running.values()]

    @property
    def abandoned(self) -> int:
        """Handlers that were cancelled, were left behind, and go on."""
        return len(self._deaf)

    def start(self, hold: Hold, lease: Lease) -> None:
        """Execute a lease in a task of its own; what is not for this runner is settled at once."""
        found = self._prepared(lease)
        if isinstance(found, Verdict):
            self._settle(found)
            self._ended(hold)
        else:
            self._begin(hold, found)

    def withdraw(self, lease: Lease) -> None:
        """Settle as cancelled what was asked to be before it was started."""
        found = self._prepared(lease)
        self._settle(found if isinstance(found, Verdict) else cancel(found.case, self._execution.now(), started=False))

    def _prepared(self, lease: Lease) -> Ready | Verdict:
        try:
            return self._execution.prepare(lease)
        except Exception as exc:
            return _bewildered(lease, exc)

    def _begin(self, hold: Hold, ready: Ready) -> None:
        if ready.gather is None:
            self._count(ready)
        if not self._running:
            self._idle.clear()
        running = self._running[hold] = _Running(hold, ready)
        if running.is_bounded:
            self._bound(running)
        # Another job's last step may have led here: this one must not see what that one left in its variables.
        loop = asyncio.get_running_loop()
        running.task = loop.create_task(self._attend(running), context=self._variables.copy())

    def _count(self, ready: Ready) -> None:
        if self._journal.is_heard:
            self._announce(ready)
        self.executed += 1

    def _announce(self, ready: Ready) -> None:
        lease, number = ready.case.lease, ready.case.number
        wait_s = max(0, ready.case.started_at - lease.ready_at) / 1000 if lease.ready_at else 0.0
        logger.debug(
            "\N{RIGHTWARDS ARROW} %s %s attempt %d, waited %.0fms", lease.name, lease.id, number, wait_s * 1000
        )
        if self._journal.has_listeners:
            self._journal.emit(JobStarted(job_id=lease.id, job_name=lease.name, attempt=number, wait_s=wait_s))

    async def _attend(self, running: _Running) -> None:
        """One attempt from its first step to its verdict. However it ends, its slot and its lease become free."""
        try:
            verdict = None
            if running.why is None:
                running.began = True
                if running.ready.gather is not None:
                    verdict = await self._gather(running.ready)
                if verdict is None:
                    threads = None if running.ready.job.is_async else self._turnstile(running)
                    verdict = await self._execution.execute(running.ready, threads)
        except KeyboardInterrupt:  # somebody ends the process, not the job
            self._end(running, release(running.ready.case))
            raise
        except BaseException as exc:
            if running.task.get_loop().is_closed():  # nothing can be settled any more
                raise
            self._end(running, self._failed(running, exc))
        else:
            self._end(running, verdict)

    def _bound(self, running: _Running) -> None:
        options = running.ready.case.options
        if options.timeout is not None:
            self._deadlines.add(running.hold, options.timeout / 1000)
        if options.heartbeat is not None:
            running.ready.heard_at = time.monotonic()
            self._silences.add(running.hold, options.heartbeat / 1000)

    def _unbound(self, hold: Hold) -> None:
        self._deadlines.discard(hold)
        self._silences.discard(hold)

    def _listen(self, hold: Hold) -> None:
        """So long after it was last listened to, a handler is cancelled unless it said how far it is."""
        running = self._running.get(hold)
        heartbeat = None if running is None else running.ready.case.options.heartbeat
        if running is None or heartbeat is None:
            return
        left = running.ready.heard_at + heartbeat / 1000 - time.monotonic()
        if left > 0:
            self._silences.add(hold, left)
        else:
            self.cancel(hold, Why.SILENT)

    def _turnstile(self, running: _Running) -> Executor | None:
        """Where the bounds of a ``def`` handler stand still: what waits for a thread was not begun."""
        hold, ready = running.hold, running.ready
        if not running.is_bounded:
            return None
        loop = asyncio.get_running_loop()

        def bound() -> None:
            if self._running.get(hold) is running:
                self._bound(running)

        def begin() -> None:
            ready.bounded_from = self._execution.now()
            with suppress(RuntimeError):  # a loop that was closed meanwhile bounds nothing
                loop.call_soon_threadsafe(bound)

        return Turnstile(self._execution.pool_of(ready.job), lambda: self._unbound(hold), begin)

    async def _gather(self, ready: Ready) -> Verdict | None:
        """The input of a step of a chain. Where it cannot be read now, the step goes back as it came."""
        try:
            verdict = await self._execution.gather(ready)
        except DriverError as exc:
            logger.warning("%s %s: the steps before it cannot be read: %s", ready.job.name, ready.case.lease.id, exc)
            return hand_back(ready.case.lease)
        if verdict is None:
            self._count(ready)
        return verdict

    def _failed(self, running: _Running, error: BaseException) -> Verdict:
        case = running.ready.case
        try:
            return self._execution.fail(running.ready.job, case, error)
        except Exception as exc:
            return _bewildered(case.lease, exc)

    def _overruled(self, running: _Running, verdict: Verdict | None) -> Verdict | None:
        """After a cancellation from outside what the handler returns or raises is too late."""
        case = running.ready.case
        match running.why:
            case None:
                return verdict
            case Why.TIMEOUT:
                span_s = (case.options.timeout or 0) / 1000
                return self._failed(
                    running, JobTimeoutError(f"Job {case.lease.name!r}: its timeout of {span_s:g}s passed.")
                )
            case Why.SILENT:
                span_s = (case.options.heartbeat or 0) / 1000
                said = f"it reported no progress for its heartbeat of {span_s:g}s. Call current_attempt().progress()."
                return self._failed(running, JobTimeoutError(f"Job {case.lease.name!r}: {said}"))
            case Why.ASKED:
                return cancel(case, self._execution.now())
            case Why.SHUTDOWN if running.ready.gather is not None:
                return verdict or hand_back(case.lease)
            case Why.SHUTDOWN:  # what was done is done, and counts; a failure on the way out does not
                return verdict if verdict and verdict.move in _DECIDED else release(case)
            case _:
                return None

    def _end(self, running: _Running, verdict: Verdict | None) -> None:
        if running in self._deaf:  # it was settled without it: whatever it came to, it is too late
            self._deaf.discard(running)
            return
        del self._running[running.hold]
        if running.is_bounded:
            self._unbound(running.hold)
        if running.why is not None:
            verdict = self._overruled(running, verdict)
        if verdict is not None:
            self._settle(verdict)
        self._ended(running.hold)
        if not self._running:
            self._idle.set()

    def cancel(self, hold: Hold, why: Why) -> None:
        """Cancel the handler of one attempt; it is given up after a second if it does not end."""
        running = self._running.get(hold)
        if running is None or running.why is not None or running.task.done():
            return
        running.why = why
        if running.began:  # else its first step finds out: a task that is cancelled before takes no step at all
            running.task.cancel()
        asyncio.get_running_loop().call_later(_DEAF_S, self._give_up, running)

    def _give_up(self, running: _Running) -> None:
        if self._running.get(running.hold) is not running:
            return
        logger.error("%s %s ignores its cancellation; it is left behind", running.ready.job.name, running.hold.id)
        self._end(running, None)
        self._deaf.add(running)

    def cancel_all(self, why: Why) -> None:
        """Cancel every attempt under way."""
        for hold in list(self._running):
            self.cancel(hold, why)

    async def idle(self) -> None:
        """Wait until no attempt is under way."""
        await self._idle.wait()


def _bewildered(lease: Lease, error: Exception) -> Verdict:
    # The text may hold anything that is in the record: only where it happened is said.
    logger.error(
        "%s %s cannot be judged here, which is a defect of Flowli (%s)\n%s",
        lease.name,
        lease.id,
        type(error).__name__,
        describe(error).traceback,
    )
    return set_aside(lease)
