"""A look at a server past the driver: commands as an operator sends them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis

__all__ = ["Outside", "outside"]


class Outside:
    """A connection of the tests' own."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def ask(self, *words: str | int | bytes) -> Any:
        """The reply to one command."""
        return await self._client.execute_command(*words)

    async def keys(self, pattern: str = "*") -> set[str]:
        """The names of all keys that match."""
        return {key.decode() async for key in self._client.scan_iter(match=pattern)}

    async def clients(self) -> list[dict[str, str]]:
        """Who is connected."""
        return list(await self._client.client_list())

    async def calls(self, *commands: str) -> list[int]:
        """How often each of these commands was called so far."""
        stats = await self._client.info("commandstats")
        return [stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in commands]

    async def connections_received(self) -> int:
        """How many connections there have been."""
        return int((await self._client.info("stats"))["total_connections_received"])


@asynccontextmanager
async def outside(url: str) -> AsyncGenerator[Outside, None]:
    """A connection for the length of a block."""
    client: Any = Redis.from_url(url)  # pyright: ignore[reportUnknownMemberType]
    try:
        yield Outside(client)
    finally:
        await client.aclose()
