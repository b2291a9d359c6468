"""Many runners in one process, each on its own driver: ``python -m benchmarks.adapters.flowli_crowd ADAPTER N``."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from importlib import import_module

from benchmarks.adapters.flowli_jobs import make_contestant
from benchmarks.payload import CONCURRENCY
from benchmarks.producer import loop_factory
from flowli import Runner

__all__ = ["main"]


async def main() -> None:
    adapter, number = sys.argv[1:]
    make_driver = import_module(adapter).make_driver
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    async with AsyncExitStack() as stack:
        for _ in range(int(number)):
            flowli = await stack.enter_async_context(make_contestant(make_driver()))
            await stack.enter_async_context(Runner(flowli, concurrency=CONCURRENCY))
        sys.stderr.write(f"{number} runners are at work\n")
        await asked.wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main())
