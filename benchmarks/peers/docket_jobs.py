"""docket: the tasks, and what a producer calls. ``python -m`` runs the tuned worker, on uvloop."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta

from docket import Docket, Worker

from benchmarks.ledger import done
from benchmarks.payload import CONCURRENCY, NAP, SETTINGS, URL

_options = {"execution_ttl": timedelta(0)} if SETTINGS == "tuned" else {}
docket = Docket(name="bench", url=f"{URL}?max_connections=1000", **_options)  # 100 of redis-py are too few for 200 jobs


async def send(payload: dict) -> None:
    done(payload["id"])


async def nap_job(payload: dict) -> None:
    await asyncio.sleep(NAP)
    done(payload["id"])


tasks = [send, nap_job]


async def open():
    await docket.__aenter__()
    docket.register(send)
    docket.register(nap_job)


async def close():
    await docket.__aexit__(None, None, None)


async def one(payload):
    await docket.add(send)(payload)


async def bulk(payloads):
    await docket.add_many([docket.call(send)(payload) for payload in payloads])


async def nap(payload):
    await docket.add(nap_job)(payload)


async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    await open()
    every = timedelta(milliseconds=5)
    try:
        async with Worker(
            docket, concurrency=CONCURRENCY, minimum_check_interval=every, scheduling_resolution=every
        ) as worker:
            await worker.run_forever()
    except asyncio.CancelledError:
        await close()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
