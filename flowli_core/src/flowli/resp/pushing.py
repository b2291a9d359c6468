"""Tokens at home for what lies in other partitions, so that idle runners come for it; it knows no job.

A runner sleeps at home. A script elsewhere cannot reach the keys there, so the driver pushes the token behind it,
without anybody waiting for it. A token that is lost costs the runners that are idle a round of looking, never a job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from flowli.errors import DriverError
from flowli.resp.namespace import Namespace, Plain

__all__ = ["Pusher"]

_LAST_SECONDS = 1.0


class Pusher:
    """Pushes what has gathered while the push before was under way."""

    def __init__(self, home: Namespace) -> None:
        self._home = home
        self._waiting: dict[str, set[int]] = {}
        self._task: asyncio.Task[None] | None = None

    def push(self, queues: Collection[str], partition: int) -> None:
        """Say that a partition other than home may have work in these queues."""
        if partition == 0 or not queues:
            return
        for queue in queues:
            self._waiting.setdefault(queue, set()).add(partition)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._go_on(), name="flowli tokens")

    async def _go_on(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, {}
            requests = [
                Plain(
                    ("ZADD", self._home.keys.wake(queue), *(word for number in sorted(parts) for word in (0, number)))
                )
                for queue, parts in waiting.items()
            ]
            try:
                await self._home.transport.run(requests, writes=True)
            except DriverError:
                return  # idle runners look in every partition, one after the other

    async def close(self) -> None:
        """Push what is left, for a second at most."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=_LAST_SECONDS)
            self._task.cancel()
