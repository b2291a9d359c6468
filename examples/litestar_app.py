# /// script
# requires-python = ">=3.11"
# dependencies = ["flowli[litestar,redis,cli]==0.1.0", "uvicorn"]
# ///
"""A web application on Litestar: `uvicorn litestar_app:app`, and beside it `flowli runner litestar_app:flowli`."""

from __future__ import annotations

import os

from litestar import Litestar, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Stream
from pydantic import BaseModel

from flowli import Flowli, job
from flowli.litestar import FlowliPlugin, progress_stream
from flowli_redis import RedisDriver


class Sum(BaseModel):
    numbers: list[int]


@job
async def add(sum_of: Sum) -> int:
    return sum(sum_of.numbers)


class App(Flowli):
    add = add


flowli = App(context=None, driver=RedisDriver(os.environ.get("REDIS_URL", "redis://localhost:6379/0"), prefix="sums"))


@post("/sums", status_code=202)
async def start(data: JSONBody[Sum], flowli: NamedDependency[App]) -> str:
    handle = await flowli.add.enqueue(data)
    return handle.id


@get("/sums/{id:str}")
async def read(id: FromPath[str], flowli: NamedDependency[App]) -> int:
    return await flowli.add.handle(id).result(timeout=10)


@get("/sums/{id:str}/progress")
async def watch(id: FromPath[str], flowli: NamedDependency[App]) -> Stream:
    return progress_stream(flowli.add.handle(id), every="20ms")


def create_app(runtime: App) -> Litestar:
    """The application on this runtime: tests pass one on the memory driver."""
    return Litestar([start, read, watch], plugins=[FlowliPlugin(runtime)])


app = create_app(flowli)
