"""A client of our own, as one connection; it knows how GLIDE is called safely, and no script or verb.

A call is never cancelled inside GLIDE, whose reply pipe may be resolving it at that moment in another thread: callers
are shielded, and what they leave behind runs out by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from time import monotonic
from typing import Any

from glide import (
    Batch,
    BatchOptions,
    ClusterBatch,
    ClusterBatchOptions,
    GlideClient,
    GlideClientConfiguration,
    GlideClusterClient,
    GlideClusterClientConfiguration,
    GlideError,
    PubSubMsg,
    SlotKeyRoute,
    SlotType,
)

from flowli.resp.scripts import Arg
from flowli_glide.delivery import deliver_in_a_thread
from flowli_glide.failures import cannot_connect
from flowli_glide.settings import CONNECT_SECONDS, REPLY_SECONDS, Client, Settings

__all__ = ["Link"]

_Words = tuple[Arg, ...]


class Link:
    """One client of GLIDE's, which has one connection to the server, or to each node of a cluster."""

    def __init__(self, client: Client) -> None:
        self._client: Any = client
        self._is_cluster = isinstance(client, GlideClusterClient)
        self._under_way: set[asyncio.Task[Any]] = set()
        self._retired = False
        self.alive = True
        self.born = monotonic()

    @classmethod
    async def open(cls, settings: Settings, key: str, hear: Callable[[PubSubMsg], None] | None = None) -> Link:
        """Connect and greet, within CONNECT_SECONDS, or raise DriverUnavailable: nothing was sent."""
        deliver_in_a_thread()
        link = cls(await _client_of(settings, hear))
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                (pong,) = await link.send([("PING",)], key, REPLY_SECONDS)
                if isinstance(pong, GlideError):
                    raise pong
        except (GlideError, TimeoutError) as error:
            await link.close()
            raise cannot_connect(settings.where, error) from None
        except BaseException:
            await link.close()
            raise
        return link

    async def send(self, commands: Sequence[_Words], key: str, seconds: float) -> list[Any]:
        """The replies to commands sent together to the node that holds the key; an error of the server's is among them,
        not raised."""
        replies: list[Any] = await self._shielded(self._exec(commands, key, int(seconds * 1000)))
        return replies

    async def _shielded(self, call: Coroutine[Any, Any, Any]) -> Any:
        task = asyncio.get_running_loop().create_task(call)
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def _exec(self, commands: Sequence[_Words], key: str, milliseconds: int) -> list[Any]:
        batch: Any
        options: Any
        if self._is_cluster:
            route = SlotKeyRoute(SlotType.PRIMARY, key)
            batch, options = ClusterBatch(is_atomic=False), ClusterBatchOptions(milliseconds, route)
        else:
            batch, options = Batch(is_atomic=False), BatchOptions(milliseconds)
        for words in commands:
            batch.custom_command([str(word) if isinstance(word, int) else word for word in words])
        replies: list[Any] = await self._client.exec(batch, raise_on_error=False, options=options)
        return replies

    async def subscribe(self, channel: str) -> None:
        """Hear of one channel, from now on and over every reconnection."""
        await self._shielded(self._client.subscribe({channel}, int(REPLY_SECONDS * 1000)))

    async def retire(self) -> None:
        """Close as soon as nothing is under way: others may still have an answer from it."""
        self._retired = True
        if not self._under_way:
            await self.close()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # of a call that its caller has left: nobody else asks for it
        if self._retired and not self._under_way and self.alive:
            asyncio.get_running_loop().create_task(self.close())

    async def close(self) -> None:
        """Drop the connection at once: a server that has not run a command yet will not run it."""
        self.alive = False
        await self._client.close()

    async def settled(self) -> None:
        """Wait until nothing of a closed link is under way."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=REPLY_SECONDS)


async def _client_of(settings: Settings, hear: Callable[[PubSubMsg], None] | None) -> Client:
    config = settings.own()
    if isinstance(config, GlideClusterClientConfiguration):
        if hear is not None:
            config.pubsub_subscriptions = config.PubSubSubscriptions({}, lambda message, _: hear(message), None)
        return await GlideClusterClient.create(config)
    if hear is not None:
        subscriptions = GlideClientConfiguration.PubSubSubscriptions({}, lambda message, _: hear(message), None)
        config.pubsub_subscriptions = subscriptions
    return await GlideClient.create(config)
