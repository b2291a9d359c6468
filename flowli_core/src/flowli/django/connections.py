"""Database connections around handlers: Django closes stale ones around requests, and a job is none.

It knows threads: connections belong to the thread that opened them, so the care is taken where the handler runs.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from asgiref.sync import sync_to_async
from django.db import close_old_connections, reset_queries

__all__ = ["fresh_connections"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def fresh_connections(handler: Callable[_P, _R]) -> Callable[_P, _R]:
    """Under ``@job``: connections that are broken or too old are closed before and after the handler, and logged
    queries forgotten, as Django does around a request."""
    if inspect.iscoroutinefunction(handler):
        return cast("Callable[_P, _R]", _around_coroutine(handler))

    @functools.wraps(handler)
    def called(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        _renew()
        try:
            return handler(*args, **kwargs)
        finally:
            close_old_connections()

    return called


def _around_coroutine(handler: Callable[..., Any]) -> Callable[..., Any]:
    """In the thread in which asynchronous code uses the ORM."""

    @functools.wraps(handler)
    async def called(*args: Any, **kwargs: Any) -> Any:
        await sync_to_async(_renew)()
        try:
            return await handler(*args, **kwargs)
        finally:
            await sync_to_async(close_old_connections)()

    return called


def _renew() -> None:
    reset_queries()
    close_old_connections()
