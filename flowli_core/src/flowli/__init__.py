"""Flowli: a typed jobs runtime. Define a job once, choose at each call how it is executed."""

from __future__ import annotations

from flowli.attempt import Attempt, Cancel, Retry, Snooze, current_attempt
from flowli.backoff import Backoff
from flowli.bound import BoundJob
from flowli.context import ContextSource
from flowli.declared import Schedule
from flowli.errors import (
    DefinitionError,
    DriverClosed,
    DriverError,
    DriverUnavailable,
    EnqueueUnknown,
    FlowliError,
    JobCancelledError,
    JobFailedError,
    JobNotFoundError,
    JobTimeoutError,
    LimitExceeded,
    NotDurable,
    QueueFull,
    SchedulingError,
    StrategyError,
    ValidationError,
)
from flowli.handles import JobHandle, ScheduleHandle
from flowli.job import Job, job
from flowli.limits import Limits
from flowli.options import CallOptions, Defaults
from flowli.rules import ScheduleOptions
from flowli.runner import Runner
from flowli.runtime import Flowli
from flowli.sync import SyncBoundJob, SyncJobHandle
from flowli.unique import Unique

__all__ = [
    "Attempt",
    "Backoff",
    "BoundJob",
    "CallOptions",
    "Cancel",
    "ContextSource",
    "Defaults",
    "DefinitionError",
    "DriverClosed",
    "DriverError",
    "DriverUnavailable",
    "EnqueueUnknown",
    "Flowli",
    "FlowliError",
    "Job",
    "JobCancelledError",
    "JobFailedError",
    "JobHandle",
    "JobNotFoundError",
    "JobTimeoutError",
    "LimitExceeded",
    "Limits",
    "NotDurable",
    "QueueFull",
    "Retry",
    "Runner",
    "Schedule",
    "ScheduleHandle",
    "ScheduleOptions",
    "SchedulingError",
    "Snooze",
    "StrategyError",
    "SyncBoundJob",
    "SyncJobHandle",
    "Unique",
    "ValidationError",
    "current_attempt",
    "job",
]
