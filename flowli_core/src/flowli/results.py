"""Results of many jobs at once: `gather` for their results, `settled` for how each ended.

It knows handles and the order that callers gave them in. It refuses to know what a stored result means
(`flowli.handles`) and how a wait is woken (`flowli.outcomes`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeAlias, TypeVar, overload

from flowli.chains import Outcome
from flowli.core import Core
from flowli.driver import State, StoredJob
from flowli.durations import parse_timeout
from flowli.handles import JobHandle, awaited, result_of
from flowli.job import Job
from flowli.reading import read_job
from flowli.repeat import repeat

__all__ = ["gather", "settled"]

_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")
_D = TypeVar("_D")
_E = TypeVar("_E")
_R = TypeVar("_R")

_Timeout: TypeAlias = float | timedelta | str | None
_Read: TypeAlias = Callable[[Job[Any, Any, Any, Any], str, StoredJob | None], Any]


@overload
async def gather(a: JobHandle[_A], b: JobHandle[_B], /, *, timeout: _Timeout = None) -> tuple[_A, _B]: ...
@overload
async def gather(
    a: JobHandle[_A], b: JobHandle[_B], c: JobHandle[_C], /, *, timeout: _Timeout = None
) -> tuple[_A, _B, _C]: ...
@overload
async def gather(
    a: JobHandle[_A], b: JobHandle[_B], c: JobHandle[_C], d: JobHandle[_D], /, *, timeout: _Timeout = None
) -> tuple[_A, _B, _C, _D]: ...
@overload
async def gather(
    a: JobHandle[_A],
    b: JobHandle[_B],
    c: JobHandle[_C],
    d: JobHandle[_D],
    e: JobHandle[_E],
    /,
    *,
    timeout: _Timeout = None,
) -> tuple[_A, _B, _C, _D, _E]: ...
@overload
async def gather(*handles: JobHandle[_R], timeout: _Timeout = None) -> tuple[_R, ...]: ...
async def gather(*handles: JobHandle[Any], timeout: _Timeout = None) -> tuple[Any, ...]:
    """The results of jobs, in the order of their handles, which may be of several runtimes.

    One wait serves all. The first job that is known not to have completed ends it with the error of its
    `JobHandle.result`; the others go on. When ``timeout`` passes TimeoutError is raised, and all of them go on.
    """
    return tuple(await _all(handles, parse_timeout(timeout), result_of))


@overload
async def settled(
    a: JobHandle[_A], b: JobHandle[_B], /, *, timeout: _Timeout = None
) -> tuple[Outcome[_A], Outcome[_B]]: ...
@overload
async def settled(
    a: JobHandle[_A], b: JobHandle[_B], c: JobHandle[_C], /, *, timeout: _Timeout = None
) -> tuple[Outcome[_A], Outcome[_B], Outcome[_C]]: ...
@overload
async def settled(*handles: JobHandle[_R], timeout: _Timeout = None) -> tuple[Outcome[_R], ...]: ...
async def settled(*handles: JobHandle[Any], timeout: _Timeout = None) -> tuple[Outcome[Any], ...]:
    """How each job ended, in the order of their handles: waits for all, and raises for none that failed.

    Raises JobNotFoundError for a job of which there is no record, and TimeoutError as `gather` does.
    """
    return tuple(await _all(handles, parse_timeout(timeout), _outcome))


def _outcome(job: Job[Any, Any, Any, Any], id: str, stored: StoredJob | None) -> Outcome[Any]:
    if stored is None or stored.state is State.COMPLETED:
        return Outcome(job_id=id, name=job.name, state=State.COMPLETED, result=result_of(job, id, stored))
    record = read_job(stored)
    return Outcome(job_id=id, name=job.name, state=record.state, error=record.error)


async def _all(handles: Sequence[JobHandle[Any]], limit: float | None, read: _Read) -> list[Any]:
    places = [awaited(handle) for handle in handles]
    if limit == 0:
        return await _at_once(places, read)
    tasks = [asyncio.create_task(_one(*place, read), name="flowli-gather") for place in places]
    try:
        if tasks:
            await asyncio.wait(tasks, timeout=limit, return_when=asyncio.FIRST_EXCEPTION)
        ended = [task for task in tasks if task.done()]
        results = [task.result() for task in ended]  # the first error in the order of the handles
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if len(ended) < len(tasks):
        raise _late(len(tasks) - len(ended), len(tasks), limit)
    return results


async def _one(core: Core, job: Job[Any, Any, Any, Any], id: str, read: _Read) -> Any:
    driver = await core.driver("gather()")
    return read(job, id, await core.watches.here().outcome(driver, id))


async def _at_once(places: Sequence[tuple[Core, Job[Any, Any, Any, Any], str]], read: _Read) -> list[Any]:
    """Asks each store once: a wait of no time would be over before the question."""
    ids: dict[Core, list[str]] = {}
    for core, _, id in places:
        ids.setdefault(core, []).append(id)
    found = {core: await _found(core, asked) for core, asked in ids.items()}
    known = [(job, id, found[core][id]) for core, job, id in places if id in found[core]]
    results = [read(*one) for one in known]
    if len(known) < len(places):
        raise _late(len(places) - len(known), len(places), 0)
    return results


async def _found(core: Core, ids: Sequence[str]) -> dict[str, StoredJob | None]:
    driver = await core.driver("gather()")
    return dict(await repeat(lambda: driver.outcomes(ids)))


def _late(waiting: int, number: int, limit: float | None) -> TimeoutError:
    return TimeoutError(f"{waiting} of {number} jobs did not end within {limit or 0:g}s. They go on.")
