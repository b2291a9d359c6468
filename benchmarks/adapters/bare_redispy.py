"""The bare loops over redis-py."""
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from redis.asyncio import Redis

from benchmarks.adapters.bare import Adapter
from benchmarks.adapters.bare_store import ACTIVE, ENQUEUE, EXCHANGE, READY
from benchmarks.payload import URL

__all__ = ["adapter", "make_store"]


class RedisPy:
    """Over redis-py."""

    def __init__(self) -> None:
        self._client = Redis.from_url(URL)

    async def open(self) -> None:
        self._enqueue, self._exchange = [str(await self._client.script_load(text)) for text in (ENQUEUE, EXCHANGE)]

    async def close(self) -> None:
        await self._client.aclose()

    async def push(self, job: bytes) -> None:
        await self._client.evalsha(self._enqueue, 1, READY, job)

    async def push_many(self, jobs: Sequence[bytes]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for job in jobs:
            pipeline.evalsha(self._enqueue, 1, READY, job)
        await pipeline.execute()

    async def exchange(self, done: Sequence[bytes], limit: int) -> list[bytes]:
        found = await self._client.evalsha(self._exchange, 2, READY, ACTIVE, limit, *done)
        return cast("list[bytes]", found)

    async def wait(self) -> bytes | None:
        found = cast("list[bytes] | None", await self._client.blpop([READY], timeout=1))
        return found[1] if found else None


make_store = RedisPy
adapter = Adapter(RedisPy())
