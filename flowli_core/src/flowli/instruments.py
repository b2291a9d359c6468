"""Where telemetry looks on: what is sent, what is executed and how it ended, and which leases lapsed.

It knows the moments. It refuses to know OpenTelemetry, Prometheus and Sentry, who add an `Instrument` each. While there
is none, a moment costs one look at an empty list.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from flowli.errors import DefinitionError
from flowli.lifecycle import Move
from flowli.settle import Verdict
from flowli.traces import Trace

__all__ = [
    "SECONDS",
    "Executing",
    "Instrument",
    "Sending",
    "active",
    "add",
    "executing",
    "need_none",
    "outcome_of",
    "recovered",
    "sending",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """A call of a persisting strategy."""

    strategy: str
    job: str
    store: str
    """The driver, as it prints itself: never a password."""
    count: int = 1
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Executing:
    """An attempt that is about to be made."""

    job: str
    id: str
    queue: str
    store: str
    attempt: int
    max_attempts: int
    wait_s: float
    """Seconds since the job could have been started."""
    trace: Trace | None
    schedule_key: str | None


class Instrument:
    """Looks on. An exception of its own is its own fault, and reaches the caller: write it so that none is raised."""

    def sending(self, moment: Sending) -> AbstractContextManager[Mapping[str, str] | None]:
        """Around the call; what comes of the context travels in the records (``traceparent``, ``tracestate``)."""
        del moment
        return nullcontext()

    def executing(self, moment: Executing) -> AbstractContextManager[Callable[[Verdict], None]]:
        """Around the handler, in its task; what comes of the context is called with what became of it."""
        del moment
        return nullcontext(_ignore)

    def recovered(self, job: str) -> None:
        """A lease had lapsed, and was handed back."""


def _ignore(verdict: Verdict) -> None:
    del verdict


_OUTCOMES = {Move.COMPLETE: "completed", Move.FAIL: "failed", Move.RETRY: "retried", Move.CANCEL: "cancelled"}

SECONDS = (0.005, 0.025, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600)
"""Bounds of histograms: those that are advised for requests are too short for jobs."""

active: list[Instrument] = []
"""In the order in which they were added; the first is the outermost."""


def add(one: Instrument, ended: Callable[[], None] | None = None) -> Callable[[], None]:
    """Have it look on from now on; what comes back ends that, once, and calls ``ended``."""
    active.append(one)

    def end() -> None:
        if one in active:
            active.remove(one)
            if ended is not None:
                ended()

    return end


def need_none(kind: type[Instrument], says: str) -> None:
    """DefinitionError, which begins with what it says, where one of this kind looks on already."""
    if any(isinstance(one, kind) for one in active):
        raise DefinitionError(f"{says} already. End that first: call what instrument() returned.")


@contextmanager
def sending(moment: Sending) -> Generator[dict[str, str]]:
    """All of them, around a call."""
    carrier: dict[str, str] = {}
    with ExitStack() as stack:
        for one in active:
            carried: Mapping[str, str] | None = stack.enter_context(one.sending(moment))
            carrier.update(carried or {})
        yield carrier


@contextmanager
def executing(moment: Executing) -> Generator[Callable[[Verdict], None]]:
    """All of them, around a handler."""
    with ExitStack() as stack:
        told: list[Callable[[Verdict], Any]] = [stack.enter_context(one.executing(moment)) for one in active]

        def tell(verdict: Verdict) -> None:
            for one in told:
                one(verdict)

        yield tell


def outcome_of(heard: Sequence[Verdict]) -> str:
    """What an attempt ended as; ``released`` for one that was snoozed, parked, handed back or broken off."""
    return _OUTCOMES.get(heard[0].move, "released") if heard else "released"


def recovered(job: str) -> None:
    """All of them."""
    for one in active:
        one.recovered(job)
