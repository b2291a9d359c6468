"""What a step of a chain has from the steps before it: their results or how they ended, as the JSON of its input.

It knows records that have ended. It refuses to know how they are read, and to validate what they left.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from pydantic_core import to_json

from flowli.driver import State, StoredJob
from flowli.reading import read_job
from flowli.records import FailureReason, JobError, JobRecord
from flowli.wire import Gather

__all__ = ["Broken", "How", "inherit"]


class How(Enum):
    """Why a step cannot have its input."""

    RUNNING = "running"
    """A parent is not over."""
    FAILED = "failed"
    CANCELLED = "cancelled"


class Broken(NamedTuple):
    """There is no input; ``why`` says it to the user."""

    how: How
    why: str = ""


def inherit(gather: Gather, ids: Sequence[str], found: Sequence[StoredJob | None]) -> bytes | Broken:
    """The JSON of the input, from the records of all parents in their order; None stands for one that is gone."""
    records: list[JobRecord] = []
    for id, stored in zip(ids, found, strict=True):
        if stored is None:
            return Broken(How.FAILED, f"The record of the step before it ({id}) is gone. Enqueue the chain again.")
        records.append(read_job(stored))
    if not all(record.state.is_terminal for record in records):
        return Broken(How.RUNNING)
    if gather.is_of_outcomes:
        pieces = [_outcome(record) for record in records]
    else:
        broken = _first_broken(records)
        if broken is not None:
            return broken
        pieces = [record.result_json or b"null" for record in records]
    return b"[%b]" % b",".join(pieces) if gather.is_list else pieces[0]


def _first_broken(records: Sequence[JobRecord]) -> Broken | None:
    """A failure if there is one, else a cancellation."""
    for record in records:
        if record.state is State.FAILED:
            return Broken(How.FAILED, _cause(record, "failed"))
    for record in records:
        if record.state is State.CANCELLED:
            return Broken(How.CANCELLED, _cause(record, "was cancelled"))
    return None


def _cause(record: JobRecord, how: str) -> str:
    """What happened to a step; where that was a step before it, what happened to that one."""
    error = record.error or JobError(type="", message="")
    if record.reason is FailureReason.PARENT or error.message.startswith(_BEFORE):
        return error.message
    text = ": ".join(piece for piece in (error.type, error.message) if piece)
    return f"{_BEFORE} {record.name!r} ({record.id}) {how}" + (f": {text}" if text else ".")


_BEFORE = "The step before it,"


def _outcome(record: JobRecord) -> bytes:
    error = None
    if record.state is not State.COMPLETED and record.error is not None:
        error = {"type": record.error.type, "message": record.error.message, "code": record.error.code}
    front = to_json({"job_id": record.id, "name": record.name, "state": record.state, "error": error})
    return front[:-1] + b',"result":%b}' % (record.result_json or b"null")
