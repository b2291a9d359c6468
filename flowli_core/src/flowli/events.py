"""What a runner tells its listeners. A listener for a class gets that class and all below it: `RunnerEvent` gets
everything.

It refuses to know who emits them: an event says what was written to the store, except `JobStarted`. Where the reply to
the end of a job was lost, and nothing of the job is kept any more when it is sent again, that counts as written: two
runners may then both tell of one job that the first lost to the second, and none is told of by nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

from flowli.records import FailureReason

__all__ = [
    "JobCancelled",
    "JobCompleted",
    "JobFailed",
    "JobParked",
    "JobRetryScheduled",
    "JobSnoozed",
    "JobStarted",
    "LeaseRecovered",
    "RunnerEvent",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerEvent:
    """Something happened to a job on this runner."""

    job_id: str
    job_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStarted(RunnerEvent):
    """A handler is about to be called."""

    attempt: int
    wait_s: float
    """Seconds since the job could have been started; 0 for one that was handed back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCompleted(RunnerEvent):
    """The result was written."""

    attempt: int
    run_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailed(RunnerEvent):
    """An attempt failed; with ``final`` the job is in the state ``failed``, and ``reason`` says why."""

    error: BaseException
    attempt: int
    final: bool
    reason: FailureReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRetryScheduled(RunnerEvent):
    """After a `JobFailed` that is not final."""

    attempt: int
    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSnoozed(RunnerEvent):
    """The handler raised `Snooze`; it is called again after ``wait_s`` seconds."""

    attempt: int
    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCancelled(RunnerEvent):
    """The handler raised `Cancel`, somebody asked for it while the job was running, or it was not started in time
    (``expires_in``)."""

    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobParked(RunnerEvent):
    """This runner does not know the job's name or cannot read its record; it waits for one that can."""

    why: str
    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRecovered(RunnerEvent):
    """A lease lapsed, and this runner handed the job back to its queue."""

    deliveries: int
