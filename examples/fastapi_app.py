# /// script
# requires-python = ">=3.11"
# dependencies = ["flowli[fastapi,redis,cli]==0.1.0", "uvicorn"]
# ///
"""A web application on FastAPI: `uvicorn fastapi_app:app`, and beside it `flowli runner fastapi_app:flowli`."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from flowli import Flowli, current_attempt, job
from flowli.fastapi import AfterResponse, OnSuccess, lifespan, progress_response, provide
from flowli_redis import RedisDriver


class Report(BaseModel):
    customer: str
    pages: int = 3


@job
async def render(report: Report) -> str:
    for page in range(report.pages):
        await current_attempt().progress(page / report.pages, f"page {page + 1}")
        await asyncio.sleep(0.01)
    return f"{report.pages} pages for {report.customer}"


class App(Flowli):
    render = render


flowli = App(
    context=None,
    driver=RedisDriver(os.environ.get("REDIS_URL", "redis://localhost:6379/0"), prefix="reports"),
)
Runtime = Annotated[App, Depends(provide(App))]


class Accepted(BaseModel):
    id: str


def create_app(runtime: App) -> FastAPI:
    """The application on this runtime: tests pass one on the memory driver."""
    app = FastAPI(lifespan=lifespan(runtime))

    @app.post("/reports", status_code=202)
    async def start(report: Report, flowli: Runtime) -> Accepted:  # the body is the job's input
        handle = await flowli.render.enqueue(report)
        return Accepted(id=handle.id)

    @app.get("/reports/{id}")
    async def read(id: str, flowli: Runtime) -> str:
        return await flowli.render.handle(id).result(timeout=10)

    @app.get("/reports/{id}/progress")
    async def watch(id: str, flowli: Runtime) -> StreamingResponse:
        return progress_response(flowli.render.handle(id), every="20ms")

    @app.post("/orders/{number}")
    async def order(number: int, flowli: Runtime, outbox: OnSuccess) -> str:
        outbox.add(flowli.render.enqueue(Report(customer=f"order {number}"), id=f"order-{number}"))
        if number < 1:
            raise HTTPException(422, "there is no such order")  # and no report
        return "ordered"

    @app.post("/visits/{page}")
    async def visit(page: str, flowli: Runtime, later: AfterResponse) -> str:
        later.add(flowli.render.enqueue(Report(customer=page, pages=1), id=f"visit-{page}"))
        return "welcome"

    return app


app = create_app(flowli)
