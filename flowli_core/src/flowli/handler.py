"""Calling a handler: context in, result out, the same for `run` and for a runner.

It knows contexts and worker threads. It refuses to know records, retries and what an exception leads to.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError as PydanticError

from flowli.errors import ValidationError
from flowli.schema import issues_of, refuse

if TYPE_CHECKING:
    from flowli.context import Context
    from flowli.job import Job

__all__ = ["call_handler", "validate", "validate_meta"]


def validate(job: Job[Any, Any, Any, Any], input: Any, meta: Any, *, at: int | None = None) -> tuple[Any, Any]:
    """Input and meta as the handler will get them; ValidationError with ``.issues`` otherwise. ``at`` is an index in a
    batch."""
    index = () if at is None else (at,)
    try:
        input = job.input_adapter.validator.validate_python(input)
    except PydanticError as exc:
        raise refuse(job.name, "input", issues_of(exc, "input", *index, adapter=job.input_adapter)) from None
    return input, validate_meta(job, meta, *index)


def validate_meta(job: Job[Any, Any, Any, Any], meta: Any, *index: int) -> Any:
    """Meta as the handler will get it; ValidationError otherwise."""
    if job.meta_adapter is None:
        if meta is not None:
            raise ValidationError(
                f"Job {job.name!r}: its handler takes no meta. Leave meta= out, or add a 'meta' parameter."
            )
        return None
    try:
        return job.meta_adapter.validator.validate_python(meta)
    except PydanticError as exc:
        raise refuse(job.name, "meta", issues_of(exc, "meta", *index, adapter=job.meta_adapter)) from None


def call_handler(
    job: Job[Any, Any, Any, Any], input: Any, meta: Any, *, context: Context, threads: Executor | None = None
) -> Awaitable[Any]:
    """Resolve the context, call the handler, tear the context down; the handler's result or its own exception.

    A ``def`` handler runs in ``threads`` (None: the loop's own), with the context variables of the caller. Where there
    is nothing to resolve, what comes back is the handler's own coroutine: a frame around it costs a tenth of a job.
    """
    if not job.takes_ctx:
        return _call(job, input, meta, None, threads)
    if context.is_value:
        return _call(job, input, meta, context.value, threads)
    return _call_in_context(job, input, meta, context, threads)


async def _call_in_context(
    job: Job[Any, Any, Any, Any], input: Any, meta: Any, context: Context, threads: Executor | None
) -> Any:
    async with AsyncExitStack() as stack:
        ctx = await context.enter(stack)
        return await _call(job, input, meta, ctx, threads)
    raise RuntimeError(  # reached only where a context manager returned True from its __exit__
        f"Job {job.name!r}: its context swallowed the handler's exception. Let a context manager raise it again."
    )


def _call(job: Job[Any, Any, Any, Any], input: Any, meta: Any, ctx: Any, threads: Executor | None) -> Awaitable[Any]:
    if job.is_async and not job.takes_ctx and not job.takes_meta:
        plain: Awaitable[Any] = job.handler(input) if job.takes_input else job.handler()
        return plain
    kwargs: dict[str, Any] = {}
    if job.takes_ctx:
        kwargs["ctx"] = ctx
    if job.takes_meta:
        kwargs["meta"] = meta
    args = (input,) if job.takes_input else ()
    if job.is_async:
        called: Awaitable[Any] = job.handler(*args, **kwargs)
        return called
    return _call_in_thread(lambda: job.handler(*args, **kwargs), threads)


async def _call_in_thread(call: Callable[[], Any], threads: Executor | None) -> Any:
    value = await asyncio.get_running_loop().run_in_executor(threads, contextvars.copy_context().run, call)
    # A decorator may be a plain `def` that returns what an async handler's call returned.
    return await value if inspect.isawaitable(value) else value
