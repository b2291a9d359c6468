"""What the store keeps, as users see it: typed, immutable, free of any driver's form.

It knows fields and their meaning. How they are written is `flowli.wire`'s; payloads never appear in a ``repr``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, Literal, TypeVar, overload

from flowli.driver import Disposition, State

__all__ = [
    "ActRecord",
    "Disposition",
    "FailureReason",
    "JobError",
    "JobRecord",
    "LimitRecord",
    "Page",
    "PauseRecord",
    "Progress",
    "QueueCounts",
    "QueueRecord",
    "RunnerRecord",
    "ScheduleRecord",
    "ScheduleRun",
    "State",
    "Tally",
    "WaitingFor",
]

T = TypeVar("T")


class WaitingFor(StrEnum):
    """Why a record is ``scheduled``."""

    DUE = "due"
    """It was delayed, or raised `Snooze`, and its instant has not come."""
    RETRY = "retry"
    """An attempt failed; the backoff runs."""
    RUNNER = "runner"
    """Parked: no runner so far knew its name or could read it."""
    PARENTS = "parents"
    """A step before it in its chain has not ended."""
    LIMIT = "limit"
    """One of its limits lends no more at present; it is woken when there is room."""
    RESUME = "resume"
    """Its job is paused (``flowli.control.resume``)."""


class FailureReason(StrEnum):
    """Why a record is ``failed``."""

    ATTEMPTS = "attempts"
    """Its failures reached ``max_attempts``."""
    GIVEN_UP = "given_up"
    """Its last failure is of a kind that is not retried (``retry_on``, ``give_up_on``, ``retry_when``)."""
    POISON = "poison"
    """``max_deliveries`` runners were lost under it."""
    VALIDATION = "validation"
    """Its stored input or meta, or its result, does not validate; retrying could not help."""
    UNREADABLE = "unreadable"
    """It stayed in a format that no runner could read for longer than ``unknown_ttl``."""
    UNKNOWN = "unknown"
    """Its name stayed unknown to every runner for longer than ``unknown_ttl``."""
    PARENT = "parent"
    """A step before it in its chain failed, or its record is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobError:
    """An exception of a handler, as text: nothing stored is ever turned back into an exception object."""

    type: str
    """Qualified name of the exception's class."""
    message: str
    code: str | None = None
    """`FlowliError.code`, if it was one."""
    traceback: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """One persisted job, as of the read."""

    id: str
    name: str
    queue: str
    state: State
    priority: int
    attempts_made: int
    """Starts of the handler, crashed ones included."""
    failures: int
    """Attempts that ended in an exception or a time-out."""
    deliveries: int
    """Runners that were lost under it."""
    max_attempts: int
    token: int
    created_at: datetime | None
    """By the clock of the process that enqueued it."""
    scheduled_for: datetime | None = None
    """When it is, or was last, to be ready."""
    start_by: datetime | None = None
    """When it is cancelled, should nobody have started it (``expires_in``)."""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    lease_until: datetime | None = None
    """Of an active one."""
    expires_at: datetime | None = None
    """Of a terminal one."""
    waiting_for: WaitingFor | None = None
    reason: FailureReason | None = None
    error: JobError | None = None
    """The last failure; of a job that raised `Cancel`, its reason."""
    schedule_key: str | None = None
    """The schedule that made it."""
    parents: tuple[str, ...] = ()
    """Ids of the steps before it in its chain, from which it has its input."""
    unique_key: str | None = None
    """What it was or is unique by."""
    replays: int = 0
    """How often an operator had it run once more."""
    replay_id: str | None = None
    """The act that did so last (`ActRecord.id`)."""
    input_json: bytes | None = field(default=None, repr=False)
    """As stored; None in listings."""
    meta_json: bytes | None = field(default=None, repr=False)
    result_json: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a handler said of its attempt."""

    fraction: float
    """Of the work, from 0 to 1."""
    message: str
    """May be empty."""
    reported_at: datetime
    """By the store's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRun:
    """One job that a schedule made."""

    instant: datetime
    """The instant it stands for; of one that was triggered, when that was."""
    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRecord:
    """One durable recurring definition."""

    key: str
    name: str
    """Of the job."""
    when: str
    tz: str
    queue: str
    next_run_at: datetime | None
    """None for one that is paused or at its end."""
    last_run_at: datetime | None
    """The instant that was fired last."""
    last_job_id: str | None
    is_paused: bool = False
    is_declared: bool = False
    """Its definition stands in code (``schedules=`` of a runtime)."""
    runs: int = 0
    """How many jobs its instants made."""
    recent: tuple[ScheduleRun, ...] = ()
    """The last ten, the latest last."""
    waiting: int = 0
    """Instants that wait for the last job to be settled (``overlap="queue"``)."""
    jitter: timedelta = timedelta(0)
    start: datetime | None = None
    end: datetime | None = None
    limit: int | None = None
    misfire: str = "once"
    overlap: str = "allow"
    input_json: bytes | None = field(default=None, repr=False)
    meta_json: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerRecord:
    """A runner that is alive."""

    id: str
    host: str
    pid: int
    queues: tuple[str, ...] | None
    """None: every queue."""
    jobs: tuple[str, ...]
    """Names it registers."""
    alive_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRecord:
    """One key of a limit, as of the read."""

    name: str
    key: str
    """Empty for a limit without keys."""
    at_once: int | None
    """Of a `Concurrency`."""
    most: int | None
    """Of a `Rate`, in any ``per``."""
    per: timedelta | None
    held: int
    """Weights of the jobs that run."""
    used: int
    """Weights of the jobs that began within the last ``per``."""
    waiting: int
    """How many jobs are parked under it."""
    held_until: datetime | None
    """While ``flowli.control.hold`` lasts."""
    holders: tuple[str, ...]
    """Ids of jobs that run under it, up to 100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCounts:
    """How many records stand in each state, and how many schedules there are."""

    scheduled: int = 0
    queued: int = 0
    active: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    schedules: int = 0
    """Of the whole namespace, also where the counts are of one queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of an act on many jobs."""

    asked: int
    """Jobs that were named, or that matched."""
    done: int
    not_done: tuple[str, ...] = ()
    """Ids that are unknown, or did not stand as the act needs it; the first thousand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActRecord:
    """Something that an operator did, or began to do: who, when, to what."""

    id: str
    at: datetime
    """When it began, by the store's clock."""
    by: str
    deed: str
    """``replay``, ``cancel`` or ``delete`` of jobs; ``pause``, ``resume``, ``trigger`` or ``delete`` of a schedule;
    ``pause`` or ``resume`` of queues and job names."""
    ids: tuple[str, ...] = ()
    """Of the jobs that were named; the first twenty."""
    where: str | None = None
    """The filter that chose the jobs, without the values of its ``meta``; the queues or job names that were paused or
    resumed."""
    schedule: str | None = None
    """The key of a schedule."""
    edited: bool = False
    """A replay with another input than the stored one."""
    rate: str | None = None
    asked: int = 0
    """Jobs that were named or matched, so far."""
    done: int = 0
    is_over: bool = False
    """False while it is under way, and for ever if whoever did it was cut off; ``done`` may lag behind then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRecord:
    """One queue, as of the read."""

    name: str
    scheduled: int
    queued: int
    active: int
    completed: int
    failed: int
    cancelled: int
    oldest_ready_at: datetime | None
    """Since when the job that is next could have been started; None where none is ready, and for one that was handed
    back."""
    oldest_age: timedelta | None
    """The same, until now, by the store's clock."""
    is_paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRecord:
    """A queue, or a job name in all queues, of which no runner starts anything."""

    kind: Literal["queue", "job"]
    name: str
    since: datetime


class Page(Sequence[T], Generic[T]):
    """A piece of a listing: a sequence, and the ``cursor`` to pass for the next one (None at the end)."""

    __slots__ = ("_items", "cursor")

    def __init__(self, items: Sequence[T], cursor: str | None) -> None:
        self._items = tuple(items)
        self.cursor: str | None = cursor

    @overload
    def __getitem__(self, index: int, /) -> T: ...
    @overload
    def __getitem__(self, index: slice, /) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice, /) -> T | Sequence[T]:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def __repr__(self) -> str:
        return f"Page({list(self._items)!r}, cursor={self.cursor!r})"
