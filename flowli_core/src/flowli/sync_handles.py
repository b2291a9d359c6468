"""Handles whose verbs block, for code without an event loop; it knows which verbs there are, and leaves what they do to
`flowli.handles`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from flowli.driver import Disposition, State
from flowli.handles import JobHandle, ScheduleHandle
from flowli.portal import call, each
from flowli.records import JobRecord, Progress

__all__ = ["SyncJobHandle", "SyncScheduleHandle"]

_R_co = TypeVar("_R_co", covariant=True)


class SyncJobHandle(Generic[_R_co]):
    """A `JobHandle` whose methods block."""

    __slots__ = ("_handle",)

    def __init__(self, handle: JobHandle[_R_co]) -> None:
        self._handle = handle

    @property
    def id(self) -> str:
        """Unique in the driver's prefix."""
        return self._handle.id

    @property
    def name(self) -> str:
        """Of the job."""
        return self._handle.name

    @property
    def state(self) -> State | None:
        """As of the call."""
        return self._handle.state

    @property
    def scheduled_for(self) -> datetime | None:
        """When it is to be ready, by the store's clock, as of the call."""
        return self._handle.scheduled_for

    @property
    def attempts_made(self) -> int:
        """As of the call."""
        return self._handle.attempts_made

    @property
    def deduplicated(self) -> bool:
        """The call made no job: this is the one that had its id or holds its unique key."""
        return self._handle.deduplicated

    @property
    def disposition(self) -> Disposition | None:
        """What the call did."""
        return self._handle.disposition

    def record(self) -> JobRecord:
        """As `JobHandle.record`."""
        return call(self._handle.record())

    def progress(self, *, every: timedelta | str = "500ms") -> Iterator[Progress]:
        """As `JobHandle.progress`, with ``for``."""
        return each(self._handle.progress(every=every))

    def cancel(self, *, wait: float | timedelta | str | None = None) -> bool:
        """As `JobHandle.cancel`."""
        return call(self._handle.cancel(wait=wait))

    def result(self, *, timeout: float | timedelta | str | None = None) -> _R_co:
        """As `JobHandle.result`."""
        return call(self._handle.result(timeout=timeout))

    def __repr__(self) -> str:
        return f"<SyncJobHandle {self.name} {self.id} {self.state or 'unknown'}>"


class SyncScheduleHandle:
    """A `ScheduleHandle` whose methods block."""

    __slots__ = ("_handle",)

    def __init__(self, handle: ScheduleHandle) -> None:
        self._handle = handle

    @property
    def key(self) -> str:
        """The schedule's identity: scheduling again with it updates."""
        return self._handle.key

    @property
    def name(self) -> str:
        """Of the job."""
        return self._handle.name

    @property
    def when(self) -> str:
        """The cron fields or the interval."""
        return self._handle.when

    @property
    def tz(self) -> str:
        """The IANA zone in which cron fields are meant."""
        return self._handle.tz

    @property
    def next_run_at(self) -> datetime | None:
        """As of the call."""
        return self._handle.next_run_at

    def pause(self) -> bool:
        """As `ScheduleHandle.pause`."""
        return call(self._handle.pause())

    def resume(self) -> bool:
        """As `ScheduleHandle.resume`."""
        return call(self._handle.resume())

    def trigger(self) -> str | None:
        """As `ScheduleHandle.trigger`."""
        return call(self._handle.trigger())

    def delete(self) -> bool:
        """As `ScheduleHandle.delete`."""
        return call(self._handle.delete())

    def preview(self, most: int = 5) -> list[datetime]:
        """The next instants of the definition as of the call, paused or not."""
        return self._handle.preview(most)

    def __repr__(self) -> str:
        return f"<SyncScheduleHandle {self.key!r} {self.when!r} {self.tz}>"
