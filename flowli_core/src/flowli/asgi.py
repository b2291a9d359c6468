"""Flowli in any ASGI application: a lifespan that opens the runtime, a middleware where there is no lifespan state, and
progress as server-sent events.

It knows the ASGI specification and no framework: Starlette takes it as it is, `flowli.fastapi` and `flowli.litestar`
build on it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, Final, TypeAlias

from flowli.errors import DefinitionError, FlowliError
from flowli.handles import JobHandle
from flowli.runtime import Flowli

__all__ = [
    "EVENT_HEADERS",
    "RUNTIMES",
    "ASGIApp",
    "FlowliMiddleware",
    "Lifespan",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "lifespan",
    "progress_events",
]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Lifespan: TypeAlias = Callable[[Any], AbstractAsyncContextManager[dict[str, Any]]]

EVENT_HEADERS: Final[Mapping[str, str]] = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Of a response whose body are `progress_events`: nobody on the way keeps or collects them."""
_COMPLETE: Final[Message] = {"type": "lifespan.shutdown.complete"}
RUNTIMES: Final = "flowli_runtimes"
"""The key of the state under which all runtimes of an application are; the first is under ``flowli`` too."""


def lifespan(
    *runtimes: Flowli[Any],
    runner: AbstractAsyncContextManager[Any] | None = None,
    also: Callable[[Any], AbstractAsyncContextManager[Any]] | None = None,
) -> Lifespan:
    """``Starlette(lifespan=lifespan(flowli))``: open the runtimes while the application lives. ``request.state.flowli``
    is the first of them.

    ``runner`` is a `Runner` that shall work inside this process too: for small deployments, and only when it is passed.
    ``also`` is another lifespan, entered behind the runtimes; what it yields is put beside them.
    """
    state = _state(runtimes)

    @asynccontextmanager
    async def live(app: Any) -> AsyncGenerator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            for flowli in runtimes:
                await stack.enter_async_context(flowli)
            if runner is not None:
                await stack.enter_async_context(runner)
            more: Any = await stack.enter_async_context(also(app)) if also is not None else None
            yield {**(more or {}), **state}

    return live


def _state(runtimes: tuple[object, ...]) -> dict[str, Any]:
    if not runtimes or not all(isinstance(one, Flowli) for one in runtimes):
        raise DefinitionError("Pass the runtime, an instance of your Flowli class: lifespan(flowli).")
    return {"flowli": runtimes[0], RUNTIMES: runtimes}


class FlowliMiddleware:
    """``FlowliMiddleware(app, flowli)``: the same for an application without a lifespan of its own, or one that knows
    no state: the runtimes are opened at start-up, and are in ``scope["state"]`` of each request."""

    def __init__(self, app: ASGIApp, *runtimes: Flowli[Any]) -> None:
        self._app = app
        self._state = _state(runtimes)
        self._open = lifespan(*runtimes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        scope["state"] = {**scope.get("state", {}), **self._state}
        await self._app(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        startup, stack = await receive(), AsyncExitStack()
        try:
            await stack.enter_async_context(self._open(self._app))
        except Exception as exc:
            is_ours = isinstance(exc, FlowliError)
            why = str(exc) if is_ours else f"the runtime could not be opened: {type(exc).__name__}"
            await send({"type": "lifespan.startup.failed", "message": why})
            if not is_ours:
                raise
            return
        async with stack:
            last = await _live_on(self._app, scope, startup, receive, send)
        if last is not None:  # a server may end its process when it hears this
            await send(last)


async def _live_on(app: ASGIApp, scope: Scope, startup: Message, receive: Receive, send: Send) -> Message | None:
    """The application's own lifespan, and what it says at the end of its shutdown, which is not sent yet; None if it
    did not come to that. An application that has none, which it says by raising, lives until the shutdown."""
    first, said = [startup], False
    last: list[Message] = [_COMPLETE]

    async def again() -> Message:
        return first.pop() if first else await receive()

    async def answer(message: Message) -> None:
        nonlocal said
        said = True
        if message["type"].startswith("lifespan.shutdown."):
            last[:] = [message]
            return
        if message["type"] == "lifespan.startup.failed":
            last.clear()
        await send(message)

    try:
        await app(scope, again, answer)
    except Exception:
        if said:
            raise
    if not said:
        await send({"type": "lifespan.startup.complete"})
        await receive()
    return last[0] if last else None


async def progress_events(handle: JobHandle[Any], *, every: str = "500ms") -> AsyncGenerator[bytes]:
    """What a job reports, as the body of a ``text/event-stream``: events ``progress`` with ``fraction`` and
    ``message``, and at the end one ``ended`` with the ``state``. Whoever leaves early ends nothing but this."""
    async with aclosing(handle.progress(every=every)) as reports:
        async for report in reports:
            yield _event("progress", {"fraction": report.fraction, "message": report.message})
    record = await handle.record()
    yield _event("ended", {"state": str(record.state)})


def _event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
