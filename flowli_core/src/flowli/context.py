"""Where a handler's ``ctx`` comes from: a value or a factory, and the lifespan that feeds it.

It knows the forms a context may have and when each is torn down. It refuses to know jobs and what is done with the
value.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from typing import Any, TypeAlias, TypeGuard, TypeVar

from flowli.errors import DefinitionError, StrategyError

__all__ = ["Context", "ContextSource", "Lifespan"]

_C = TypeVar("_C")

ContextSource: TypeAlias = (
    _C
    | Callable[[], _C]
    | Callable[[], Awaitable[_C]]
    | Callable[[], AbstractContextManager[_C]]
    | Callable[[], AbstractAsyncContextManager[_C]]
    | Callable[[], Iterator[_C]]
    | Callable[[], AsyncIterator[_C]]
    | Callable[[Any], _C]
    | Callable[[Any], Awaitable[_C]]
    | Callable[[Any], AbstractContextManager[_C]]
    | Callable[[Any], AbstractAsyncContextManager[_C]]
    | Callable[[Any], Iterator[_C]]
    | Callable[[Any], AsyncIterator[_C]]
)
"""A value, or a factory: sync, async, a generator with one ``yield``, or one that returns a context manager. It takes
no argument, or, with a ``lifespan``, the value of that."""

Lifespan: TypeAlias = Callable[[], AbstractAsyncContextManager[Any]]
"""Makes the async context manager that lives as long as the runtime is open: pools belong here."""

_FACTORIES = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, functools.partial, type)
_NOT_ENTERED: Any = object()


class Context:
    """The resolved plan of a runtime's context. ``is_value`` says that nothing has to be done for an execution."""

    def __init__(self, source: Any, lifespan: Lifespan | None) -> None:
        _check_called(source, lifespan)
        self.is_value: bool = not isinstance(source, _FACTORIES)
        self._lifespan = lifespan
        self._living: Any = _NOT_ENTERED
        self._takes_lifespan = False
        self._source = source if self.is_value else self._plan(source)

    @property
    def value(self) -> Any:
        """The context itself, where ``is_value``."""
        return self._source

    def _plan(self, source: Any) -> Any:
        needed = _required_parameters(source)
        if needed > 1 or (needed == 1 and self._lifespan is None) or _needs_keywords(source):
            raise DefinitionError(
                "A context factory takes no argument, or, with lifespan=, the value of the lifespan as its one. Pass a "
                "value, or wrap the factory in a function without parameters."
            )
        self._takes_lifespan = self._lifespan is not None and _accepts_one(source)
        function: Any = getattr(source, "func", source)  # of a functools.partial
        if inspect.isasyncgenfunction(function):
            return asynccontextmanager(source)
        if inspect.isgeneratorfunction(function):
            return contextmanager(source)
        return source

    async def enter(self, stack: AsyncExitStack) -> Any:
        """Resolve the context for one execution; ``stack`` tears it down."""
        if self.is_value:
            return self._source
        made: Any = self._source(self._lived()) if self._takes_lifespan else self._source()
        if inspect.isawaitable(made):
            made = await made
        if _is_async_manager(made):
            return await stack.enter_async_context(made)
        if _is_manager(made):
            return stack.enter_context(made)
        return made

    def _lived(self) -> Any:
        if self._living is _NOT_ENTERED:
            raise StrategyError(
                "The context factory needs the value of lifespan=, which is not entered. Write `async with flowli:` "
                "around the call; a runner does so by itself."
            )
        return self._living

    async def enter_lifespan(self, stack: AsyncExitStack) -> None:
        """Enter the lifespan for as long as ``stack`` is open."""
        if self._lifespan is None:
            return
        self._living = await stack.enter_async_context(self._lifespan())
        stack.callback(self._leave)

    def _leave(self) -> None:
        self._living = _NOT_ENTERED


def _check_called(source: object, lifespan: object) -> None:
    """DefinitionError for what was called and should not have been: its one use would be over after one execution."""
    kinds = type(source).__name__, type(lifespan).__name__
    if isinstance(source, Coroutine | Generator | AsyncGenerator):
        if isinstance(source, Coroutine):
            source.close()  # or it warns that nobody awaited it
        raise DefinitionError(
            f"context= takes a value or a factory; got {kinds[0]}. Pass the factory itself, without "
            f"calling it, as in context=make_context."
        )
    if lifespan is None:
        return
    if isinstance(lifespan, AbstractAsyncContextManager) or not callable(lifespan):
        raise DefinitionError(
            f"lifespan= takes a function; got {kinds[1]}. Pass the function itself, without calling "
            f"it, as in lifespan=pools, where pools is decorated with @asynccontextmanager."
        )
    if inspect.isasyncgenfunction(lifespan) or inspect.iscoroutinefunction(lifespan):
        raise DefinitionError("lifespan= takes a function that is decorated with contextlib.asynccontextmanager.")


def _is_async_manager(made: object) -> TypeGuard[AbstractAsyncContextManager[Any]]:
    return isinstance(made, AbstractAsyncContextManager)


def _is_manager(made: object) -> TypeGuard[AbstractContextManager[Any]]:
    return isinstance(made, AbstractContextManager)


def _required(source: Any, *kinds: Any) -> int:
    """How many parameters of these kinds have to be filled."""
    try:
        parameters = inspect.signature(source).parameters.values()
    except (TypeError, ValueError):  # a builtin without a signature, such as `dict`
        return 0
    return sum(p.kind in kinds and p.default is inspect.Parameter.empty for p in parameters)


def _required_parameters(source: Any) -> int:
    return _required(source, inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _needs_keywords(source: Any) -> bool:
    return _required(source, inspect.Parameter.KEYWORD_ONLY) > 0


def _accepts_one(source: Any) -> bool:
    # A parameter with a default is the factory's own business; only one that must be filled takes the lifespan.
    return _required_parameters(source) == 1
