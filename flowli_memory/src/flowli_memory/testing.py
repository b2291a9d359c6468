"""The testing kit: an application's own runtime in memory, under a clock that the test moves.

It knows what a test wants to see and to provoke. It refuses to replace handlers or validation: what runs is the
application.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from flowli import BoundJob, DriverUnavailable, Flowli, Job, Runner
from flowli.codec import Binding
from flowli.context import Context
from flowli.driver import Claim, Driver, Millis, NewJob, Turn
from flowli.events import JobCancelled, JobCompleted, JobFailed, JobRetryScheduled, RunnerEvent
from flowli.hub import Hub
from flowli.ids import make_id
from flowli.portal import call
from flowli.wire import FORMAT, split_body
from flowli_memory.clock import ManualClock
from flowli_memory.troubled import Trouble, TroubledDriver

__all__ = ["ANYTHING", "Anything", "Drained", "EnqueuedJob", "Rig"]

_F = TypeVar("_F", bound=Flowli[Any])
_I = TypeVar("_I")
_M = TypeVar("_M")


class Anything:
    """The type of `ANYTHING`."""

    def __repr__(self) -> str:
        return "ANYTHING"


ANYTHING: Final = Anything()
"""What is not compared."""
_UNCHANGED: Final[Any] = object()
_MOST_STEPS = 1_000_000


@dataclass(frozen=True, slots=True)
class EnqueuedJob(Generic[_I, _M]):
    """One call of a persisting strategy."""

    id: str
    name: str
    queue: str
    input: _I
    meta: _M
    due: datetime | None
    """When it is to be ready; None for at once."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What the runner did."""

    attempts: int
    completed: int
    failed: int
    """For good."""
    retried: int
    cancelled: int


class Rig(Generic[_F]):
    """``with Rig(flowli) as rig``: until the block ends the runtime, wherever the application imported it, works on an
    empty store in memory. ``context`` replaces its context, ``start`` is what the clock says at first.

    ``twice`` executes every job a second time after its first success: a handler that may be called again notices
    nothing. Works under any event loop and any plugin for them; ``drain_sync`` and ``advance_sync`` need none.
    """

    def __init__(
        self, flowli: _F, *, context: Any = _UNCHANGED, start: datetime | None = None, twice: bool = False
    ) -> None:
        self.flowli: _F = flowli
        self.clock: ManualClock = ManualClock(start)
        self.events: list[RunnerEvent] = []
        """All that runners told, in order."""
        self._trouble = Trouble(is_twice=twice)
        self.driver: TroubledDriver = TroubledDriver(clock=self.clock, trouble=self._trouble)
        self._context = None if context is _UNCHANGED else Context(context, None)
        self._swap = flowli.__flowli__.swapped(self.driver, self._context)

    def __enter__(self) -> Rig[_F]:
        self._swap.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._swap.__exit__(None, None, None)

    async def drain(self, *, allow_failures: bool = False) -> Drained:
        """Execute what is due, and what that enqueues, until nothing is.

        AssertionError, with the traceback, if a job fails for good, unless that is allowed.
        """
        before = len(self.events)
        runner = Runner(self.flowli)
        runner.on(RunnerEvent)(self.events.append)
        attempts = await runner.run_until_idle()
        heard = self.events[before:]
        failures = [one for one in heard if isinstance(one, JobFailed) and one.final]
        if failures and not allow_failures:
            first = failures[0]
            text = (
                f"{len(failures)} job(s) failed for good. The first: {first.job_name} {first.job_id} ({first.reason})."
            )
            raise AssertionError(text) from first.error
        return Drained(
            attempts=attempts,
            completed=sum(isinstance(one, JobCompleted) for one in heard),
            failed=len(failures),
            retried=sum(isinstance(one, JobRetryScheduled) for one in heard),
            cancelled=sum(isinstance(one, JobCancelled) for one in heard),
        )

    async def advance(self, span: str | timedelta, *, allow_failures: bool = False) -> Drained:
        """Move the clock on by ``span``, and stop at each instant at which something comes due: delays, retries,
        schedules, leases. What was done on the way, in all."""
        until = ManualClock(self.clock.now())
        until.advance(span)
        end, sums = until.now(), [await self.drain(allow_failures=allow_failures)]
        for _ in range(_MOST_STEPS):
            step = min(await self._next(), end) - self.clock.now()
            if step <= timedelta(0):
                break
            self.clock.advance(step)
            sums.append(await self.drain(allow_failures=allow_failures))
        names = ("attempts", "completed", "failed", "retried", "cancelled")
        return Drained(**{name: sum(getattr(one, name) for one in sums) for name in names})

    async def _next(self) -> datetime:
        """The next instant at which anything can happen; beyond every end where nothing will."""
        driver = await self.flowli.__flowli__.driver("advance")
        house = Claim(runner="rig", turn=Turn(make_id(), 1), queues=None, limit=0, lease_for=Millis(1))
        found = await driver.exchange((), house)
        instants = [at for at in (found.next_at, found.schedule_at) if at is not None and at > found.now]
        return self.clock.now() + timedelta(milliseconds=min(instants, default=10**14) - found.now)

    def drain_sync(self, *, allow_failures: bool = False) -> Drained:
        """`drain`, for tests without an event loop."""
        return call(self.drain(allow_failures=allow_failures))

    def advance_sync(self, span: str | timedelta, *, allow_failures: bool = False) -> Drained:
        """`advance`, for tests without an event loop."""
        return call(self.advance(span, allow_failures=allow_failures))

    def enqueued(self, job: Job[Any, _I, _M, Any] | BoundJob[_I, _M, Any]) -> list[EnqueuedJob[_I, _M]]:
        """The calls that enqueued or delayed this job, in order, whether it was executed since or not."""
        one: Job[Any, Any, Any, Any] = job.job if isinstance(job, BoundJob) else job
        return [self._read(one, new, due) for new, due in self._trouble.enqueued if new.name == one.name]

    def _read(self, job: Job[Any, Any, Any, Any], new: NewJob, due: datetime | None) -> EnqueuedJob[Any, Any]:
        codec = self.flowli.__flowli__.codec
        body = new.body if codec is None else codec.decode(new.body, Binding("body", new.name, new.id, FORMAT.decode()))
        input_json, meta_json = split_body(body)
        return EnqueuedJob(
            id=new.id,
            name=new.name,
            queue=new.queue,
            input=job.input_adapter.validate_json(input_json) if input_json else None,
            meta=None if meta_json is None or job.meta_adapter is None else job.meta_adapter.validate_json(meta_json),
            due=due,
        )

    def assert_enqueued(
        self,
        job: Job[Any, _I, _M, Any] | BoundJob[_I, _M, Any],
        *,
        input: _I | Anything = ANYTHING,
        meta: _M | Anything = ANYTHING,
        count: int | None = None,
    ) -> list[EnqueuedJob[_I, _M]]:
        """The calls with this input and meta, as the handler will see them. AssertionError, which lists what was
        enqueued instead, where there is none, or not ``count`` of them."""
        found = self.enqueued(job)
        matching = [one for one in found if _same(input, one.input) and _same(meta, one.meta)]
        if not matching if count is None else len(matching) != count:
            raise AssertionError(
                _missed(job, input, meta, count, found, [new.name for new, _ in self._trouble.enqueued])
            )
        return matching

    def lose_reply(self, times: int = 1) -> None:
        """The next enqueue is written, and its caller gets `EnqueueUnknown`."""
        self._trouble.lost_replies += times

    def crash(self, times: int = 1) -> None:
        """The next job that is leased is never started: its runner died. It is executed when the lease is over:
        ``advance("30s")``."""
        self._trouble.crashes += times

    @contextmanager
    def outage(self) -> Generator[None]:
        """The store is away: whatever asks it gets `DriverUnavailable`."""
        core = self.flowli.__flowli__
        hub, core.hub = core.hub, _Away(self.driver)
        try:
            yield
        finally:
            core.hub = hub


class _Away(Hub):
    """Of a store that is away."""

    def ready(self) -> Driver:
        raise DriverUnavailable("The store is away, as the test asked.")

    async def here(self) -> Driver:
        return self.ready()

    async def hold(self, *, certain: bool = False) -> Driver:
        del certain
        return self.ready()


def _same(wanted: Any, found: Any) -> bool:
    return wanted is ANYTHING or bool(wanted == found)


def _missed(
    job: Job[Any, Any, Any, Any] | BoundJob[Any, Any, Any],
    input: object,
    meta: object,
    count: int | None,
    found: Sequence[EnqueuedJob[Any, Any]],
    names: Sequence[str],
) -> str:
    name = job.job.name if isinstance(job, BoundJob) else job.name
    wanted = ", ".join(
        f"{what}={value!r}" for what, value in (("input", input), ("meta", meta)) if value is not ANYTHING
    )
    times = "not enqueued" if count is None else f"not enqueued {count} time(s)"
    said = [f"{name} was {times}{f' with {wanted}' if wanted else ''}."]
    said += [f"  {one.name} {one.id}: input={one.input!r}, meta={one.meta!r}" for one in found] or [
        f"  What was: {', '.join(sorted(set(names))) or 'nothing'}."
    ]
    return "\n".join(said)
