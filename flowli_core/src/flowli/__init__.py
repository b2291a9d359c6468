"""Flowli: a typed jobs runtime. Define a job once, choose at each call how it is executed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from flowli.portal import close_sync
from flowli.rules import ScheduleOptions
from flowli.runtime import Flowli
from flowli.sync import SyncBoundJob
from flowli.sync_handles import SyncJobHandle, SyncScheduleHandle
from flowli.unique import Unique

if TYPE_CHECKING:
    from flowli.runner import Runner

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
    "SyncScheduleHandle",
    "Unique",
    "ValidationError",
    "close_sync",
    "current_attempt",
    "job",
]


def __getattr__(name: str) -> Any:
    """`Runner` is loaded when it is first asked for: whoever only enqueues is spared it."""
    if name != "Runner":
        raise AttributeError(f"module 'flowli' has no attribute '{name}'")
    from flowli.runner import Runner

    return Runner
