"""The redis-py driver: opening, closing, and the verbs handed on; it knows what it needs of a server, and no key."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Mapping, Sequence

from redis.asyncio import Redis

from flowli.driver import (
    Ability,
    Act,
    Acted,
    Change,
    Changed,
    Claim,
    Enqueued,
    Exchanged,
    Hold,
    Millis,
    NewJob,
    Overview,
    Renewal,
    RunnerNote,
    Settlement,
    Slice,
    State,
    StoredJob,
    StoredSchedule,
    Turn,
)
from flowli.errors import DriverClosed
from flowli.resp import exchanging, reading, scheduling, writing
from flowli.resp.keys import Keys
from flowli.resp.namespace import Namespace
from flowli_redis.greeting import greet
from flowli_redis.links import Settings
from flowli_redis.transport import RedisTransport

__all__ = ["RedisDriver"]


class RedisDriver:
    """Keeps jobs in Redis (6.2 or newer) or Valkey, below one prefix, through redis-py.

    ``source`` is a URL (``redis://``, ``rediss://``, ``unix://``) or a ``redis.asyncio.Redis``, whose settings are
    taken; the driver opens connections of its own and never uses or closes the client's. Drivers with the same
    store and prefix see the same jobs. `open` refuses a server that may evict keys, unless ``allow_eviction`` is
    set: then a full server may drop jobs. DefinitionError for a prefix that is not 1 to 64 letters, digits, ``_``,
    ``.`` or ``-``.
    """

    def __init__(self, source: str | Redis, *, prefix: str = "default", allow_eviction: bool = False) -> None:
        self._source = source
        self._settings = Settings.of(source)
        self._keys = Keys(prefix)
        self._allow_eviction = allow_eviction
        self._transport: RedisTransport | None = None
        self._namespace: Namespace | None = None
        self._opening = asyncio.Lock()

    def __str__(self) -> str:
        return f"{self._settings.where} prefix={self._keys.prefix}"

    def __repr__(self) -> str:
        return f"<RedisDriver {self}>"

    @property
    def abilities(self) -> frozenset[Ability]:
        """None yet."""
        return frozenset()

    @property
    def process_local(self) -> bool:
        """False: every process reaches the server."""
        return False

    async def open(self) -> None:
        """Connect, and refuse a server that is too old, may evict jobs, or holds another layout. Idempotent."""
        async with self._opening:
            if self._transport is not None:
                self._transport.check()
                return
            transport = RedisTransport(self._settings, self._keys.channel(f"{os.getpid()}-{secrets.token_hex(8)}"))
            try:
                await greet(transport, self._keys, self._settings.where, allow_eviction=self._allow_eviction)
            except BaseException:
                await transport.close()
                raise
            self._transport, self._namespace = transport, Namespace(self._keys, transport)

    async def close(self) -> None:
        """End waiting calls with DriverClosed and close the driver's own connections. Idempotent."""
        transport, self._transport, self._namespace = self._transport, None, None
        self._opening = asyncio.Lock()  # a lock belongs to its first loop; the next `open` may come from another
        if transport is not None:
            await transport.close()

    def twin(self) -> RedisDriver:
        """A closed driver on the same store, with connections of its own."""
        return RedisDriver(self._source, prefix=self._keys.prefix, allow_eviction=self._allow_eviction)

    @property
    def _space(self) -> Namespace:
        if self._transport is None or self._namespace is None:
            raise DriverClosed(f"The driver of {self} is not open; `async with` the runtime, or await open().")
        self._transport.check()
        return self._namespace

    async def enqueue(
        self, jobs: Sequence[NewJob], *, turn: Turn | None = None, now: Millis | None = None
    ) -> Sequence[Enqueued]:
        return await writing.enqueue(self._space, jobs, turn=turn, now=now)

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        return await exchanging.exchange(self._space, settlements, claim, now=now)

    async def renew(
        self, holds: Sequence[Hold], lease_for: Millis | None, *, now: Millis | None = None
    ) -> Sequence[Renewal]:
        return await writing.renew(self._space, holds, lease_for, now=now)

    async def act(self, acts: Sequence[Act], *, now: Millis | None = None) -> Sequence[Acted]:
        return await writing.act(self._space, acts, now=now)

    async def outcomes(
        self, ids: Sequence[str], *, wait: Millis = Millis(0), now: Millis | None = None
    ) -> Mapping[str, StoredJob | None]:
        return await reading.outcomes(self._space, ids, wait=wait, now=now)

    async def get_jobs(self, ids: Sequence[str], *, now: Millis | None = None) -> Sequence[StoredJob | None]:
        return await reading.get_jobs(self._space, ids, now=now)

    async def list_jobs(
        self,
        state: State,
        *,
        queue: str | None = None,
        limit: int,
        cursor: str | None = None,
        now: Millis | None = None,
    ) -> Slice[StoredJob]:
        return await reading.list_jobs(self._space, state, queue=queue, limit=limit, cursor=cursor, now=now)

    async def overview(self, queues: Sequence[str] | None = None, *, now: Millis | None = None) -> Overview:
        return await reading.overview(self._space, queues, now=now)

    async def announce(self, note: RunnerNote, *, now: Millis | None = None) -> None:
        await writing.announce(self._space, note, now=now)

    async def change_schedules(self, changes: Sequence[Change], *, now: Millis | None = None) -> Sequence[Changed]:
        return await scheduling.change_schedules(self._space, changes, now=now)

    async def get_schedules(self, keys: Sequence[str]) -> Sequence[StoredSchedule | None]:
        return await scheduling.get_schedules(self._space, keys)

    async def list_schedules(
        self, *, due: bool = False, limit: int, cursor: str | None = None, now: Millis | None = None
    ) -> Slice[StoredSchedule]:
        return await scheduling.list_schedules(self._space, due=due, limit=limit, cursor=cursor, now=now)
