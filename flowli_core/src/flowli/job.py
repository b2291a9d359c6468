"""``@job``: one unit of work, defined once, bound to no runtime.

A handler's positional parameter is the input and comes from the caller; ``ctx`` and ``meta`` are injected by name. It
knows the definition and its types; it refuses to know a runtime, a driver or how it is executed.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, Self, cast, overload

from pydantic import TypeAdapter
from typing_extensions import TypeVar, Unpack

from flowli.errors import DefinitionError, FlowliError, StrategyError
from flowli.limiting import Bonding, Limit, Of
from flowli.options import BUILT_IN, JobOptions, resolve
from flowli.schema import adapter_of

if TYPE_CHECKING:
    from flowli.bound import BoundJob
    from flowli.runtime import Flowli

__all__ = ["Job", "JobDecorator", "job"]

_I = TypeVar("_I")
_C = TypeVar("_C")
_M = TypeVar("_M")
_R = TypeVar("_R")
_I_contra = TypeVar("_I_contra", contravariant=True)
_C_contra = TypeVar("_C_contra", contravariant=True)
_M_contra = TypeVar("_M_contra", contravariant=True)
_R_co = TypeVar("_R_co", covariant=True)

_INJECTED = ("ctx", "meta")
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_MOST_NAME = 200


# The shapes of a handler. ``_R_co`` is ``Awaitable[R]`` for ``async def``, ``R`` for ``def``.
class _Bare(Protocol[_R_co]):
    def __call__(self) -> _R_co: ...


class _In(Protocol[_I_contra, _R_co]):
    def __call__(self, input: _I_contra, /) -> _R_co: ...


class _InCtx(Protocol[_I_contra, _C_contra, _R_co]):
    def __call__(self, input: _I_contra, /, *, ctx: _C_contra) -> _R_co: ...


class _InMeta(Protocol[_I_contra, _M_contra, _R_co]):
    def __call__(self, input: _I_contra, /, *, meta: _M_contra) -> _R_co: ...


class _InCtxMeta(Protocol[_I_contra, _C_contra, _M_contra, _R_co]):
    def __call__(self, input: _I_contra, /, *, ctx: _C_contra, meta: _M_contra) -> _R_co: ...


class _Ctx(Protocol[_C_contra, _R_co]):
    def __call__(self, *, ctx: _C_contra) -> _R_co: ...


class _Meta(Protocol[_M_contra, _R_co]):
    def __call__(self, *, meta: _M_contra) -> _R_co: ...


class _CtxMeta(Protocol[_C_contra, _M_contra, _R_co]):
    def __call__(self, *, ctx: _C_contra, meta: _M_contra) -> _R_co: ...


class Job(Generic[_C_contra, _I_contra, _M_contra, _R_co]):
    """A job definition: immutable, importable, usable with any number of runtimes.

    ``Ctx`` and ``Meta`` are contravariant: a runtime whose context satisfies a narrower Protocol may carry the job, and
    meta may be left out exactly where None is accepted for it. Raises DefinitionError where the handler or an option is
    declared wrongly.
    """

    def __init__(
        self,
        handler: Callable[..., Any],
        /,
        *,
        name: str | None = None,
        description: str | None = None,
        tags: tuple[str, ...] = (),
        limits: Sequence[Limit] = (),
        fair_by: Of | None = None,
        executor: Literal["thread", "process"] = "thread",
        **options: Unpack[JobOptions],
    ) -> None:
        function: Callable[..., Any] = handler.__func__ if isinstance(handler, staticmethod) else handler
        _check_kind(function)
        self.handler = function
        self.name: str = _checked_name(name if name is not None else str(getattr(function, "__name__", "")))
        self.description: str | None = description or inspect.getdoc(function)
        self.tags: tuple[str, ...] = tuple(tags)
        self.limits: tuple[Limit, ...] = tuple(limits)
        self.bonding: Bonding = Bonding(self.name, self.limits, fair_by)
        self.options: JobOptions = options
        try:
            resolve(BUILT_IN, options)
        except FlowliError as exc:
            raise DefinitionError(f"Job {self.name!r}: {exc}") from None
        self.is_async: bool = any(map(inspect.iscoroutinefunction, (function, type(function).__call__)))
        parameters = inspect.signature(function).parameters
        self._input_name = _input_name(self.name, parameters)
        self.takes_input: bool = self._input_name is not None
        self.takes_ctx: bool = "ctx" in parameters
        self.takes_meta: bool = "meta" in parameters
        self.executor: Literal["thread", "process"] = executor
        """Where a runner calls a ``def`` handler."""
        _check_executor(self)

    @cached_property
    def input_adapter(self) -> TypeAdapter[Any]:
        """Validates and serialises the input. Built on first use, as the annotation may come later in its module."""
        return adapter_of(self.handler, self._input_name, job=self.name)

    @cached_property
    def meta_adapter(self) -> TypeAdapter[Any] | None:
        """Validates and serialises the meta; None for a handler that takes none."""
        return adapter_of(self.handler, "meta", job=self.name) if self.takes_meta else None

    @cached_property
    def result_adapter(self) -> TypeAdapter[Any]:
        """Serialises and validates the result, by the handler's return annotation."""
        return adapter_of(self.handler, "return", job=self.name)

    # On a runtime class: the definition. On a runtime: the bound surface, and only where the runtime's context is
    # assignable to what the job asks for: the last overload is the static check of the context.
    # The second is for mypy, which reads the property `BoundJob.job` through its type's descriptor.
    @overload
    def __get__(self, instance: None, owner: type[Any], /) -> Self: ...
    @overload
    def __get__(self, instance: BoundJob[Any, Any, Any], owner: type[Any], /) -> Self: ...
    @overload
    def __get__(self, instance: Flowli[_C_contra], owner: type[Any], /) -> BoundJob[_I_contra, _M_contra, _R_co]: ...
    def __get__(self, instance: Any, owner: type[Any], /) -> Any:
        return self if instance is None else instance.use(self)

    def __call__(self, *args: object, **kwargs: object) -> None:
        """Refused: a job is executed through a runtime. ``.handler`` is the function itself."""
        raise StrategyError(
            f"Job {self.name!r} is a definition and cannot be called. Use a strategy of a runtime "
            f"(flowli.{self.name}.run(...), .enqueue(...)), or call {self.name}.handler(...) for the bare function."
        )

    def __repr__(self) -> str:
        return f"<Job {self.name!r}>"


def _check_kind(function: Any) -> None:
    kind = type(function).__name__
    if isinstance(function, Job) or not callable(function):
        raise DefinitionError(
            f"@job takes the handler, a function; got {kind}. Options are keywords, as in @job(name='...')."
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError(
            f"Job {function.__name__!r}: its handler has a 'yield', and calling it would execute nothing. Return the "
            f"result; what is to be torn down belongs into the context."
        )


def _check_executor(job: Job[Any, Any, Any, Any]) -> None:
    if job.executor == "thread":
        return
    where, name = f'Job {job.name!r}: executor="process"', str(getattr(job.handler, "__qualname__", ""))
    if job.executor != "process":
        raise DefinitionError(f"Job {job.name!r}: executor is 'thread' or 'process'; got {str(job.executor)[:40]!r}.")
    if job.is_async:
        raise DefinitionError(f"{where} is for def handlers; this one is async. Write it as def, or leave it out.")
    if job.takes_ctx:
        raise DefinitionError(
            f"{where} and 'ctx' exclude each other: the context of a runtime cannot cross into another process. Take "
            f"'ctx' out and make what the handler needs in it, or leave executor= out."
        )
    if not name.isidentifier():
        raise DefinitionError(f"{where} needs a handler that its module has under its name; {name!r} is none.")


def _checked_name(name: str) -> str:
    if not name or len(name.encode("utf-8", "replace")) > _MOST_NAME or not name.isprintable() or name == "<lambda>":
        raise DefinitionError(
            f"A job's name is 1 to {_MOST_NAME} bytes of printable text; got {name[:40]!r}. Pass one: @job(name='...')."
        )
    return name


def _input_name(job: str, parameters: Any) -> str | None:
    data: list[inspect.Parameter] = [p for n, p in parameters.items() if n not in _INJECTED]
    for parameter in data:
        if parameter.kind in _VARIADIC or parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            raise DefinitionError(
                f"Job {job!r}: {parameter.name!r} can get no value. A handler takes one positional input, and 'ctx' "
                f"and 'meta' by name."
            )
    if len(data) > 1:
        extra = ", ".join(repr(p.name) for p in data[1:])
        raise DefinitionError(
            f"Job {job!r}: a handler takes one input, but {extra} follow(s) {data[0].name!r}. Put the fields in one "
            f"pydantic model, or name injected parameters 'ctx' and 'meta'."
        )
    return data[0].name if data else None


class JobDecorator:
    """``@job`` and ``@job(name=..., max_attempts=...)``: makes a `Job` of a handler."""

    def __init__(self, **given: Any) -> None:
        self._given = given

    # async def handlers
    @overload
    def __call__(self, handler: _InCtxMeta[_I, _C, _M, Awaitable[_R]], /) -> Job[_C, _I, _M, _R]: ...
    @overload
    def __call__(self, handler: _InMeta[_I, _M, Awaitable[_R]], /) -> Job[object, _I, _M, _R]: ...
    @overload
    def __call__(self, handler: _InCtx[_I, _C, Awaitable[_R]], /) -> Job[_C, _I, None, _R]: ...
    @overload
    def __call__(self, handler: _In[_I, Awaitable[_R]], /) -> Job[object, _I, None, _R]: ...
    @overload
    def __call__(self, handler: _CtxMeta[_C, _M, Awaitable[_R]], /) -> Job[_C, None, _M, _R]: ...
    @overload
    def __call__(self, handler: _Meta[_M, Awaitable[_R]], /) -> Job[object, None, _M, _R]: ...
    @overload
    def __call__(self, handler: _Ctx[_C, Awaitable[_R]], /) -> Job[_C, None, None, _R]: ...
    @overload
    def __call__(self, handler: _Bare[Awaitable[_R]], /) -> Job[object, None, None, _R]: ...

    # def handlers, which run in a worker thread
    @overload
    def __call__(self, handler: _InCtxMeta[_I, _C, _M, _R], /) -> Job[_C, _I, _M, _R]: ...
    @overload
    def __call__(self, handler: _InMeta[_I, _M, _R], /) -> Job[object, _I, _M, _R]: ...
    @overload
    def __call__(self, handler: _InCtx[_I, _C, _R], /) -> Job[_C, _I, None, _R]: ...
    @overload
    def __call__(self, handler: _In[_I, _R], /) -> Job[object, _I, None, _R]: ...
    @overload
    def __call__(self, handler: _CtxMeta[_C, _M, _R], /) -> Job[_C, None, _M, _R]: ...
    @overload
    def __call__(self, handler: _Meta[_M, _R], /) -> Job[object, None, _M, _R]: ...
    @overload
    def __call__(self, handler: _Ctx[_C, _R], /) -> Job[_C, None, None, _R]: ...
    @overload
    def __call__(self, handler: _Bare[_R], /) -> Job[object, None, None, _R]: ...

    # with options
    @overload
    def __call__(
        self,
        /,
        *,
        name: str = ...,
        description: str = ...,
        tags: tuple[str, ...] = ...,
        limits: Sequence[Limit] = ...,
        fair_by: Of = ...,
        executor: Literal["thread", "process"] = ...,
        **options: Unpack[JobOptions],
    ) -> JobDecorator: ...
    def __call__(self, handler: Any = None, /, **given: Any) -> Any:
        if handler is None:
            return JobDecorator(**{**self._given, **given})
        return cast("Any", Job(handler, **self._given))


job: JobDecorator = JobDecorator()
"""``@job`` or ``@job(name=..., max_attempts=..., ...)``: see `JobOptions` for the options, `Job` for what it makes."""
