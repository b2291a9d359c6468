"""What Flowli raises. It knows codes and the data a caller may act on; it refuses to know payloads.

A message says what was wrong, with which job, and what to do. It never holds an input, a meta, a result or a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from flowli.driver import Enqueued
    from flowli.records import JobError, JobRecord

__all__ = [
    "DefinitionError",
    "DriverClosed",
    "DriverError",
    "DriverUnavailable",
    "EnqueueUnknown",
    "FlowliError",
    "JobCancelledError",
    "JobExistsError",
    "JobFailedError",
    "JobNotFoundError",
    "JobTimeoutError",
    "LimitExceeded",
    "NotDurable",
    "QueueFull",
    "SchedulingError",
    "StrategyError",
    "ValidationError",
]


class FlowliError(Exception):
    """The base of everything Flowli raises. ``code`` is stable: ``FLOWLI_`` and the class name in upper snake case."""

    code: ClassVar[str] = "FLOWLI_ERROR"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "code" not in vars(cls):
            name = re.sub(r"^Flowli", "", cls.__name__)
            cls.code = "FLOWLI_" + re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.args, dict(vars(self)))


def _again(kind: type[FlowliError], args: tuple[Any, ...], state: dict[str, Any]) -> FlowliError:
    """An error on the other side of a pickle: its constructor may want more than its text."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class DefinitionError(FlowliError):
    """A job, a runtime or an option is declared wrongly: the caller's source has to change."""


class ValidationError(FlowliError, ValueError):
    """An input, a meta or an option does not validate.

    ``issues`` holds one mapping for each finding, with ``loc`` (a tuple that begins with ``input`` or ``meta``, in
    `enqueue_many` followed by the index), ``type`` and ``msg``; never the value that was refused.
    """

    def __init__(self, message: str, *, issues: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.issues: tuple[Mapping[str, Any], ...] = tuple(issues)


class LimitExceeded(ValidationError):
    """Something is larger than its limit: a payload, a batch. ``limit`` and ``size`` are in bytes, levels or items."""

    def __init__(self, message: str, *, limit: int, size: int) -> None:
        super().__init__(message)
        self.limit = limit
        self.size = size


class StrategyError(FlowliError):
    """This call cannot be made here: no driver, no open lifespan, a running event loop, a runner already started."""


class SchedulingError(FlowliError, ValueError):
    """A ``when`` or a ``tz`` of a schedule cannot be understood, or never comes."""


class DriverError(FlowliError):
    """The base of what crosses the driver boundary."""


class DriverUnavailable(DriverError):
    """The store could not be reached.

    To a caller of `enqueue` it means that nothing was written. Between driver and core, ``maybe_written`` says that the
    reply of a write was lost; core repeats such a call and raises `EnqueueUnknown` where it cannot.
    """

    def __init__(self, message: str, *, maybe_written: bool = False) -> None:
        super().__init__(message)
        self.maybe_written = maybe_written


class EnqueueUnknown(DriverError):
    """The reply to an enqueue was lost: the jobs may be stored. Repeat the call with the same ids (``job_ids``)."""

    def __init__(self, message: str, *, job_ids: Sequence[str]) -> None:
        super().__init__(message)
        self.job_ids: tuple[str, ...] = tuple(job_ids)


class DriverClosed(DriverError):
    """The driver was closed, or this process is a fork of the one that opened it."""


class QueueFull(DriverError):
    """The store is out of memory and refuses new jobs. What is stored already goes on being executed."""


class NotDurable(DriverError):
    """Too few replicas or disks confirmed in time. The jobs are stored; repeating the call is safe, and waits again.

    ``outcomes`` says of each job of the call what `enqueue` would have returned; ``job_ids`` are their ids.
    """

    def __init__(self, message: str, *, outcomes: Sequence[Enqueued]) -> None:
        super().__init__(message)
        self.outcomes: tuple[Enqueued, ...] = tuple(outcomes)

    @property
    def job_ids(self) -> tuple[str, ...]:
        return tuple([outcome.id for outcome in self.outcomes])

    def part(self, begin: int, end: int) -> NotDurable:
        """What one of several callers is told whose jobs were stored by one call: of jobs ``begin`` to ``end`` - 1."""
        return NotDurable(*self.args, outcomes=self.outcomes[begin:end])


class JobExistsError(FlowliError):
    """A unique key was held, and the call said ``on_conflict="raise"``. ``job_ids`` are the jobs that hold it."""

    def __init__(self, message: str, *, job_ids: Sequence[str]) -> None:
        super().__init__(message)
        self.job_ids: tuple[str, ...] = tuple(job_ids)


class JobFailedError(FlowliError):
    """The job failed for good. ``error`` says how, as text; ``record`` is what was kept."""

    def __init__(self, message: str, *, error: JobError, record: JobRecord) -> None:
        super().__init__(message)
        self.error = error
        self.record = record


class JobCancelledError(FlowliError):
    """The job was cancelled before it completed."""


class JobTimeoutError(FlowliError, TimeoutError):
    """The attempt took longer than its ``timeout``, or was silent for longer than its ``heartbeat``."""

    code: ClassVar[str] = "FLOWLI_TIMEOUT"


class JobNotFoundError(FlowliError, LookupError):
    """The store has no record of this job: it never had one, its retention has passed, or nothing was to be kept."""
