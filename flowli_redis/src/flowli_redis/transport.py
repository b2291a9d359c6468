"""Requests, waits and messages over redis-py connections; it knows which connection serves what, and no verb."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from redis.exceptions import RedisError, ResponseError

from flowli.resp.gate import Gate
from flowli.resp.hearing import Heard, Hearing
from flowli.resp.namespace import Plain, Request
from flowli.resp.refusals import lost
from flowli.resp.scripts import Call
from flowli.resp.sending import Speller
from flowli_redis.failures import is_missing_script, is_not_primary, refusal
from flowli_redis.links import CONNECT_SECONDS, Link, Settings
from flowli_redis.listening import Listener
from flowli_redis.patience import Patience

__all__ = ["RedisTransport", "answers"]

_REPLY_SECONDS = 5.0
_MOST_LINKS = 16
_LOOK_SECONDS = 0.01
"""Between two looks at a store in this process, whose blocking commands cannot be taken back."""


class RedisTransport:
    """The connections of one driver in one loop: up to 16 for requests, as many for those that wait to be confirmed,
    one for each waiting claim, one for messages."""

    def __init__(self, settings: Settings, channel: str) -> None:
        self._settings = settings
        self._gate = Gate(settings.where)
        self._slots = asyncio.Semaphore(_MOST_LINKS)
        self._patient_slots = asyncio.Semaphore(_MOST_LINKS)
        self._idle: list[Link] = []
        self._sleepers: list[Link] = []
        self._patience = Patience()
        self._hearing = Hearing(channel, self._gate)
        self._listener = Listener(partial(Link.open, settings), settings.where, self._hearing)
        self._speller = Speller()

    def check(self) -> None:
        """DriverClosed after `close`, and in a fork of the process that opened the connections."""
        self._gate.check()

    async def run(self, requests: Sequence[Request], *, writes: bool, waits: float = 0.0) -> Sequence[Any]:
        """The replies to requests sent together, on a connection that nothing waits on."""
        replies = await self.ask(requests, writes=writes, waits=waits)
        return answers(self._settings.where, replies, writes=writes)

    async def ask(self, requests: Sequence[Request], *, writes: bool, waits: float = 0.0) -> list[Any]:
        """As `run`, with the errors of the server among the replies."""
        self.check()
        seconds, slots = _REPLY_SECONDS + waits, self._patient_slots if waits else self._slots
        async with slots:
            link = await self._take(self._idle)
            replies = await self._converse(link, requests, seconds, writes=writes)
            await self._give_back(link, self._idle, replies)
        return replies

    def towards(self, key: str) -> RedisTransport:
        """There is one server, and one way."""
        del key
        return self

    async def idle(self, keys: Sequence[str], seconds: float, call: Call) -> tuple[Any, Any]:
        """Pop a token, asleep, and claim in the same flight, so that nothing lies between waking and claiming."""
        self.check()
        if self._settings.in_process:
            return await self._look(keys, seconds, call)
        pop = Plain(("BZPOPMIN", *keys, f"{seconds:.3f}"))
        popped, reply = answers(self._settings.where, await self.doze([pop, call], seconds), writes=True)
        return popped, reply

    async def doze(self, requests: Sequence[Request], seconds: float) -> list[Any]:
        """As `ask`, on a connection of its own, where one of the requests sleeps for up to ``seconds``."""
        self.check()
        link = await self._take(self._sleepers)
        replies = await self._converse(link, requests, seconds + _REPLY_SECONDS, writes=True)
        await self._give_back(link, self._sleepers, replies)
        return replies

    async def _look(self, keys: Sequence[str], seconds: float, call: Call) -> tuple[Any, Any]:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end and (await self.run([Plain(("EXISTS", *keys))], writes=False))[0] == 0:
            async with self._gate.within(seconds + _REPLY_SECONDS, writes=False):
                await asyncio.sleep(min(_LOOK_SECONDS, max(end - loop.time(), 0)))
        for key in keys:
            member, *score = (await self.run([Plain(("ZPOPMIN", key))], writes=True))[0] or [None]
            if score:
                return [key, member, *score], (await self.run([call], writes=True))[0]
        return None, (await self.run([call], writes=True))[0]

    @asynccontextmanager
    async def listen(self, ids: Collection[str]) -> AsyncGenerator[Heard, None]:
        """Hear of the outcomes of these jobs, over the one subscription of this driver."""
        self.check()
        with self._hearing.of(ids) as heard:
            async with self._gate.within(2 * CONNECT_SECONDS, writes=False):
                await self._listener.start(CONNECT_SECONDS)
            yield heard

    async def close(self) -> None:
        """End what is under way with DriverClosed, and every connection. In a fork the parent's are left alone."""
        if not self._gate.shut():
            return
        self._patience.lose()
        await self._listener.stop()
        await self._drop_idle_links()

    async def _take(self, links: list[Link]) -> Link:
        while links:
            link = links.pop()
            if not link.has_ended:
                return link
            await link.close()
        self.check()  # the driver may have been closed while this call waited for a slot
        async with self._gate.within(2 * CONNECT_SECONDS, writes=False):
            return await Link.open(self._settings)

    async def _give_back(self, link: Link, links: list[Link], replies: Sequence[Any]) -> None:
        if self._gate.is_shut:
            await link.close()
        elif any(map(is_not_primary, replies)):
            await link.close()
            await self._drop_idle_links()
        else:
            links.append(link)

    async def _converse(self, link: Link, requests: Sequence[Request], seconds: float, *, writes: bool) -> list[Any]:
        self._patience.begin(link, seconds)
        try:
            return await self._speller.send(requests, link.send, is_missing_script)
        except (RedisError, OSError) as error:
            self.check()
            self._speller.forget()
            await self._drop_idle_links()
            reason = "TimeoutError" if link.was_given_up else type(error).__name__
            raise lost(self._settings.where, reason, maybe_written=writes) from None
        finally:
            self._patience.end(link)

    async def _drop_idle_links(self) -> None:
        """What ended one connection has most likely ended those that were idle."""
        links = [*self._idle, *self._sleepers]
        self._idle.clear()
        self._sleepers.clear()
        for link in links:
            await link.close()


def answers(where: str, replies: Sequence[Any], *, writes: bool) -> Sequence[Any]:
    """The replies, if none is an error of the server's; else that error, as Flowli's."""
    for reply in replies:
        if isinstance(reply, ResponseError):
            raise refusal(where, reply, maybe_written=writes and len(replies) > 1) from None
    return replies
