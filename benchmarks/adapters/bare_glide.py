"""The bare loops over Valkey GLIDE."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import cast
from urllib.parse import urlsplit

from glide import Batch, GlideClient, GlideClientConfiguration, NodeAddress

from benchmarks.adapters.bare import Adapter
from benchmarks.adapters.bare_store import ACTIVE, ENQUEUE, EXCHANGE, READY
from benchmarks.payload import URL

__all__ = ["adapter", "make_store"]


class Glide:
    """Over Valkey GLIDE, with a second client for the wait, as its documentation asks."""

    async def open(self) -> None:
        where = urlsplit(URL)
        config = GlideClientConfiguration([NodeAddress(where.hostname or "127.0.0.1", where.port or 6379)])
        self._client, self._waiting = await GlideClient.create(config), await GlideClient.create(config)
        loaded = [await self._client.custom_command(["SCRIPT", "LOAD", text]) for text in (ENQUEUE, EXCHANGE)]
        self._enqueue, self._exchange = cast("list[bytes]", loaded)

    async def close(self) -> None:
        await self._client.close()
        await self._waiting.close()

    async def push(self, job: bytes) -> None:
        await self._client.custom_command(["EVALSHA", self._enqueue, "1", READY, job])

    async def push_many(self, jobs: Sequence[bytes]) -> None:
        batch = Batch(is_atomic=False)
        for job in jobs:
            batch.custom_command(["EVALSHA", self._enqueue, "1", READY, job])
        await self._client.exec(batch, raise_on_error=True)

    async def exchange(self, done: Sequence[bytes], limit: int) -> list[bytes]:
        found = await self._client.custom_command(["EVALSHA", self._exchange, "2", READY, ACTIVE, str(limit), *done])
        return cast("list[bytes]", found)

    async def wait(self) -> bytes | None:
        found = await self._waiting.blpop([READY], timeout=1)
        return found[1] if found else None


make_store = Glide
adapter = Adapter(Glide())
