"""What the JSON of each command has to look like, exactly."""

from __future__ import annotations

import json
from typing import Any

from pydantic import AwareDatetime, ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

__all__ = ["Act", "Answer", "Counts", "Definition", "Explanation", "Record", "valid"]

_STRICT = with_config(ConfigDict(extra="forbid", strict=True))


@_STRICT
class Error(TypedDict):
    type: str
    message: str
    code: str | None
    traceback: str | None


@_STRICT
class Record(TypedDict):
    id: str
    name: str
    queue: str
    state: str
    priority: int
    attempts_made: int
    failures: int
    deliveries: int
    max_attempts: int
    token: int
    created_at: AwareDatetime | None
    scheduled_for: AwareDatetime | None
    start_by: AwareDatetime | None
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    lease_until: AwareDatetime | None
    expires_at: AwareDatetime | None
    waiting_for: str | None
    reason: str | None
    error: Error | None
    schedule_key: str | None
    parents: list[str]
    unique_key: str | None
    replays: int
    replay_id: str | None
    input: Any
    meta: Any
    result: Any


@_STRICT
class Reason(TypedDict):
    cause: str
    text: str
    until: AwareDatetime | None
    ids: list[str]


@_STRICT
class Explanation(TypedDict):
    id: str
    state: str
    reasons: list[Reason]


@_STRICT
class Definition(TypedDict):
    name: str
    description: str | None
    tags: list[str]
    queue: str
    priority: int
    max_attempts: int
    timeout_ms: int | None
    heartbeat_ms: int | None
    is_async: bool
    takes_ctx: bool
    input_schema: dict[str, Any] | None
    meta_schema: dict[str, Any] | None


@_STRICT
class Queue(TypedDict):
    queue: str
    scheduled: int
    queued: int
    active: int
    completed: int
    failed: int
    cancelled: int
    oldest_ms: int | None


@_STRICT
class Counts(TypedDict):
    queues: list[Queue]
    schedules: int
    runners: int


@_STRICT
class Act(TypedDict):
    id: str
    at: AwareDatetime
    by: str
    deed: str
    ids: list[str]
    where: str | None
    schedule: str | None
    edited: bool
    rate: str | None
    asked: int
    done: int
    is_over: bool


@_STRICT
class Answer(TypedDict):
    asked: int
    done: int
    not_done: list[str]


def valid(schema: Any, line: str) -> Any:
    """The JSON of a line, which has to be of this schema."""
    TypeAdapter[Any](schema).validate_json(line)
    return json.loads(line)
