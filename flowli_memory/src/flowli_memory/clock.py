"""Knows what time it is for a memory store, and how a test moves it. Refuses to know what waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol

from flowli.driver import Millis
from flowli.durations import parse_span

__all__ = ["Clock", "ManualClock", "Timekeeper"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_START = datetime(2030, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Clock(Protocol):
    """Tells the time of a store. Any clock but a `ManualClock` is taken to run at the pace of the real one."""

    def now(self) -> datetime:
        """The present instant, aware."""
        ...


class ManualClock:
    """A clock that stands still until a test advances it. It may be shared by drivers, threads and event loops."""

    def __init__(self, start: datetime | None = None) -> None:
        start = _START if start is None else start
        if start.tzinfo is None:
            raise ValueError("ManualClock starts at an aware datetime; give it a tzinfo, such as datetime.UTC")
        self._now = start.astimezone(UTC)
        self._lock = threading.Lock()
        self._watchers: set[Callable[[], object]] = set()

    def now(self) -> datetime:
        """The instant the clock stands at, in UTC."""
        return self._now

    def advance(self, span: str | timedelta) -> None:
        """Move on by ``span`` ("10m", or a timedelta) and have every call that waits under this clock look again.

        A negative span is a ValidationError.
        """
        step = parse_span(span, what="the span of an advance")
        with self._lock:
            self._now += step
        for watcher in list(self._watchers):
            watcher()

    @contextmanager
    def watched_by(self, watcher: Callable[[], object]) -> Generator[None]:
        """Call ``watcher`` after each advance for as long as the block lasts, from the thread that advances."""
        self._watchers.add(watcher)
        try:
            yield
        finally:
            self._watchers.discard(watcher)


class Timekeeper:
    """Reads a clock in whole milliseconds; the system's wall clock when none is given."""

    def __init__(self, clock: Clock | None) -> None:
        self._clock = clock

    @property
    def manual(self) -> ManualClock | None:
        """The clock, if it is one that only a test moves."""
        return self._clock if isinstance(self._clock, ManualClock) else None

    def read(self) -> Millis:
        """The present instant."""
        if self._clock is None:
            return Millis(time.time_ns() // 1_000_000)
        return Millis((self._clock.now() - _EPOCH) // _MILLISECOND)
