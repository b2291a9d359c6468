"""Flowli in FastAPI: a lifespan, a typed dependency, and an outbox for jobs that are enqueued only when the request
succeeded.

It knows FastAPI's dependencies. It refuses to wrap handlers or routes: their signatures stay the user's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Annotated, Any, TypeVar

from flowli.asgi import EVENT_HEADERS, RUNTIMES, FlowliMiddleware, lifespan, progress_events
from flowli.handles import JobHandle
from flowli.runtime import Flowli

try:
    from fastapi import Depends
    from fastapi.responses import StreamingResponse
    from starlette.requests import HTTPConnection
except ImportError as _missing:
    raise ImportError('flowli.fastapi needs FastAPI: pip install "flowli[fastapi]".') from _missing

__all__ = ["AfterResponse", "FlowliMiddleware", "OnSuccess", "Outbox", "lifespan", "progress_response", "provide"]

_F = TypeVar("_F", bound=Flowli[Any])

_provided: dict[type[Any], Callable[[HTTPConnection], Any]] = {}


def provide(kind: type[_F], /) -> Callable[[HTTPConnection], _F]:
    """``Annotated[App, Depends(provide(App))]``: the application's runtime, typed by its class.

    The same function each time for a class, so that ``app.dependency_overrides[provide(App)]`` finds it. RuntimeError,
    which names what to pass, where the application has none of this class.
    """
    if kind in _provided:
        return _provided[kind]

    def get(connection: HTTPConnection) -> _F:
        for one in getattr(connection.state, RUNTIMES, ()):
            if isinstance(one, kind):
                return one
        raise RuntimeError(
            f"This application has no {kind.__name__}. Pass FastAPI(lifespan=flowli.fastapi.lifespan(runtime)), and "
            f"enter the lifespan in tests: `with TestClient(app) as client`."
        )

    _provided[kind] = get
    return get


class Outbox:
    """What shall be enqueued when the request has succeeded, and not at all when it has not."""

    def __init__(self) -> None:
        self._calls: list[Coroutine[Any, Any, object]] = []

    def add(self, call: Coroutine[Any, Any, object], /) -> None:
        """Keep a call that is not awaited yet: ``outbox.add(flowli.send_email.enqueue(body))``. It is validated when it
        is made, which is later."""
        self._calls.append(call)

    async def send(self) -> None:
        """Make the calls, in order; the first that fails ends it, and its error is raised."""
        try:
            while self._calls:
                await self._calls.pop(0)
        finally:
            self.discard()

    def discard(self) -> None:
        """Forget the calls."""
        while self._calls:
            self._calls.pop().close()


async def _outbox() -> AsyncGenerator[Outbox]:
    outbox = Outbox()
    try:
        yield outbox
        await outbox.send()
    finally:
        outbox.discard()


OnSuccess = Annotated[Outbox, Depends(_outbox, scope="function")]
"""An outbox that is sent when the path operation has returned, before the response: if the store is away the client is
told."""

AfterResponse = Annotated[Outbox, Depends(_outbox, scope="request")]
"""An outbox that is sent when the response is: the client does not wait for it, and is not told of what fails."""


def progress_response(handle: JobHandle[Any], *, every: str = "500ms") -> StreamingResponse:
    """The progress of a job as server-sent events (`flowli.asgi.progress_events`)."""
    events = progress_events(handle, every=every)
    return StreamingResponse(events, media_type="text/event-stream", headers=EVENT_HEADERS)
