"""streaQ: what a producer calls, and the worker that its command finds."""

from __future__ import annotations

import asyncio

from streaq import Worker

from benchmarks.ledger import done
from benchmarks.payload import CONCURRENCY, NAP, SETTINGS, URL

_TUNED = SETTINGS == "tuned"
worker = Worker(redis_url=URL, concurrency=CONCURRENCY, **({"anyio_kwargs": {"use_uvloop": True}} if _TUNED else {}))
_options = {"ttl": 0, "silent": True} if _TUNED else {}


@worker.task(**_options)
async def send(payload):
    done(payload["id"])


@worker.task(**_options)
async def nap_job(payload):
    await asyncio.sleep(NAP)
    done(payload["id"])


async def open():
    await worker.__aenter__()


async def close():
    await worker.__aexit__(None, None, None)


async def one(payload):
    await send.enqueue(payload)


async def bulk(payloads):
    await worker.enqueue_many([send.enqueue(payload) for payload in payloads])


async def nap(payload):
    await nap_job.enqueue(payload)
