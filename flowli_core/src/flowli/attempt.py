"""What a handler can know and say of its own execution: `current_attempt`, `Retry`, `Snooze`, `Cancel`.

It refuses to know who executes it: `run`, a runner and a test kit all set the same variable.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from flowli.durations import parse_span
from flowli.errors import StrategyError

if TYPE_CHECKING:
    from flowli.bound import BoundJob
    from flowli.job import Job
    from flowli.runtime import Flowli

__all__ = ["Attempt", "Cancel", "Retry", "Snooze", "current", "current_attempt"]

_I = TypeVar("_I")
_M = TypeVar("_M")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One start of a handler."""

    job_id: str | None
    """None under `run`."""
    name: str
    number: int
    """1 for the first start; crashed ones count."""
    token: int | None
    """Grows with each attempt of the job: a resource that keeps the greatest it saw can refuse a slower writer. None
    under `run`."""
    deadline: datetime | None
    """When the timeout passes; None for no bound."""
    flowli: Flowli[Any]

    def use(self, job: Job[Any, _I, _M, _R], /) -> BoundJob[_I, _M, _R]:
        """Bind another job of the same runtime: enqueues a follow-up without importing the runtime."""
        return self.flowli.use(job)


current: ContextVar[Callable[[], Attempt]] = ContextVar("flowli_attempt")
"""Makes the attempt for whoever asks. Set for each execution, and copied into the threads of sync handlers."""


def current_attempt() -> Attempt:
    """The attempt that is being executed; works anywhere below a handler. StrategyError elsewhere."""
    try:
        return current.get()()
    except LookupError:
        raise StrategyError(
            "current_attempt() was called outside of a handler. Call it below one, or pass on what you need."
        ) from None


class Retry(Exception):
    """Raise it in a handler: a failure that chooses its wait. It counts towards ``max_attempts`` like any other."""

    def __init__(self, reason: str = "the handler asked for a retry", *, after: str | timedelta | None = None) -> None:
        super().__init__(reason)
        self.after: timedelta | None = None if after is None else parse_span(after, what="Retry(after=)")


class Snooze(Exception):
    """Raise it in a handler: not now, again in ``after``. No failure is counted, and nothing bounds how often."""

    def __init__(self, after: str | timedelta, reason: str = "the handler asked to be called later") -> None:
        super().__init__(reason)
        self.after: timedelta = parse_span(after, what="Snooze()")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.after, *self.args)


class Cancel(Exception):
    """Raise it in a handler: the job ends as ``cancelled``, and no failure is counted."""

    def __init__(self, reason: str = "the handler cancelled it") -> None:
        super().__init__(reason)
