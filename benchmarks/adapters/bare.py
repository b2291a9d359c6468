"""The bare loops: ``python -m benchmarks.adapters.bare {redispy,glide} {plain,overlap,tasks} CONCURRENCY`` works.

`plain` awaits each job of a batch, `overlap` settles one batch and claims the next while it executes another, `tasks`
starts a task for each job. A batch is 100 jobs, or what the concurrency leaves.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from importlib import import_module

from benchmarks.adapters.bare_store import ID, Store, make_job
from benchmarks.ledger import done
from benchmarks.payload import NAP, Payload
from benchmarks.producer import loop_factory

__all__ = ["Adapter"]

BATCH = 100


class Adapter:
    """What a producer calls."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.open = store.open
        self.close = store.close

    async def one(self, payload: Payload) -> None:
        await self._store.push(make_job(payload))

    async def bulk(self, payloads: Sequence[Payload]) -> None:
        await self._store.push_many([make_job(payload) for payload in payloads])

    async def nap(self, payload: Payload) -> None:
        await self._store.push(make_job({**payload, "subject": "nap"}))


async def handle(job: bytes) -> None:
    payload: Payload = json.loads(job[ID:])
    if payload["subject"] == "nap":
        await asyncio.sleep(NAP)
    done(payload["id"])


async def work_plain(store: Store) -> None:
    jobs: list[bytes] = []
    while True:
        for job in jobs:
            await handle(job)
        jobs = await store.exchange([job[:ID] for job in jobs], BATCH) or await _wait(store)


async def work_overlapped(store: Store) -> None:
    jobs: list[bytes] = []
    settled: list[bytes] = []
    while True:
        following = asyncio.create_task(store.exchange(settled, BATCH))
        await asyncio.sleep(0)  # the call is sent before the batch is executed
        for job in jobs:
            await handle(job)
        settled = [job[:ID] for job in jobs]
        jobs = await following or ([] if settled else await _wait(store))


async def work_in_tasks(store: Store, concurrency: int) -> None:
    ended: list[bytes] = []
    running: set[asyncio.Task[None]] = set()
    freed = asyncio.Event()

    async def execute(job: bytes) -> None:
        await handle(job)
        ended.append(job[:ID])
        freed.set()

    while True:
        settled, ended = ended, []
        jobs = await store.exchange(settled, concurrency - len(running))
        if not jobs and not running and not ended:
            jobs = await _wait(store)
        for job in jobs:
            task = asyncio.create_task(execute(job))
            running.add(task)
            task.add_done_callback(running.discard)
        if not ended:
            freed.clear()
            if running:
                await freed.wait()
        await asyncio.sleep(0)  # what ended together is settled together


async def _wait(store: Store) -> list[bytes]:
    job = await store.wait()
    return [] if job is None else [job]


async def main() -> None:
    client, loop, concurrency = sys.argv[1:]
    store: Store = import_module(f"benchmarks.adapters.bare_{client}").make_store()
    await store.open()
    if loop == "tasks":
        await work_in_tasks(store, int(concurrency))
    else:
        await (work_plain if loop == "plain" else work_overlapped)(store)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main())
