"""Short forms of what the tests of the memory driver ask of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import TypeVar

from flowli.driver import Claim, Exchanged, Millis, NewJob, Settlement, State, Turn
from flowli_memory import MemoryDriver

__all__ = ["HOUR", "aside", "claim", "new_job", "opened", "settled", "take"]

T = TypeVar("T")

HOUR = Millis(3_600_000)

_turns = count(1)


def new_job(id: str, queue: str = "mail", *, delay: int | None = None) -> NewJob:
    return NewJob(id, queue, "send", b"head", b"body", delay=None if delay is None else Millis(delay))


def claim(
    limit: int = 10, *, wait: int = 0, queues: Sequence[str] | None = ("mail",), lease_for: int = 30_000
) -> Claim:
    number = next(_turns)
    return Claim(
        runner=f"runner-{number}",
        turn=Turn(f"runner-{number}", number),
        queues=queues,
        limit=limit,
        lease_for=Millis(lease_for),
        wait=Millis(wait),
    )


async def take(driver: MemoryDriver, claim: Claim) -> list[str]:
    """The ids that a claim leases."""
    return [lease.id for lease in (await driver.exchange((), claim)).leases]


def settled(exchanged: Exchanged, state: State = State.COMPLETED, *, keep_for: int = 0) -> list[Settlement]:
    """Settlements of all that was leased."""
    return [
        Settlement(lease.id, lease.queue, lease.token, state, b"memo", keep_for=Millis(keep_for))
        for lease in exchanged.leases
    ]


@asynccontextmanager
async def opened(driver: MemoryDriver) -> AsyncGenerator[MemoryDriver]:
    await driver.open()
    try:
        yield driver
    finally:
        await driver.close()


@asynccontextmanager
async def aside(driver: MemoryDriver, call: Coroutine[object, object, T]) -> AsyncGenerator[asyncio.Task[T]]:
    """Run a call beside the test; the block begins when it waits, and ends it."""
    task = asyncio.create_task(call)
    for _ in range(3):
        await driver.get_jobs([])
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
