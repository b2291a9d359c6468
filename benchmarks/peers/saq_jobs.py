"""SAQ: what a producer calls, and the settings that its command finds."""

from __future__ import annotations

import asyncio

import uvloop
from redis.asyncio import Redis
from saq.queue.redis import RedisQueue

from benchmarks.ledger import done
from benchmarks.payload import CONCURRENCY, NAP, SETTINGS, URL

_TUNED = SETTINGS == "tuned"
queue = RedisQueue(Redis.from_url(URL), **({"max_concurrent_ops": 100} if _TUNED else {}))
_options = {"ttl": -1} if _TUNED else {}
if _TUNED:  # its command makes the loop after it has imported this
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


async def send(ctx, *, payload):
    done(payload["id"])


async def nap_job(ctx, *, payload):
    await asyncio.sleep(NAP)
    done(payload["id"])


settings = {"queue": queue, "functions": [send, nap_job], "concurrency": CONCURRENCY}


async def open():
    await queue.connect()


async def close():
    await queue.disconnect()


async def one(payload):
    await queue.enqueue("send", payload=payload, **_options)


async def nap(payload):
    await queue.enqueue("nap_job", payload=payload, **_options)
