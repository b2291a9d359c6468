"""BullMQ for Python: what a producer calls; ``python -m`` is its worker, as there is no command."""

from __future__ import annotations

import asyncio
import signal

from bullmq import Queue, Worker

from benchmarks.ledger import done
from benchmarks.payload import CONCURRENCY, NAP, SETTINGS, URL

_NAME = "bench"
_options = {"removeOnComplete": True} if SETTINGS == "tuned" else {}
_queue = None


async def execute(job, token):
    if job.name == "nap":
        await asyncio.sleep(NAP)
    done(job.data["id"])


async def open():
    global _queue
    _queue = Queue(_NAME, {"connection": URL})


async def close():
    await _queue.close()


async def one(payload):
    await _queue.add("send", payload, _options)


async def bulk(payloads):
    await _queue.addBulk([{"name": "send", "data": payload, "opts": _options} for payload in payloads])


async def nap(payload):
    await _queue.add("nap", payload, _options)


async def main():
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    options = {"connection": URL} | ({"concurrency": CONCURRENCY} if SETTINGS == "tuned" else {})
    worker = Worker(_NAME, execute, options)
    await asked.wait()
    await worker.close()


if __name__ == "__main__":
    if SETTINGS == "tuned":
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())
