"""Decorators of handlers as users write them, in a module that imports nothing of what their annotations name."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

__all__ = ["passed_on", "traced"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def traced(handler: Callable[_P, Awaitable[_R]]) -> Callable[_P, Awaitable[_R]]:
    """An ``async def`` around a handler."""

    @functools.wraps(handler)
    async def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return await handler(*args, **kwargs)

    return wrapper


def passed_on(handler: Callable[_P, Awaitable[_R]]) -> Callable[_P, Awaitable[_R]]:
    """A plain ``def`` that returns what the handler's call returns, an awaitable."""

    @functools.wraps(handler)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> Awaitable[_R]:
        return handler(*args, **kwargs)

    return wrapper
