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
from flowli.settle import Verdict, cancel, fail, release

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

    __slots__ = ("deadline", "lease", "ready", "task", "why")

    def __init__(self, lease: Lease, ready: Ready | None) -> None:
        self.lease = lease
        self.ready = ready
        self.task: asyncio.Task[None] | None = None
        self.deadline: asyncio.TimerHandle | None = None
        self.why: Why | None = None


class Attempts:
    """Up to ``concurrency`` attempts. ``settle`` gets every verdict, ``ended`` hears of each free slot."""

    def __init__(
        self, execution: Execution, journal: Journal, settle: Callable[[Verdict], None], ended: Callable[[Hold], None]
    ) -> None:
        self._execution = execution
        self._journal = journal
        self._settle = settle
        self._ended = ended
        self._running: dict[int, _Running] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self.executed = 0
        """Handlers started so far."""
        self.abandoned = 0
        """Handlers that were cancelled, did not end, and were left behind."""

    def __len__(self) -> int:
        return len(self._running)

    @property
    def names(self) -> list[str]:
        """Of the jobs under way."""
        return [running.lease.name for running in self._running.values()]

    def start(self, leases: Iterable[Lease]) -> None:
        """Execute each lease in a task of its own; what is not for this runner is settled at once."""
        loop = asyncio.get_running_loop()
        for lease in leases:
            ready = self._execution.prepare(lease)
            if isinstance(ready, Verdict):
                self._settle(ready)
                self._ended(_hold(lease))
                continue
            running = self._running[lease.token] = _Running(lease, ready)
            self._idle.clear()
            self.executed += 1
            timeout = ready.case.options.timeout
            if timeout is not None:
                running.deadline = loop.call_later(timeout / 1000, self.cancel, lease.token, Why.TIMEOUT)
            running.task = loop.create_task(self._run(running, ready))

    async def _run(self, running: _Running, ready: Ready) -> None:
        verdict: Verdict | None
        try:
            self._announce(ready)
            verdict = await self._execution.execute(ready)
            if running.why is not None:  # the handler went on after it was cancelled: what it returns is too late
                verdict = self._overruled(running, ready, verdict)
        except asyncio.CancelledError as exc:
            verdict = self._overruled(running, ready, fail(ready.case, exc, self._execution.random))
        if self._running.get(running.lease.token) is running:
            self._end(running, verdict)

    def _announce(self, ready: Ready) -> None:
        lease, number = ready.case.lease, ready.case.number
        wait_s = max(0, ready.case.now - lease.ready_at) / 1000 if lease.ready_at else 0.0
        logger.debug(
            "\N{RIGHTWARDS ARROW} %s %s attempt %d, waited %.0fms", lease.name, lease.id, number, wait_s * 1000
        )
        if self._journal.has_listeners:
            self._journal.emit(JobStarted(job_id=lease.id, job_name=lease.name, attempt=number, wait_s=wait_s))

    def _overruled(self, running: _Running, ready: Ready, verdict: Verdict) -> Verdict | None:
        case = ready.case._replace(now=self._execution.now())
        match running.why:
            case Why.TIMEOUT:
                late = JobTimeoutError(
                    f"Job {case.lease.name!r}: its timeout of {(case.options.timeout or 0) / 1000:g}s passed."
                )
                return fail(case, late, self._execution.random)
            case Why.ASKED:
                return cancel(case)
            case Why.SHUTDOWN:  # what was done is done, and counts; a failure on the way out does not
                return verdict if verdict.move in (Move.COMPLETE, Move.CANCEL) else release(case.lease, case)
            case Why.LOST:
                return None
            case None:
                return verdict

    def _end(self, running: _Running, verdict: Verdict | None) -> None:
        del self._running[running.lease.token]
        if running.deadline is not None:
            running.deadline.cancel()
        if verdict is not None:
            self._settle(verdict)
        self._ended(_hold(running.lease))
        if not self._running:
            self._idle.set()

    def cancel(self, token: int, why: Why) -> None:
        """Cancel the handler of one attempt; it is given up after a second if it does not end."""
        running = self._running.get(token)
        if running is None or running.task is None or running.why is not None:
            return
        running.why = why
        running.task.cancel()
        asyncio.get_running_loop().call_later(_DEAF_S, self._give_up, running)

    def _give_up(self, running: _Running) -> None:
        if self._running.get(running.lease.token) is not running or running.ready is None:
            return
        self.abandoned += 1
        logger.error("%s %s ignores its cancellation; it is left behind", running.lease.name, running.lease.id)
        ready = running.ready
        late = RuntimeError("the handler ignored its cancellation")
        self._end(running, self._overruled(running, ready, fail(ready.case, late, self._execution.random)))

    def cancel_all(self, why: Why) -> None:
        """Cancel every attempt under way."""
        for token in list(self._running):
            self.cancel(token, why)

    async def idle(self) -> None:
        """Wait until no attempt is under way."""
        await self._idle.wait()


def _hold(lease: Lease) -> Hold:
    return Hold(lease.queue, lease.id, lease.token)
