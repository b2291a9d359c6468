"""Knows how jobs of a state are listed piece by piece while they come and go. Refuses to know what a reader filters."""

from __future__ import annotations

import re
from collections.abc import Iterable
from heapq import nsmallest
from typing import TypeAlias

from flowli.driver import Slice, State, StoredJob
from flowli_memory.shelves import Job, Shelf

__all__ = ["page"]

_Place: TypeAlias = tuple[int, int, int]
"""Where a job stands in a listing; it does not change for as long as the job stays in its state."""

_CURSOR = re.compile(r"([a-z]+):(-?[0-9]{1,2}):([0-9]{1,20}):([0-9]{1,20})")


def page(shelves: Iterable[Shelf], state: State, limit: int, cursor: str | None) -> Slice[StoredJob]:
    """The ``limit`` jobs behind ``cursor``."""
    if limit < 1:
        raise ValueError(f"a listing has at least one item; limit was {limit}")
    after = None if cursor is None else _read(cursor, state)
    jobs = (job for shelf in shelves for job in shelf if after is None or _place(job) > after)
    found = nsmallest(limit + 1, jobs, key=_place)
    items = [job.stored(with_body=False) for job in found[:limit]]
    return Slice(items, _write(state, _place(found[limit - 1])) if len(found) > limit else None)


def _place(job: Job) -> _Place:
    if job.shelf.state is State.ACTIVE:
        return (0, 0, job.token)
    rank, instant, order, _ = job.entry
    return (rank, instant, order)


def _write(state: State, place: _Place) -> str:
    return f"{state.value}:{place[0]}:{place[1]}:{place[2]}"


def _read(cursor: str, state: State) -> _Place:
    match = _CURSOR.fullmatch(cursor)
    if match is None or match[1] != state.value:
        raise ValueError(
            f"the cursor is not one that this store made for {state.value} jobs; begin again without a cursor"
        )
    return (int(match[2]), int(match[3]), int(match[4]))
