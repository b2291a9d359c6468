"""The strategies for code without an event loop: the forms of `flowli.bound`, blocking, and as exactly typed.

It knows signatures. It refuses to know threads and loops (`flowli.portal`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from typing_extensions import Unpack

from flowli.options import CallOptions
from flowli.portal import call
from flowli.rules import ScheduleOptions
from flowli.sync_handles import SyncJobHandle, SyncScheduleHandle

if TYPE_CHECKING:
    from flowli.bound import BoundJob, Delay
    from flowli.chains import Chain

__all__ = ["SyncBoundJob", "SyncChain"]

_T = TypeVar("_T")
_I = TypeVar("_I")
_M = TypeVar("_M")
_R = TypeVar("_R")
_I_contra = TypeVar("_I_contra", contravariant=True)
_M_contra = TypeVar("_M_contra", contravariant=True)
_R_co = TypeVar("_R_co", covariant=True)


class SyncBoundJob(Generic[_I_contra, _M_contra, _R_co]):
    """The strategies of a bound job, blocking."""

    __slots__ = ("_bound",)

    def __init__(self, bound: BoundJob[_I_contra, _M_contra, _R_co]) -> None:
        self._bound: BoundJob[Any, Any, _R_co] = bound

    @overload
    def run(self: SyncBoundJob[None, None, _R], /) -> _R: ...
    @overload
    def run(self: SyncBoundJob[None, _M, _R], /, *, meta: _M) -> _R: ...
    @overload
    def run(self: SyncBoundJob[_I, None, _R], input: _I, /) -> _R: ...
    @overload
    def run(self, input: _I_contra, /, *, meta: _M_contra) -> _R_co: ...
    def run(self: SyncBoundJob[Any, Any, Any], input: Any = None, /, *, meta: Any = None) -> Any:
        """As `BoundJob.run`."""
        return call(self._bound.run(input, meta=meta))

    @overload
    def enqueue(self: SyncBoundJob[None, None, _R], /, **options: Unpack[CallOptions]) -> SyncJobHandle[_R]: ...
    @overload
    def enqueue(
        self: SyncBoundJob[None, _M, _R], /, *, meta: _M, **options: Unpack[CallOptions]
    ) -> SyncJobHandle[_R]: ...
    @overload
    def enqueue(
        self: SyncBoundJob[_I, None, _R], input: _I, /, **options: Unpack[CallOptions]
    ) -> SyncJobHandle[_R]: ...
    @overload
    def enqueue(
        self, input: _I_contra, /, *, meta: _M_contra, **options: Unpack[CallOptions]
    ) -> SyncJobHandle[_R_co]: ...
    def enqueue(
        self: SyncBoundJob[Any, Any, Any], input: Any = None, /, *, meta: Any = None, **options: Unpack[CallOptions]
    ) -> Any:
        """As `BoundJob.enqueue`."""
        return SyncJobHandle(call(self._bound.enqueue(input, meta=meta, **options)))

    @overload
    def enqueue_many(
        self: SyncBoundJob[_I, None, _R],
        inputs: Iterable[_I],
        /,
        *,
        ids: Sequence[str] | None = None,
        **options: Unpack[CallOptions],
    ) -> list[SyncJobHandle[_R]]: ...
    @overload
    def enqueue_many(
        self,
        inputs: Iterable[_I_contra],
        /,
        *,
        meta: _M_contra,
        ids: Sequence[str] | None = None,
        **options: Unpack[CallOptions],
    ) -> list[SyncJobHandle[_R_co]]: ...
    def enqueue_many(
        self: SyncBoundJob[Any, Any, Any],
        inputs: Iterable[Any],
        /,
        *,
        meta: Any = None,
        ids: Sequence[str] | None = None,
        **options: Unpack[CallOptions],
    ) -> Any:
        """As `BoundJob.enqueue_many`."""
        handles = call(self._bound.enqueue_many(inputs, meta=meta, ids=ids, **options))
        return [SyncJobHandle(handle) for handle in handles]

    @overload
    def delay(
        self: SyncBoundJob[None, None, _R], delay: Delay, /, **options: Unpack[CallOptions]
    ) -> SyncJobHandle[_R]: ...
    @overload
    def delay(
        self: SyncBoundJob[None, _M, _R], delay: Delay, /, *, meta: _M, **options: Unpack[CallOptions]
    ) -> SyncJobHandle[_R]: ...
    @overload
    def delay(
        self: SyncBoundJob[_I, None, _R], delay: Delay, input: _I, /, **options: Unpack[CallOptions]
    ) -> SyncJobHandle[_R]: ...
    @overload
    def delay(
        self, delay: Delay, input: _I_contra, /, *, meta: _M_contra, **options: Unpack[CallOptions]
    ) -> SyncJobHandle[_R_co]: ...
    def delay(
        self: SyncBoundJob[Any, Any, Any],
        delay: Delay,
        input: Any = None,
        /,
        *,
        meta: Any = None,
        **options: Unpack[CallOptions],
    ) -> Any:
        """As `BoundJob.delay`."""
        return SyncJobHandle(call(self._bound.delay(delay, input, meta=meta, **options)))

    @overload
    def schedule(
        self: SyncBoundJob[None, None, _R],
        when: str | timedelta,
        /,
        *,
        key: str | None = None,
        tz: str = "UTC",
        **options: Unpack[ScheduleOptions],
    ) -> SyncScheduleHandle: ...
    @overload
    def schedule(
        self: SyncBoundJob[None, _M, _R],
        when: str | timedelta,
        /,
        *,
        meta: _M,
        key: str | None = None,
        tz: str = "UTC",
        **options: Unpack[ScheduleOptions],
    ) -> SyncScheduleHandle: ...
    @overload
    def schedule(
        self: SyncBoundJob[_I, None, _R],
        when: str | timedelta,
        input: _I,
        /,
        *,
        key: str | None = None,
        tz: str = "UTC",
        **options: Unpack[ScheduleOptions],
    ) -> SyncScheduleHandle: ...
    @overload
    def schedule(
        self,
        when: str | timedelta,
        input: _I_contra,
        /,
        *,
        meta: _M_contra,
        key: str | None = None,
        tz: str = "UTC",
        **options: Unpack[ScheduleOptions],
    ) -> SyncScheduleHandle: ...
    def schedule(
        self: SyncBoundJob[Any, Any, Any],
        when: str | timedelta,
        input: Any = None,
        /,
        *,
        meta: Any = None,
        key: str | None = None,
        tz: str = "UTC",
        **options: Unpack[ScheduleOptions],
    ) -> Any:
        """As `BoundJob.schedule`."""
        return SyncScheduleHandle(call(self._bound.schedule(when, input, meta=meta, key=key, tz=tz, **options)))

    def handle(self, id: str, /) -> SyncJobHandle[_R_co]:
        """A handle back from an id; no I/O, and no check that there is such a job."""
        return SyncJobHandle(self._bound.handle(id))


class SyncChain(Generic[_I_contra, _M_contra, _R_co]):
    """``enqueue`` of a chain, blocking."""

    __slots__ = ("_chain",)

    def __init__(self, chain: Chain[_I_contra, _M_contra, _R_co]) -> None:
        self._chain: Chain[Any, Any, _R_co] = chain

    @overload
    def enqueue(self: SyncChain[None, None, _R], /, **options: Unpack[CallOptions]) -> SyncJobHandle[_R]: ...
    @overload
    def enqueue(self: SyncChain[None, _M, _R], /, *, meta: _M, **options: Unpack[CallOptions]) -> SyncJobHandle[_R]: ...
    @overload
    def enqueue(self: SyncChain[_I, None, _R], input: _I, /, **options: Unpack[CallOptions]) -> SyncJobHandle[_R]: ...
    @overload
    def enqueue(
        self, input: _I_contra, /, *, meta: _M_contra, **options: Unpack[CallOptions]
    ) -> SyncJobHandle[_R_co]: ...
    def enqueue(
        self: SyncChain[Any, Any, Any], input: Any = None, /, *, meta: Any = None, **options: Unpack[CallOptions]
    ) -> Any:
        """As `Chain.enqueue`."""
        return SyncJobHandle(call(self._chain.enqueue(input, meta=meta, **options)))
