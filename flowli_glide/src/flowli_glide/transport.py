"""Requests, waits and messages over GLIDE clients; it knows which client serves what, and no verb."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from time import monotonic
from typing import Any

from glide import GlideError, PubSubMsg, RequestError

from flowli.errors import DriverError
from flowli.resp.gate import Gate
from flowli.resp.hearing import Heard, Hearing
from flowli.resp.namespace import Plain, Request
from flowli.resp.redirects import RIDE_SECONDS, ride_out
from flowli.resp.refusals import lost
from flowli.resp.scripts import Arg, Call
from flowli.resp.sending import Speller
from flowli_glide.failures import code, is_missing_script, is_not_primary, no_reply, refusal
from flowli_glide.links import Link
from flowli_glide.settings import CONNECT_SECONDS, REPLY_SECONDS, Settings

__all__ = ["GlideTransport", "Way"]

_MOST_CALLS = 256
"""Under way at once; more wait here for their turn."""
_MOST_PATIENT = 4
"""Calls that wait to be confirmed at once: each has a client to itself, since a server answers what was sent behind
them only after them."""
_GRACE_SECONDS = 1.0
"""For GLIDE to say itself that a call took too long; it may fail to (valkey-glide #6673)."""


class GlideTransport:
    """The clients of one driver in one loop: one for requests, one for each wait, one for messages.

    What waits, for work or to be confirmed, has a client to itself: a client sends everything over one connection."""

    def __init__(self, settings: Settings, channel: str) -> None:
        self._settings = settings
        self._gate = Gate(settings.where)
        self._ways: dict[str, Way] = {}
        self._slots = asyncio.Semaphore(_MOST_CALLS)
        self._patient_slots = asyncio.Semaphore(_MOST_PATIENT)
        self._connecting = asyncio.Lock()
        self._subscribing = asyncio.Lock()
        self._main: Link | None = None
        self._ear: Link | None = None
        self._sleepers: list[Link] = []
        self._links: set[Link] = set()
        self._hearing = Hearing(channel, self._gate)

    def check(self) -> None:
        """DriverClosed after `close`, and in a fork of the process that opened the connections."""
        self._gate.check()

    def towards(self, key: str) -> Way:
        """The way to the node that holds a key. On one server that is always the same."""
        key = key if self._settings.is_cluster else ""
        return self._ways.setdefault(key, Way(self, key))

    async def run(self, way: Way, requests: Sequence[Request], *, writes: bool, waits: float = 0.0) -> Sequence[Any]:
        """The replies to requests sent together, over the connection that all calls share unless the last one waits."""
        self.check()
        if waits:
            async with self._patient_slots:
                return self._answers(await self._alone(way, requests, waits, writes=writes), writes=writes)
        async with self._gate.within(RIDE_SECONDS + CONNECT_SECONDS + 3 * REPLY_SECONDS, writes=writes), self._slots:
            link = await self._shared()
            began = monotonic()
            try:
                replies = await self._converse(link, way, requests, REPLY_SECONDS, writes=writes)
            except DriverError:
                await self._distrust(began)
                raise
            if any(map(is_not_primary, replies)):
                await self._distrust(began)
        return self._answers(replies, writes=writes)

    async def idle(self, way: Way, keys: Sequence[str], seconds: float, call: Call) -> tuple[Any, Any]:
        """Pop a token, asleep, and claim in the same flight. An interruption ends the client: both are taken back."""
        self.check()
        pop = Plain(("BZPOPMIN", *keys, f"{seconds:.3f}"))
        popped, reply = self._answers(await self._alone(way, [pop, call], seconds, writes=True), writes=True)
        return popped, reply

    async def _alone(self, way: Way, requests: Sequence[Request], seconds: float, *, writes: bool) -> Sequence[Any]:
        """The replies over a client that no other call uses meanwhile, where one request waits for ``seconds``."""
        limit = 2 * seconds + RIDE_SECONDS + CONNECT_SECONDS + 3 * REPLY_SECONDS
        async with self._gate.within(limit, writes=writes):
            link = self._sleepers.pop() if self._sleepers else await self._open()
            began = monotonic()
            try:
                replies = await self._converse(link, way, requests, seconds + REPLY_SECONDS, writes=writes)
            except DriverError:
                await self._drop(link)
                await self._distrust(began)
                raise
            except BaseException:
                await self._drop(link)
                raise
            self._sleepers.append(link)
            if any(map(is_not_primary, replies)):
                await self._distrust(began)
        return replies

    @asynccontextmanager
    async def listen(self, ids: Collection[str]) -> AsyncGenerator[Heard, None]:
        """Hear of the outcomes of these jobs, over the one subscription of this driver."""
        self.check()
        with self._hearing.of(ids) as heard:
            with suppress(DriverError):  # readers look again by themselves
                await self._subscribe()
            self.check()
            yield heard

    async def close(self) -> None:
        """End what is under way with DriverClosed, and every client. In a fork the parent's are left alone."""
        if not self._gate.shut():
            return
        links, self._links = list(self._links), set()
        for link in links:
            await link.close()
        for link in links:
            await link.settled()

    async def _open(self, *, hear: bool = False) -> Link:
        key = next(iter(self._ways))
        link = await Link.open(self._settings, key, self._hear_in(asyncio.get_running_loop()) if hear else None)
        if self._gate.is_shut:
            await link.close()
            self.check()
        self._links.add(link)
        return link

    async def _drop(self, link: Link) -> None:
        self._links.discard(link)
        await link.close()

    async def _shared(self) -> Link:
        async with self._connecting:
            if self._main is None:
                for way in self._ways.values():
                    way.speller.forget()
                self._main = await self._open()
            return self._main

    async def _distrust(self, began: float) -> None:
        """A call that began then has failed: the next ones connect anew. GLIDE's own reconnecting would have them wait
        their time out, and leave unknown whether they were sent."""
        main = self._main
        if main is not None and main.born <= began:
            self._main = None
            await main.retire()
        old = [link for link in self._sleepers if link.born <= began]
        self._sleepers = [link for link in self._sleepers if link.born > began]
        for link in old:
            await self._drop(link)
        self._links = {link for link in self._links if link.alive}

    async def _subscribe(self) -> None:
        async with self._gate.within(CONNECT_SECONDS + 2 * REPLY_SECONDS, writes=False), self._subscribing:
            if self._ear is not None:
                return
            link = await self._open(hear=True)
            try:
                await link.subscribe(self._hearing.channel)
            except GlideError as error:
                await self._drop(link)
                raise no_reply(self._settings.where, error, maybe_written=False) from None
            except BaseException:
                await self._drop(link)
                raise
            self._ear = link

    def _hear_in(self, loop: asyncio.AbstractEventLoop) -> Callable[[PubSubMsg], None]:
        def hear(message: PubSubMsg) -> None:
            text = message.message
            job_id = text if isinstance(text, str) else bytes(text).decode()
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._hearing.tell, job_id)

        return hear

    async def _converse(
        self, link: Link, way: Way, requests: Sequence[Request], seconds: float, *, writes: bool
    ) -> list[Any]:
        async def send(commands: Sequence[tuple[Arg, ...]]) -> list[Any]:
            async with asyncio.timeout(seconds + _GRACE_SECONDS):
                return await link.send(commands, way.key, seconds)

        async def spell(some: Sequence[Request]) -> list[Any]:
            return await way.speller.send(some, send, is_missing_script)

        try:
            return await ride_out(requests, spell, code)
        except GlideError as error:
            self.check()
            raise no_reply(self._settings.where, error, maybe_written=writes) from None
        except TimeoutError as error:
            self.check()
            raise lost(self._settings.where, type(error).__name__, maybe_written=writes) from None

    def _answers(self, replies: Sequence[Any], *, writes: bool) -> Sequence[Any]:
        for reply in replies:
            if isinstance(reply, RequestError):
                raise refusal(self._settings.where, reply, maybe_written=writes and len(replies) > 1) from None
        return replies


class Way:
    """The way to the node that holds one key, over the clients of all."""

    def __init__(self, transport: GlideTransport, key: str) -> None:
        self._transport = transport
        self.key = key
        self.speller = Speller()

    async def run(self, requests: Sequence[Request], *, writes: bool, waits: float = 0.0) -> Sequence[Any]:
        """`GlideTransport.run`, to there."""
        return await self._transport.run(self, requests, writes=writes, waits=waits)

    async def idle(self, keys: Sequence[str], seconds: float, call: Call) -> tuple[Any, Any]:
        """`GlideTransport.idle`, to there."""
        return await self._transport.idle(self, keys, seconds, call)

    def listen(self, ids: Collection[str]) -> AbstractAsyncContextManager[Heard]:
        """`GlideTransport.listen`: messages come from everywhere."""
        return self._transport.listen(ids)
