"""One job on one runtime, as users call it: the strategies, typed by what the handler declares.

Four overloads a strategy: no input; no input but meta; meta may be left out; meta is required. It knows signatures. It
refuses to do the work (`flowli.strategies`, `flowli.schedules`, `flowli.handler`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

from typing_extensions import Unpack

from flowli.attempt import Attempt, current
from flowli.chains import Followed
from flowli.core import Core
from flowli.durations import parse_delay
from flowli.errors import JobTimeoutError
from flowli.handler import call_handler, validate
from flowli.handles import JobHandle, Receipt, ScheduleHandle
from flowli.ids import check_id
from flowli.job import Job
from flowli.options import CallOptions
from flowli.plans import Step
from flowli.rules import ScheduleOptions
from flowli.schedules import put_schedule
from flowli.strategies import persist, persist_many

if TYPE_CHECKING:
    from flowli.sync import SyncBoundJob

__all__ = ["BoundJob", "Delay"]

_I = TypeVar("_I")
_M = TypeVar("_M")
_R = TypeVar("_R")
_I_contra = TypeVar("_I_contra", contravariant=True)
_M_contra = TypeVar("_M_contra", contravariant=True)
_R_co = TypeVar("_R_co", covariant=True)

Delay: TypeAlias = str | timedelta | datetime
"""How long to wait (``"10m"``, ``timedelta``), or until when (an aware ``datetime``)."""


class BoundJob(Followed[_I_contra, _M_contra, _R_co]):
    """One job on one runtime: ``run``, ``enqueue``, ``delay``, ``schedule``, and ``then`` and ``map`` for chains. Its
    input and meta are validated before anything is executed or stored (ValidationError)."""

    __slots__ = ("_core", "_job")

    def __init__(self, core: Core, job: Job[Any, _I_contra, _M_contra, _R_co]) -> None:
        self._core = core
        self._job = job

    @property
    def job(self) -> Job[Any, _I_contra, _M_contra, _R_co]:
        """The definition."""
        return self._job

    @overload
    async def run(self: BoundJob[None, None, _R], /) -> _R: ...
    @overload
    async def run(self: BoundJob[None, _M, _R], /, *, meta: _M) -> _R: ...
    @overload
    async def run(self: BoundJob[_I, None, _R], input: _I, /) -> _R: ...
    @overload
    async def run(self, input: _I_contra, /, *, meta: _M_contra) -> _R_co: ...
    async def run(self: BoundJob[Any, Any, Any], input: Any = None, /, *, meta: Any = None) -> Any:
        """Run in this process: validate, resolve the context, call the handler; its result, or its own exception.

        No store, no retry, no runner events. Raises JobTimeoutError when the job's ``timeout`` passes.
        """
        data, checked = validate(self._job, input, meta)
        return await _run_here(self._core, self._job, data, checked)

    @overload
    async def enqueue(self: BoundJob[None, None, _R], /, **options: Unpack[CallOptions]) -> JobHandle[_R]: ...
    @overload
    async def enqueue(
        self: BoundJob[None, _M, _R], /, *, meta: _M, **options: Unpack[CallOptions]
    ) -> JobHandle[_R]: ...
    @overload
    async def enqueue(self: BoundJob[_I, None, _R], input: _I, /, **options: Unpack[CallOptions]) -> JobHandle[_R]: ...
    @overload
    async def enqueue(
        self, input: _I_contra, /, *, meta: _M_contra, **options: Unpack[CallOptions]
    ) -> JobHandle[_R_co]: ...
    async def enqueue(
        self: BoundJob[Any, Any, Any], input: Any = None, /, *, meta: Any = None, **options: Unpack[CallOptions]
    ) -> Any:
        """Store it, to be executed as soon as a runner is free.

        Raises DriverUnavailable (nothing was written), EnqueueUnknown (repeat with the same id), QueueFull.
        """
        return await persist(self._core, self._job, input, meta, options, strategy="enqueue")

    @overload
    async def enqueue_many(
        self: BoundJob[_I, None, _R],
        inputs: Iterable[_I],
        /,
        *,
        ids: Sequence[str] | None = None,
        **options: Unpack[CallOptions],
    ) -> list[JobHandle[_R]]: ...
    @overload
    async def enqueue_many(
        self,
        inputs: Iterable[_I_contra],
        /,
        *,
        meta: _M_contra,
        ids: Sequence[str] | None = None,
        **options: Unpack[CallOptions],
    ) -> list[JobHandle[_R_co]]: ...
    async def enqueue_many(
        self: BoundJob[Any, Any, Any],
        inputs: Iterable[Any],
        /,
        *,
        meta: Any = None,
        ids: Sequence[str] | None = None,
        **options: Unpack[CallOptions],
    ) -> Any:
        """Store many in one round trip per batch; a handle for each input, in order. One invalid item refuses the whole
        batch, its index in ``.issues``. ``meta`` and options hold for all of them; ``ids`` has one for each input."""
        return await persist_many(self._core, self._job, inputs, meta, ids, options)

    @overload
    async def delay(
        self: BoundJob[None, None, _R], delay: Delay, /, **options: Unpack[CallOptions]
    ) -> JobHandle[_R]: ...
    @overload
    async def delay(
        self: BoundJob[None, _M, _R], delay: Delay, /, *, meta: _M, **options: Unpack[CallOptions]
    ) -> JobHandle[_R]: ...
    @overload
    async def delay(
        self: BoundJob[_I, None, _R], delay: Delay, input: _I, /, **options: Unpack[CallOptions]
    ) -> JobHandle[_R]: ...
    @overload
    async def delay(
        self, delay: Delay, input: _I_contra, /, *, meta: _M_contra, **options: Unpack[CallOptions]
    ) -> JobHandle[_R_co]: ...
    async def delay(
        self: BoundJob[Any, Any, Any],
        delay: Delay,
        input: Any = None,
        /,
        *,
        meta: Any = None,
        **options: Unpack[CallOptions],
    ) -> Any:
        """Store it, to be executed when ``delay`` has passed: ``"10m"``, a ``timedelta``, or an aware ``datetime``."""
        when = parse_delay(delay)
        return await persist(self._core, self._job, input, meta, options, strategy="delay", when=when)

    @overload
    async def schedule(
        self: BoundJob[None, None, _R],
        when: str | timedelta,
        /,
        *,
        key: str | None = None,
        tz: str = "UTC",
        **options: Unpack[ScheduleOptions],
    ) -> ScheduleHandle: ...
    @overload
    async def schedule(
        self: BoundJob[None, _M, _R],
        when: str | timedelta,
        /,
        *,
        meta: _M,
        key: str | None = None,
        tz: str = "UTC",
        **options: Unpack[ScheduleOptions],
    ) -> ScheduleHandle: ...
    @overload
    async def schedule(
        self: BoundJob[_I, None, _R],
        when: str | timedelta,
        input: _I,
        /,
        *,
        key: str | None = None,
        tz: str = "UTC",
        **options: Unpack[ScheduleOptions],
    ) -> ScheduleHandle: ...
    @overload
    async def schedule(
        self,
        when: str | timedelta,
        input: _I_contra,
        /,
        *,
        meta: _M_contra,
        key: str | None = None,
        tz: str = "UTC",
        **options: Unpack[ScheduleOptions],
    ) -> ScheduleHandle: ...
    async def schedule(
        self: BoundJob[Any, Any, Any],
        when: str | timedelta,
        input: Any = None,
        /,
        *,
        meta: Any = None,
        key: str | None = None,
        tz: str = "UTC",
        **options: Unpack[ScheduleOptions],
    ) -> Any:
        """Store a recurring definition: cron fields (five, or six with seconds first), ``@daily`` and its kin, or an
        interval.

        ``key`` names it: the same key again updates. Without one it is derived from job, ``when``, ``tz`` and input.
        `ScheduleOptions` bound it and say what becomes of missed and of overlapping instants. Raises SchedulingError
        for what cannot be understood or never comes.
        """
        return await put_schedule(self._core, self._job, when, input, meta, key=key, tz=tz, given=options)

    def _steps(self) -> Step:
        return Step(self, {})

    def handle(self, id: str, /) -> JobHandle[_R_co]:
        """A handle back from an id; no I/O, and no check that there is such a job."""
        return JobHandle(self._core, self._job, check_id(id), Receipt())

    @property
    def sync(self) -> SyncBoundJob[_I_contra, _M_contra, _R_co]:
        """The same for code without an event loop: scripts, WSGI applications."""
        from flowli.sync import SyncBoundJob

        return SyncBoundJob(self)

    def __repr__(self) -> str:
        return f"<BoundJob {self._job.name!r} on {self._core.name}>"


async def _run_here(core: Core, job: Job[Any, Any, Any, Any], input: Any, meta: Any) -> Any:
    timeout = core.plan(job).options.timeout
    attempt = Attempt(job_id=None, name=job.name, number=1, token=None, deadline=_deadline(timeout), flowli=core.flowli)
    reset = current.set(lambda: attempt)
    limit = asyncio.timeout(None if timeout is None else timeout / 1000)
    try:
        async with limit:
            return await call_handler(job, input, meta, context=core.context)
    except TimeoutError:
        if timeout is None or not limit.expired():
            raise
        raise JobTimeoutError(f"Job {job.name!r}: its timeout of {timeout / 1000:g}s passed.") from None
    finally:
        current.reset(reset)


def _deadline(timeout: int | None) -> datetime | None:
    return None if timeout is None else datetime.now(UTC) + timedelta(milliseconds=timeout)
