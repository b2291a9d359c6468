"""Chains of jobs as users write them: ``flowli.fetch.then(flowli.parse)``, ``flowli.fetch.map(urls).then(...)``.

It knows which step may follow which. It refuses to know what is stored of them (`flowli.plans`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from typing_extensions import Unpack

from flowli.core import Core
from flowli.driver import State
from flowli.errors import DefinitionError, ValidationError
from flowli.handles import JobHandle
from flowli.options import CallOptions
from flowli.plans import Members, Step, beginning_with, persist_chain
from flowli.records import JobError
from flowli.wire import Gather

if TYPE_CHECKING:
    from flowli.bound import BoundJob
    from flowli.sync import SyncChain

__all__ = ["Chain", "Followed", "Group", "Outcome", "When"]

_I = TypeVar("_I")
_M = TypeVar("_M")
_N = TypeVar("_N")
_R = TypeVar("_R")
_S = TypeVar("_S")
_I_contra = TypeVar("_I_contra", contravariant=True)
_M_contra = TypeVar("_M_contra", contravariant=True)
_R_co = TypeVar("_R_co", covariant=True)

When = Literal["completed", "settled"]
"""When a step is called: if all before it completed, or however they ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[_R_co]):
    """How a step ended: the input of one that follows it ``when="settled"``."""

    job_id: str
    name: str
    """Of its job."""
    state: State
    """``completed``, ``failed`` or ``cancelled``."""
    result: _R_co | None = None
    """Of a completed one."""
    error: JobError | None = None
    """Of any other, where one is known; without its traceback."""


class Followed(Generic[_I_contra, _M_contra, _R_co]):
    """What another step may follow: a bound job, or a chain."""

    __slots__ = ()

    _core: Core

    def _steps(self) -> Step:
        raise NotImplementedError

    @overload
    def then(
        self, step: BoundJob[_R_co, None, _S], /, *, when: Literal["completed"] = ..., **options: Unpack[CallOptions]
    ) -> Chain[_I_contra, _M_contra, _S]: ...
    @overload
    def then(
        self,
        step: BoundJob[_R_co, _N, _S],
        /,
        *,
        meta: _N,
        when: Literal["completed"] = ...,
        **options: Unpack[CallOptions],
    ) -> Chain[_I_contra, _M_contra, _S]: ...
    @overload
    def then(
        self, step: BoundJob[Outcome[_R_co], None, _S], /, *, when: Literal["settled"], **options: Unpack[CallOptions]
    ) -> Chain[_I_contra, _M_contra, _S]: ...
    @overload
    def then(
        self,
        step: BoundJob[Outcome[_R_co], _N, _S],
        /,
        *,
        meta: _N,
        when: Literal["settled"],
        **options: Unpack[CallOptions],
    ) -> Chain[_I_contra, _M_contra, _S]: ...
    def then(
        self,
        step: BoundJob[Any, Any, Any],
        /,
        *,
        meta: Any = None,
        when: When = "completed",
        **options: Unpack[CallOptions],
    ) -> Any:
        """A chain that ends with ``step``, whose input is the result of what comes before it.

        If that fails, the step fails (reason ``parent``), if it is cancelled, the step is cancelled: its handler is not
        called. With ``when="settled"`` it is called however that ended, with an `Outcome`. Meta and options are the
        step's own.
        """
        gather = Gather.OUTCOME if _is_settled(when) else Gather.RESULT
        return Chain[Any, Any, Any](self._core, _following(self._core, step, gather, meta, options, self._steps()))

    @overload
    def map(self: Followed[_I, None, _R], inputs: Iterable[_I], /, **options: Unpack[CallOptions]) -> Group[_R]: ...
    @overload
    def map(
        self, inputs: Iterable[_I_contra], /, *, meta: _M_contra, **options: Unpack[CallOptions]
    ) -> Group[_R_co]: ...
    def map(
        self: Followed[Any, Any, Any], inputs: Iterable[Any], /, *, meta: Any = None, **options: Unpack[CallOptions]
    ) -> Any:
        """The same for each input, at once: a group, to be gathered by a step that is given to its ``then()``. Meta
        and options hold for the first step of each."""
        _refuse_id(options, "map()")
        return Group[Any](self._core, Members(beginning_with(self._steps(), options), tuple(inputs), meta))


class Chain(Followed[_I_contra, _M_contra, _R_co]):
    """Steps, each of which has its input from the one before it. Immutable: `then` makes a longer one."""

    __slots__ = ("_core", "_last")

    def __init__(self, core: Core, last: Step) -> None:
        self._core = core
        self._last = last

    def _steps(self) -> Step:
        return self._last

    @overload
    async def enqueue(self: Chain[None, None, _R], /, **options: Unpack[CallOptions]) -> JobHandle[_R]: ...
    @overload
    async def enqueue(self: Chain[None, _M, _R], /, *, meta: _M, **options: Unpack[CallOptions]) -> JobHandle[_R]: ...
    @overload
    async def enqueue(self: Chain[_I, None, _R], input: _I, /, **options: Unpack[CallOptions]) -> JobHandle[_R]: ...
    @overload
    async def enqueue(
        self, input: _I_contra, /, *, meta: _M_contra, **options: Unpack[CallOptions]
    ) -> JobHandle[_R_co]: ...
    async def enqueue(
        self: Chain[Any, Any, Any], input: Any = None, /, *, meta: Any = None, **options: Unpack[CallOptions]
    ) -> Any:
        """Store every step; the handle is that of the last one.

        Input, meta and options are the first step's, but for ``id``, which names the chain and is the id of its last
        step. Errors as those of `BoundJob.enqueue`; StrategyError where the driver keeps no chains.
        """
        return await persist_chain(self._core, self._last, input, meta, options)

    @property
    def sync(self) -> SyncChain[_I_contra, _M_contra, _R_co]:
        """The same for code without an event loop."""
        from flowli.sync import SyncChain

        return SyncChain(self)

    def __repr__(self) -> str:
        return f"<Chain to {self._last.bound.job.name!r} on {self._core.name}>"


class Group(Generic[_R]):
    """Many of the same, whose results are gathered in the order of their inputs."""

    __slots__ = ("_core", "_members")

    def __init__(self, core: Core, members: Members) -> None:
        self._core = core
        self._members = members

    @overload
    def then(
        self,
        step: BoundJob[list[_R], None, _S],
        /,
        *,
        when: Literal["completed"] = ...,
        **options: Unpack[CallOptions],
    ) -> Chain[None, None, _S]: ...
    @overload
    def then(
        self,
        step: BoundJob[list[_R], _N, _S],
        /,
        *,
        meta: _N,
        when: Literal["completed"] = ...,
        **options: Unpack[CallOptions],
    ) -> Chain[None, None, _S]: ...
    @overload
    def then(
        self,
        step: BoundJob[list[Outcome[_R]], None, _S],
        /,
        *,
        when: Literal["settled"],
        **options: Unpack[CallOptions],
    ) -> Chain[None, None, _S]: ...
    @overload
    def then(
        self,
        step: BoundJob[list[Outcome[_R]], _N, _S],
        /,
        *,
        meta: _N,
        when: Literal["settled"],
        **options: Unpack[CallOptions],
    ) -> Chain[None, None, _S]: ...
    def then(
        self,
        step: BoundJob[Any, Any, Any],
        /,
        *,
        meta: Any = None,
        when: When = "completed",
        **options: Unpack[CallOptions],
    ) -> Any:
        """A chain that ends with ``step``, which is executed when all are settled, with the list of their results.

        If one failed, the step fails (reason ``parent``), else, if one was cancelled, it is cancelled. With
        ``when="settled"`` it is called however they ended, with a list of `Outcome`.
        """
        gather = Gather.OUTCOMES if _is_settled(when) else Gather.RESULTS
        return Chain[Any, Any, Any](self._core, _following(self._core, step, gather, meta, options, self._members))

    def __repr__(self) -> str:
        return f"<Group of {len(self._members.inputs)} on {self._core.name}>"


def _is_settled(when: str) -> bool:
    if when not in ("completed", "settled"):
        raise ValidationError(f"when is 'completed' or 'settled'; got {when!r:.40}.")
    return when == "settled"


def _following(
    core: Core, step: BoundJob[Any, Any, Any], gather: Gather, meta: Any, options: CallOptions, before: Step | Members
) -> Step:
    if step._core is not core:  # pyright: ignore[reportPrivateUsage]
        raise DefinitionError(
            f"then() takes a job of the same runtime, such as flowli.{step.job.name}: {step!r} is of another one."
        )
    _refuse_id(options, "then()")
    return Step(step, options, meta, gather, before)


def _refuse_id(options: CallOptions, where: str) -> None:
    if "id" in options:
        raise ValidationError(f"{where} takes no id=: the id of a chain is given to its enqueue().")
