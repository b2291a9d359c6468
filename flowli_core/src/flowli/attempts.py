"""The attempts that a runner has under way: their tasks, their deadlines, and why one was cancelled.

It knows when to cancel and when to stop waiting for a handler that will not listen. It refuses to know the store: what
is to be written goes to ``settle``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from enum import Enum

from flowli.driver import Hold, Lease
from flowli.errors import JobTimeoutError
from flowli.events import JobStarted
from flowli.execution import Execution, Ready
from flowli.journal import Journal, logger
from flowli.lifecycle import Move
from flowli.settle import Case, Verdict, cancel, describe, fail, release, set_aside

__all__ = ["Attempts", "Why"]

_DEAF_S = 1.0
"""How long a cancelled handler may go on before its slot and its lease are given up without it."""


class Why(Enum):
    """Why an attempt was cancelled from outside its handler."""

    TIMEOUT = "timeout"
    LOST = "lost"
    ASKED = "asked"
    SHUTDOWN = "shutdown"


class _Running:
    """One attempt under way."""

    __slots__ = ("deadline", "hold", "ready", "task", "why")

    def __init__(self, hold: Hold, ready: Ready, task: asyncio.Task[Verdict]) -> None:
        self.hold = hold
        self.ready = ready
        self.task = task
        self.deadline: asyncio.TimerHandle | None = None
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
        self._deaf: set[asyncio.Task[Verdict]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
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

    def start(self, taken: Iterable[tuple[Hold, Lease]]) -> None:
        """Execute each lease in a task of its own; what is not for this runner is settled at once."""
        for hold, lease in taken:
            try:
                found = self._execution.prepare(lease)
            except Exception as exc:
                found = _bewildered(lease, exc)
            if isinstance(found, Verdict):
                self._settle(found)
                self._ended(hold)
            else:
                self._begin(hold, found)

    def _begin(self, hold: Hold, ready: Ready) -> None:
        self._announce(ready)
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._execution.execute(ready))
        running = self._running[hold] = _Running(hold, ready, task)
        self._idle.clear()
        self.executed += 1
        timeout = ready.case.options.timeout
        if timeout is not None:
            running.deadline = loop.call_later(timeout / 1000, self.cancel, hold, Why.TIMEOUT)
        # However a task ends, also before its first step, its slot and its lease become free.
        task.add_done_callback(lambda _: self._finish(running))

    def _announce(self, ready: Ready) -> None:
        lease, number = ready.case.lease, ready.case.number
        wait_s = max(0, ready.case.now - lease.ready_at) / 1000 if lease.ready_at else 0.0
        logger.debug(
            "\N{RIGHTWARDS ARROW} %s %s attempt %d, waited %.0fms", lease.name, lease.id, number, wait_s * 1000
        )
        if self._journal.has_listeners:
            self._journal.emit(JobStarted(job_id=lease.id, job_name=lease.name, attempt=number, wait_s=wait_s))

    def _finish(self, running: _Running) -> None:
        if running.task in self._deaf:
            self._deaf.discard(running.task)
            if not running.task.cancelled():
                running.task.exception()  # it was settled without it: whatever it is, it is too late
            return
        self._end(running, lambda: self._judged(running))

    def _judged(self, running: _Running) -> Verdict | None:
        ready = running.ready
        try:
            verdict = running.task.result()
        except KeyboardInterrupt:
            return release(ready.case)  # somebody ends the process, not the job
        except BaseException as exc:
            verdict = fail(self._now(ready), exc, self._execution.random)
        # After a cancellation from outside what the handler returns or raises is too late.
        return verdict if running.why is None else self._overruled(running, verdict)

    def _overruled(self, running: _Running, verdict: Verdict | None) -> Verdict | None:
        case = self._now(running.ready)
        match running.why:
            case Why.TIMEOUT:
                late = JobTimeoutError(
                    f"Job {case.lease.name!r}: its timeout of {(case.options.timeout or 0) / 1000:g}s passed."
                )
                return fail(case, late, self._execution.random)
            case Why.ASKED:
                return cancel(case)
            case Why.SHUTDOWN:  # what was done is done, and counts; a failure on the way out does not
                return verdict if verdict and verdict.move in (Move.COMPLETE, Move.CANCEL) else release(case)
            case _:
                return None

    def _now(self, ready: Ready) -> Case:
        return ready.case._replace(now=self._execution.now())

    def _end(self, running: _Running, decide: Callable[[], Verdict | None]) -> None:
        lease = running.ready.case.lease
        del self._running[running.hold]
        if running.deadline is not None:
            running.deadline.cancel()
        try:
            verdict = decide()
        except Exception as exc:
            verdict = _bewildered(lease, exc)
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
        running.task.cancel()
        asyncio.get_running_loop().call_later(_DEAF_S, self._give_up, running)

    def _give_up(self, running: _Running) -> None:
        if self._running.get(running.hold) is not running or running.task.done():
            return
        self._deaf.add(running.task)
        logger.error("%s %s ignores its cancellation; it is left behind", running.ready.job.name, running.hold.id)
        self._end(running, lambda: self._overruled(running, None))

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
