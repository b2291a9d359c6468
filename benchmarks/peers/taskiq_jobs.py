"""taskiq: the jobs and what a producer calls, on whichever broker."""

from __future__ import annotations

import asyncio

from taskiq.serializers import ORJSONSerializer
from taskiq_redis import RedisAsyncResultBackend

from benchmarks.ledger import done
from benchmarks.payload import NAP, SETTINGS, URL


async def send(payload):
    done(payload["id"])


async def nap_job(payload):
    await asyncio.sleep(NAP)
    done(payload["id"])


class Adapter:
    """What a producer calls; ``broker`` is what taskiq's command finds."""

    def __init__(self, broker):
        if SETTINGS == "tuned":
            self.broker = broker.with_serializer(ORJSONSerializer())
        else:
            self.broker = broker.with_result_backend(RedisAsyncResultBackend(URL))
        self._send = self.broker.task(task_name="send")(send)
        self._nap = self.broker.task(task_name="nap")(nap_job)

    async def open(self):
        await self.broker.startup()

    async def close(self):
        await self.broker.shutdown()

    async def one(self, payload):
        await self._send.kiq(payload)

    async def nap(self, payload):
        await self._nap.kiq(payload)
