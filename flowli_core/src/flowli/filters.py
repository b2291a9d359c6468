"""Which jobs an operator means: a filter over what a listing shows, and over meta where it is asked for.

It knows how a record is compared with it. It refuses to act.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic_core import SchemaValidator, core_schema, to_jsonable_python

from flowli.driver import Driver, Slice, State, StoredJob
from flowli.durations import instant_to_millis
from flowli.errors import ValidationError
from flowli.ids import check_name
from flowli.job import Job
from flowli.reading import read_job
from flowli.records import FailureReason, JobRecord
from flowli.repeat import repeat
from flowli.settle import name_of
from flowli.wire import split_body

__all__ = ["JobFilter", "find_jobs"]

_AT_ONCE = 500
_OBJECT = SchemaValidator(core_schema.dict_schema(keys_schema=core_schema.str_schema()))


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Jobs of one state for which everything holds that is given. Without anything: every failed job.

    ValidationError for what cannot be meant, such as an instant without a time zone.
    """

    state: State | str = State.FAILED
    job: str | None = None
    """Its name."""
    queue: str | None = None
    tag: str | None = None
    """Of the definition, in the runtime that asks: a job that is not registered there has none."""
    reason: FailureReason | str | None = None
    error: type[BaseException] | str | None = None
    """The class of the last failure, no subclass of it: itself, its qualified name, or its last word."""
    message: str | None = None
    """A part of the last failure's text."""
    after: datetime | None = None
    """It ended at this instant or later; one that has not ended was enqueued then."""
    before: datetime | None = None
    """It ended, or was enqueued, before this instant."""
    meta: Mapping[str, object] | None = None
    """Fields of the stored meta, by their names in JSON, and their values. Bodies are read for it."""

    def __post_init__(self) -> None:
        for name, kind in (("state", State), ("reason", FailureReason)):
            value = getattr(self, name)
            if value is not None and value not in list(kind):
                raise ValidationError(f"JobFilter({name}=...) is one of {', '.join(kind)}.")
        for name in ("after", "before"):
            if (instant := getattr(self, name)) is not None:
                instant_to_millis(instant, what=f"JobFilter({name}=...)")
        if self.queue is not None:
            check_name(self.queue)
        if isinstance(self.job, Job):
            raise ValidationError("JobFilter(job=...) is the name of a job: pass its .name.")

    def __str__(self) -> str:
        """For the record of an act: what was asked for, without the values of meta."""
        names = ("queue", "job", "tag", "reason", "message")
        said = [f"state={State(self.state).value}"]
        said += [f"{name}={value}" for name in names if (value := getattr(self, name)) is not None]
        if self.error is not None:
            said.append(f"error={_error(self.error)}")
        said += [f"{name}={at.isoformat()}" for name in ("after", "before") if (at := getattr(self, name)) is not None]
        said += [f"meta.{key}" for key in self.meta or ()]
        return " ".join(said)


def _error(error: type[BaseException] | str) -> str:
    return error if isinstance(error, str) else name_of(error)


def _holds(where: JobFilter, jobs: Mapping[str, Job[Any, Any, Any, Any]]) -> Callable[[JobRecord], bool]:
    error = None if where.error is None else _error(where.error)

    def holds(record: JobRecord) -> bool:
        at = record.finished_at or record.created_at
        return (
            (where.job is None or record.name == where.job)
            and (where.tag is None or _has_tag(jobs.get(record.name), where.tag))
            and (where.reason is None or record.reason == where.reason)
            and (error is None or _is_of(record, error))
            and (where.message is None or (record.error is not None and where.message in record.error.message))
            and (where.after is None or (at is not None and at >= where.after))
            and (where.before is None or (at is not None and at < where.before))
        )

    return holds


def _has_tag(job: Job[Any, Any, Any, Any] | None, tag: str) -> bool:
    return job is not None and tag in job.tags


def _is_of(record: JobRecord, error: str) -> bool:
    return record.error is not None and f".{record.error.type}".endswith(f".{error}")


def _has_meta(stored: StoredJob, wanted: Mapping[str, object]) -> bool:
    _, meta_json = split_body(stored.body or b"")
    try:
        meta: Mapping[str, Any] = _OBJECT.validate_json(meta_json or b"")
    except ValueError:
        return False
    return all(key in meta and meta[key] == value for key, value in wanted.items())


async def find_jobs(
    driver: Driver,
    jobs: Mapping[str, Job[Any, Any, Any, Any]],
    where: JobFilter,
    *,
    limit: int,
    cursor: str | None,
) -> Slice[StoredJob]:
    """The next ``limit`` jobs that match, without bodies; as much of the listing is read as that takes."""
    holds, found = _holds(where, jobs), list[StoredJob]()
    while True:
        page, hits = await _page(driver, where, holds, _AT_ONCE, cursor)
        room = limit - len(found)
        if len(hits) > room:  # once more, to stop behind the last one that there is room for
            page, hits = await _page(driver, where, holds, hits[room - 1][0] + 1, cursor)
        found += [stored for _, stored in hits]
        cursor = page.cursor
        if cursor is None or len(found) >= limit:
            return Slice(found, cursor)


async def _page(
    driver: Driver, where: JobFilter, holds: Callable[[JobRecord], bool], limit: int, cursor: str | None
) -> tuple[Slice[StoredJob], list[tuple[int, StoredJob]]]:
    """A piece of the listing, and what matches of it, each with its place there."""
    state = State(where.state)
    page = await repeat(lambda: driver.list_jobs(state, queue=where.queue, limit=limit, cursor=cursor))
    hits = [(at, stored) for at, stored in enumerate(page.items) if holds(read_job(stored))]
    if where.meta is None or not hits:
        return page, hits
    wanted = to_jsonable_python(dict(where.meta))
    bodies = await repeat(lambda: driver.get_jobs([stored.id for _, stored in hits]))
    return page, [
        (at, replace(whole, body=None))
        for (at, stored), whole in zip(hits, bodies, strict=True)
        if whole is not None and (whole.state, whole.token) == (stored.state, stored.token) and _has_meta(whole, wanted)
    ]
