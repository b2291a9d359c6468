"""Ways to the nodes of a cluster: which node holds a slot, as the nodes themselves say it; it knows no verb.

Each partition has a way of its own, and with it the node that held its slot when it was last used. What a node refuses
because the slot is elsewhere, on its way or without a primary was not executed, and is sent again. All else is core's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import Any

from redis.exceptions import RedisError

from flowli.errors import DriverError, DriverUnavailable
from flowli.resp.addresses import Address
from flowli.resp.gate import Gate
from flowli.resp.hearing import Heard, Hearing
from flowli.resp.namespace import Plain, Request
from flowli.resp.redirects import ride_out
from flowli.resp.refusals import unreachable
from flowli.resp.scripts import Call
from flowli.resp.slots import slot_of
from flowli_redis.failures import code
from flowli_redis.links import CONNECT_SECONDS, Link, Settings
from flowli_redis.listening import Listener
from flowli_redis.transport import RedisTransport, answers

__all__ = ["ClusterWays", "Way"]

_ASKING = Plain(("ASKING",))
_Ask = Callable[[RedisTransport, Sequence[Request]], Awaitable[list[Any]]]


class ClusterWays:
    """The connections of one driver in one loop: some to each node that holds a partition, one for messages."""

    def __init__(self, settings: Settings, channel: str) -> None:
        self.settings = settings
        self._channel = channel
        self._gate = Gate(settings.where)
        self._hearing = Hearing(channel, self._gate)
        self._listener = Listener(self._open_any, settings.where, self._hearing)
        self._nodes: dict[Address, RedisTransport] = {}
        self._known = dict.fromkeys(settings.nodes)
        self._ways: dict[int, Way] = {}

    def check(self) -> None:
        """DriverClosed after `close`, and in a fork of the process that opened the connections."""
        self._gate.check()

    def towards(self, key: str) -> Way:
        """The way to the node that holds a key."""
        slot = slot_of(key)
        return self._ways.setdefault(slot, Way(self, slot))

    def node(self, address: Address) -> RedisTransport:
        """The connections to one node."""
        self.check()
        self._known.setdefault(address)
        if address not in self._nodes:
            self._nodes[address] = RedisTransport(self.settings.at(address), self._channel)
        return self._nodes[address]

    async def owner(self, slot: int) -> Address:
        """Which node holds a slot, as the first says that can be asked; DriverUnavailable if none says so."""
        for told_by in list(self._known):
            with suppress(DriverUnavailable):
                (reply,) = await self.node(told_by).run([Plain(("CLUSTER", "SLOTS"))], writes=False)
                holders = {range(begin, end + 1): self._told(nodes, told_by) for begin, end, *nodes in reply}
                for held, holder in holders.items():
                    if slot in held:
                        return holder
        raise unreachable(self.settings.where, "no node says who holds the keys of the prefix")

    def _told(self, nodes: Sequence[Any], told_by: Address) -> Address:
        """The primary of these; they may be asked as well from now on."""
        addresses = [self.address(node[0], node[1], told_by) for node in nodes]
        self._known |= dict.fromkeys(addresses)
        return addresses[0]

    def address(self, host: bytes | str | None, port: int, told_by: Address) -> Address:
        """An address as a node told it: without a host it is that of the node itself."""
        text = host.decode() if isinstance(host, bytes) else host
        return self.settings.reached(Address(text if text and text != "?" else told_by.host, port))

    @asynccontextmanager
    async def listen(self, ids: Collection[str]) -> AsyncGenerator[Heard, None]:
        """Hear of the outcomes of these jobs: the nodes pass messages on to each other."""
        self.check()
        with self._hearing.of(ids) as heard:
            async with self._gate.within(2 * CONNECT_SECONDS, writes=False):
                await self._listener.start(CONNECT_SECONDS)
            yield heard

    async def close(self) -> None:
        """End what is under way with DriverClosed, and every connection. In a fork the parent's are left alone."""
        shut = self._gate.shut()
        for node in self._nodes.values():
            await node.close()
        if shut:
            await self._listener.stop()

    async def _open_any(self) -> Link:
        for address in list(self._known):
            with suppress(DriverError, RedisError, OSError):
                return await Link.open(self.settings.at(address))
        raise unreachable(self.settings.where, "no node can be reached")


class Way:
    """The way to the node that holds one slot."""

    def __init__(self, ways: ClusterWays, slot: int) -> None:
        self._ways, self._slot = ways, slot
        self._owner: Address | None = None
        self._asks: Address | None = None
        """Where what was refused last has to be asked for, once."""
        self._learning = asyncio.Lock()

    async def run(self, requests: Sequence[Request], *, writes: bool, waits: float = 0.0) -> Sequence[Any]:
        """The replies to requests sent together, on a connection that nothing waits on."""

        async def ask(node: RedisTransport, some: Sequence[Request]) -> list[Any]:
            return await node.ask(some, writes=writes, waits=waits)

        replies = await ride_out(requests, partial(self._send, ask), code)
        return answers(self._ways.settings.where, replies, writes=writes)

    async def idle(self, keys: Sequence[str], seconds: float, call: Call) -> tuple[Any, Any]:
        """Pop a token, asleep, and claim in the same flight."""

        async def doze(node: RedisTransport, some: Sequence[Request]) -> list[Any]:
            return await node.doze(some, seconds)

        pop = Plain(("BZPOPMIN", *keys, f"{seconds:.3f}"))
        replies = await ride_out([pop, call], partial(self._send, doze), code)
        popped, reply = answers(self._ways.settings.where, replies, writes=True)
        return popped, reply

    def listen(self, ids: Collection[str]) -> AbstractAsyncContextManager[Heard]:
        """Messages come from everywhere."""
        return self._ways.listen(ids)

    async def _send(self, ask: _Ask, requests: Sequence[Request]) -> list[Any]:
        owner, asks = await self._whom(), self._asks
        self._asks = None
        try:
            if asks is None:
                replies = await ask(self._ways.node(owner), requests)
            else:
                replies = await ask(self._ways.node(asks), list(_each_asking(requests)))
                replies = replies[1::2]
        except DriverUnavailable:
            self._owner = None
            raise
        self._heed(owner, replies)
        return replies

    async def _whom(self) -> Address:
        async with self._learning:
            if self._owner is None:
                self._owner = await self._ways.owner(self._slot)
            return self._owner

    def _heed(self, owner: Address, replies: Sequence[Any]) -> None:
        for reply in replies:
            match code(reply):
                case "MOVED":
                    self._owner = self._ways.address(*_address(reply), owner)
                case "ASK":
                    self._asks = self._ways.address(*_address(reply), owner)
                case "CLUSTERDOWN":
                    self._owner = None
                case _:
                    pass


def _address(reply: Any) -> tuple[str, int]:
    """Where a node says that a slot is. A MovedError is an AskError."""
    address: tuple[str, int] = reply.node_addr
    return address


def _each_asking(requests: Sequence[Request]) -> Iterator[Request]:
    for request in requests:
        yield _ASKING
        yield request
