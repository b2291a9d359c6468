# ruff: noqa: T201
"""The first program of the documentation: checked, and run."""

from __future__ import annotations

import asyncio

from flowli import Flowli, Runner, job
from flowli_memory import MemoryDriver


@job
async def greet(name: str) -> str:
    return f"hello {name}"


class App(Flowli):
    greet = greet


async def main() -> None:
    flowli = App(context=None, driver=MemoryDriver())
    print(await flowli.greet.run("Sam"))  # in this process, no queue
    handle = await flowli.greet.enqueue("Sam")  # queued
    await Runner(flowli).run_once()
    print(await handle.result())


asyncio.run(main())
