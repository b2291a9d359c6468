"""What the integrations hand over, as pyright and mypy see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, assert_type

from fastapi import Depends
from starlette.requests import HTTPConnection
from starlette.responses import StreamingResponse

from flowli import BoundJob, Flowli, Runner, job
from flowli.asgi import Lifespan, lifespan
from flowli.fastapi import AfterResponse, OnSuccess, Outbox, progress_response, provide
from flowli.litestar import FlowliPlugin


@job
async def echo(text: str) -> str:
    return text


class App(Flowli):
    echo = echo


Runtime = Annotated[App, Depends(provide(App))]


async def handler(flowli: Runtime, outbox: OnSuccess, later: AfterResponse) -> None:
    assert_type(flowli.echo, BoundJob[str, None, str])
    assert_type(outbox, Outbox)
    outbox.add(flowli.echo.enqueue("x", id="one"))
    later.add(flowli.echo.enqueue(3))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    outbox.add(flowli.echo)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(progress_response(flowli.echo.handle("id")), StreamingResponse)


def wiring(flowli: App) -> None:
    assert_type(provide(App), Callable[[HTTPConnection], App])
    provide(str)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    assert_type(lifespan(flowli, runner=Runner(flowli)), Lifespan)
    lifespan(App)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    FlowliPlugin(flowli, name="jobs")
    FlowliPlugin("flowli")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
