"""A driver over a `Transport`: opening, closing, and the verbs handed on; it knows no key and no client library."""

from __future__ import annotations

import asyncio
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Protocol

from flowli.driver import (
    Ability,
    Act,
    Acted,
    Change,
    Changed,
    Claim,
    Enqueued,
    Examination,
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
from flowli.resp import examining, exchanging, reading, scheduling, writing
from flowli.resp.greeting import greet
from flowli.resp.keys import Keys
from flowli.resp.namespace import Namespace, Transport

__all__ = ["Connected", "RespDriver"]


class Connected(Transport, Protocol):
    """A transport with connections of its own."""

    def check(self) -> None:
        """DriverClosed after `close`, and in a fork of the process that opened the connections."""

    async def close(self) -> None:
        """End what is under way with DriverClosed, and every connection. Idempotent."""


class RespDriver(ABC):
    """What the drivers of all client libraries share. Each says by `_connect` how it reaches the store."""

    def __init__(self, where: str, prefix: str, *, allow_eviction: bool) -> None:
        self._where = where
        self._keys = Keys(prefix)
        self._allow_eviction = allow_eviction
        self._transport: Connected | None = None
        self._namespace: Namespace | None = None
        self._opening = asyncio.Lock()

    @abstractmethod
    def _connect(self, channel: str) -> Connected:
        """A transport that connects when it is first used, and hears of outcomes on ``channel``."""

    @abstractmethod
    def twin(self) -> RespDriver:
        """A closed driver on the same store, with connections of its own."""

    def __str__(self) -> str:
        return f"{self._where} prefix={self._keys.prefix}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    @property
    def abilities(self) -> frozenset[Ability]:
        """EXAMINE."""
        return frozenset({Ability.EXAMINE})

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
            transport = self._connect(self._keys.channel(f"{os.getpid()}-{secrets.token_hex(8)}"))
            try:
                await greet(transport, self._keys, self._where, allow_eviction=self._allow_eviction)
            except BaseException:
                await transport.close()
                raise
            self._transport, self._namespace = transport, Namespace(self._keys, transport)

    async def close(self) -> None:
        """End waiting calls with DriverClosed and close the driver's own connections. Idempotent."""
        transport, self._transport, self._namespace = self._transport, None, None
        if transport is not None:
            await transport.close()

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

    async def examine(self, *, now: Millis | None = None) -> Examination:
        return await examining.examine(self._space, self._where, allow_eviction=self._allow_eviction, now=now)
