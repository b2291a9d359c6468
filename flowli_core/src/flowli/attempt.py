"""What a handler can know and say of its own execution: `current_attempt`, `Retry`, `Snooze`, `Cancel`.

It refuses to know who executes it: `run`, a runner and a test kit all set the same variable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from flowli.durations import parse_span
from flowli.errors import StrategyError, ValidationError
from flowli.progress import encode_progress

if TYPE_CHECKING:
    from flowli.bound import BoundJob
    from flowli.job import Job
    from flowli.runtime import Flowli

__all__ = ["Attempt", "Cancel", "Retry", "Snooze", "current", "current_attempt"]

_MOST_MESSAGE = 2_000

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
    _report: Callable[[bytes], None] | None = field(default=None, repr=False)

    def progress(self, fraction: float, message: str = "") -> Awaitable[None]:
        """Say how far the work is, from 0 to 1, and what is being done, for ``handle.progress()``.

        It does not wait for the store and never fails a handler: the newest report is sent within half a second.
        Awaiting it gives way to other tasks; a ``def`` handler calls it and leaves it. Under `run` nothing is sent.
        ValidationError for a number out of bounds.
        """
        if isinstance(fraction, bool) or not 0 <= fraction <= 1:
            raise ValidationError(f"progress takes a fraction from 0 to 1; got {fraction!r}.")
        if self._report is not None:
            self._report(encode_progress(fraction, message[:_MOST_MESSAGE]))
        return _GiveWay()

    def use(self, job: Job[Any, _I, _M, _R], /) -> BoundJob[_I, _M, _R]:
        """Bind another job of the same runtime: enqueues a follow-up without importing the runtime."""
        return self.flowli.use(job)


class _GiveWay:
    """What `Attempt.progress` returns."""

    def __await__(self) -> Generator[Any, None, None]:
        return asyncio.sleep(0).__await__()


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
