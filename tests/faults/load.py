"""A steady load while a test makes trouble: jobs are enqueued one after the other, and what was done is counted.

It knows how many jobs ended in a span of time. It refuses to judge.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from flowli import DriverUnavailable, EnqueueUnknown
from tests.faults.lab import SECRET, Lab

__all__ = ["done_between", "load", "recovery"]

_WINDOW_S = 1.0


@asynccontextmanager
async def load(lab: Lab, jobs_per_s: float) -> AsyncGenerator[None]:
    """Enqueue at this rate for the length of a block, however long each call takes.

    What the store does not take is intended, and no more.
    """
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    async def send() -> None:
        with suppress(DriverUnavailable, EnqueueUnknown):
            await lab.send(lab.app.quick.enqueue, SECRET)

    async def produce() -> None:
        at = loop.time()
        async with asyncio.TaskGroup() as calls:
            while not stopped.is_set():
                calls.create_task(send())
                at += 1 / jobs_per_s
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopped.wait(), max(0.001, at - loop.time()))

    producer = asyncio.create_task(produce())
    try:
        yield
    finally:
        stopped.set()
        await producer


def done_between(lab: Lab, since: float, until: float) -> int:
    """How many handlers came to their end then."""
    return sum(run.ended is not None and since <= run.ended < until for run in lab.history.runs)


async def recovery(lab: Lab, healed_at: float, jobs_per_s: float) -> float:
    """Seconds from ``healed_at`` to the begin of the first second in which 90 % of the load was done."""

    async def back() -> float | None:
        ends = sorted(run.ended for run in lab.history.runs if run.ended is not None and run.ended >= healed_at)
        needed = round(0.9 * jobs_per_s * _WINDOW_S)
        for first, last in zip(ends, ends[needed - 1 :], strict=False):
            if last - first <= _WINDOW_S:
                return max(first - healed_at, 0.001)
        return None

    found: float = await lab.until(back, "90 % of the throughput", within=60)
    return found
