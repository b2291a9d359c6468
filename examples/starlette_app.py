# /// script
# requires-python = ">=3.11"
# dependencies = ["flowli[redis,cli]==0.1.0", "starlette", "uvicorn"]
# ///
"""A web application on Starlette: `uvicorn starlette_app:app`, and beside it `flowli runner starlette_app:flowli`."""

from __future__ import annotations

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from flowli import Flowli, ValidationError, job
from flowli.asgi import lifespan, progress_events
from flowli_redis import RedisDriver


@job
async def shout(text: str) -> str:
    return text.upper()


class App(Flowli):
    shout = shout


flowli = App(context=None, driver=RedisDriver(os.environ.get("REDIS_URL", "redis://localhost:6379/0"), prefix="shouts"))


def runtime(request: Request) -> App:
    """Typed where it is taken from the state."""
    found = request.state.flowli
    assert isinstance(found, App)
    return found


async def start(request: Request) -> Response:
    try:
        handle = await runtime(request).shout.enqueue(await request.json())
    except ValidationError as error:
        return JSONResponse({"issues": [issue["type"] for issue in error.issues]}, status_code=422)
    return JSONResponse({"id": handle.id}, status_code=202)


async def read(request: Request) -> Response:
    handle = runtime(request).shout.handle(request.path_params["id"])
    return JSONResponse(await handle.result(timeout=10))


async def watch(request: Request) -> Response:
    handle = runtime(request).shout.handle(request.path_params["id"])
    return StreamingResponse(progress_events(handle, every="20ms"), media_type="text/event-stream")


def create_app(runtime: App) -> Starlette:
    """The application on this runtime: tests pass one on the memory driver."""
    routes = [
        Route("/shouts", start, methods=["POST"]),
        Route("/shouts/{id}", read),
        Route("/shouts/{id}/progress", watch),
    ]
    return Starlette(routes=routes, lifespan=lifespan(runtime))


app = create_app(flowli)
