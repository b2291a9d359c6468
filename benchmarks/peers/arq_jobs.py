"""arq: what a producer calls, and the settings of its worker. ``python -m`` runs the tuned one, without arq's logs."""

from __future__ import annotations

import asyncio

from arq import create_pool, run_worker
from arq.connections import RedisSettings

from benchmarks.ledger import done
from benchmarks.payload import CONCURRENCY, NAP, URL

_pool = None


async def send(ctx, payload):
    done(payload["id"])


async def nap_job(ctx, payload):
    await asyncio.sleep(NAP)
    done(payload["id"])


class Defaults:
    functions = (send, nap_job)
    redis_settings = RedisSettings.from_dsn(URL)


class Tuned:  # arq reads a class's own attributes, and none that it inherits
    functions = Defaults.functions
    redis_settings = Defaults.redis_settings
    keep_result = 0
    poll_delay = 0.01
    max_jobs = CONCURRENCY


async def open():
    global _pool
    _pool = await create_pool(Defaults.redis_settings)


async def close():
    await _pool.aclose()


async def one(payload):
    await _pool.enqueue_job("send", payload)


async def nap(payload):
    await _pool.enqueue_job("nap_job", payload)


if __name__ == "__main__":
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    run_worker(Tuned)
