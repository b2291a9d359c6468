"""The strategies for code without an event loop: one portal thread with one loop, for the whole process.

It knows threads and forks. It refuses to be used inside a running loop, where awaiting is right.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from typing_extensions import Unpack

from flowli.driver import Disposition, State
from flowli.errors import StrategyError
from flowli.handles import JobHandle
from flowli.options import CallOptions

if TYPE_CHECKING:
    from flowli.bound import BoundJob
    from flowli.chains import Chain

__all__ = ["SyncBoundJob", "SyncChain", "SyncJobHandle"]

_T = TypeVar("_T")
_I = TypeVar("_I")
_M = TypeVar("_M")
_R = TypeVar("_R")
_I_contra = TypeVar("_I_contra", contravariant=True)
_M_contra = TypeVar("_M_contra", contravariant=True)
_R_co = TypeVar("_R_co", covariant=True)


class SyncJobHandle(Generic[_R_co]):
    """A `JobHandle` whose methods block."""

    __slots__ = ("_handle",)

    def __init__(self, handle: JobHandle[_R_co]) -> None:
        self._handle = handle

    @property
    def id(self) -> str:
        """Unique in the driver's prefix."""
        return self._handle.id

    @property
    def name(self) -> str:
        """Of the job."""
        return self._handle.name

    @property
    def state(self) -> State | None:
        """As of the call."""
        return self._handle.state

    @property
    def deduplicated(self) -> bool:
        """The call made no job: this is the one that had its id or holds its unique key."""
        return self._handle.deduplicated

    @property
    def disposition(self) -> Disposition | None:
        """What the call did."""
        return self._handle.disposition

    def result(self, *, timeout: float | timedelta | str | None = None) -> _R_co:
        """As `JobHandle.result`."""
        return _call(self._handle.result(timeout=timeout))

    def __repr__(self) -> str:
        return f"<SyncJobHandle {self.name} {self.id} {self.state or 'unknown'}>"


class SyncBoundJob(Generic[_I_contra, _M_contra, _R_co]):
    """``run`` and ``enqueue`` of a bound job, blocking."""

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
        return _call(self._bound.run(input, meta=meta))

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
        return SyncJobHandle(_call(self._bound.enqueue(input, meta=meta, **options)))


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
        return SyncJobHandle(_call(self._chain.enqueue(input, meta=meta, **options)))


class _Portal:
    """One daemon thread with one event loop."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="flowli-portal", daemon=True).start()

    def call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


_portal: _Portal | None = None
_making = threading.Lock()


def _call(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run it on the portal's loop, with the caller's context variables."""
    global _portal
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        with _making:
            if _portal is None or _portal.pid != os.getpid():
                _portal = _Portal()
            portal = _portal
        return portal.call(coroutine)
    coroutine.close()
    raise StrategyError(".sync was called inside a running event loop. Await the form without .sync.")
