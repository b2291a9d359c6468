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
    LimitView,
    Millis,
    NewJob,
    Note,
    Overview,
    Pause,
    Paused,
    Renewal,
    Report,
    Rule,
    RunnerNote,
    Settlement,
    Slice,
    State,
    StoredJob,
    StoredSchedule,
    Turn,
)
from flowli.errors import DefinitionError, DriverClosed
from flowli.resp import (
    acting,
    doubling,
    gathering,
    pausing,
    reporting,
    scheduling,
    spreading,
    throttling,
    touring,
    writing,
)
from flowli.resp.durability import Confirmation
from flowli.resp.greeting import greet
from flowli.resp.keys import Keys
from flowli.resp.partitions import MOST, Partitions, Ways

__all__ = ["Connected", "RespDriver"]


class Connected(Ways, Protocol):
    """The ways to a store, over connections of the driver's own."""

    def check(self) -> None:
        """DriverClosed after `close`, and in a fork of the process that opened the connections."""

    async def close(self) -> None:
        """End what is under way with DriverClosed, and every connection. Idempotent."""


class RespDriver(ABC):
    """What the drivers of all client libraries share. Each says by `_connect` how it reaches the store."""

    def __init__(
        self,
        where: str,
        prefix: str,
        *,
        allow_eviction: bool,
        partitions: int | None,
        confirmation: Confirmation | None = None,
    ) -> None:
        if partitions is not None and not 1 <= partitions <= MOST:
            message = f"A namespace has 1 to {MOST} partitions, not {partitions!r}."
            raise DefinitionError(message)
        self._where = where
        self._keys = Keys(prefix)
        self._allow_eviction = allow_eviction
        self._partitions = partitions
        self._confirmation = confirmation
        self._transport: Connected | None = None
        self._parts: Partitions | None = None
        self._opening = asyncio.Lock()

    @abstractmethod
    def _connect(self, channel: str) -> Connected:
        """Ways that connect when they are first used, and hear of outcomes on ``channel``."""

    @abstractmethod
    def twin(self) -> RespDriver:
        """A closed driver on the same store, with connections of its own."""

    def __str__(self) -> str:
        return f"{self._where} prefix={self._keys.prefix}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    @property
    def abilities(self) -> frozenset[Ability]:
        """All but JOIN."""
        return frozenset(
            {Ability.AUDIT, Ability.EXAMINE, Ability.PAUSES, Ability.PROGRESS, Ability.UNIQUE, Ability.WORKFLOWS}
            | {Ability.LIMITS, Ability.FAIRNESS}
        )

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
                home = transport.towards(self._keys.fixed("meta"))
                division = await greet(
                    home,
                    self._keys,
                    self._where,
                    allow_eviction=self._allow_eviction,
                    partitions=self._partitions,
                    confirmation=self._confirmation,
                )
            except BaseException:
                await transport.close()
                raise
            # What was asked for has been compared; from now on the number may be doubled.
            self._partitions = None
            self._transport = transport
            self._parts = Partitions(self._keys.prefix, transport, division, self._confirmation)

    async def close(self) -> None:
        """End waiting calls with DriverClosed and close the driver's own connections. Idempotent."""
        transport, self._transport = self._transport, None
        parts, self._parts = self._parts, None
        if parts is not None:
            await parts.pusher.close()
        if transport is not None:
            await transport.close()

    @property
    def _all(self) -> Partitions:
        if self._transport is None or self._parts is None:
            raise DriverClosed(f"The driver of {self} is not open; `async with` the runtime, or await open().")
        self._transport.check()
        return self._parts

    @property
    def partitions(self) -> int:
        """Into how many partitions the namespace is divided; DriverClosed before `open`."""
        return self._all.division.writes

    async def double_partitions(self) -> int:
        """Divide the namespace into twice as many partitions, while it is in use; returns their number.

        It takes some seconds, in which every driver in use gets to know. Jobs stay where they are, new ones go to the
        new places. Called again after an error it goes on from where it was. DriverError above 256.
        """
        return await doubling.double(self._all)

    async def enqueue(
        self, jobs: Sequence[NewJob], *, turn: Turn | None = None, now: Millis | None = None
    ) -> Sequence[Enqueued]:
        return await spreading.enqueue(self._all, jobs, turn=turn, now=now)

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        return await touring.exchange(self._all, settlements, claim, now=now)

    async def renew(
        self, holds: Sequence[Hold], lease_for: Millis | None, *, now: Millis | None = None
    ) -> Sequence[Renewal]:
        return await spreading.renew(self._all, holds, lease_for, now=now)

    async def act(self, acts: Sequence[Act], *, now: Millis | None = None) -> Sequence[Acted]:
        return await spreading.act(self._all, acts, now=now)

    async def outcomes(
        self, ids: Sequence[str], *, wait: Millis = Millis(0), now: Millis | None = None
    ) -> Mapping[str, StoredJob | None]:
        return await spreading.outcomes(self._all, ids, wait=wait, now=now)

    async def get_jobs(self, ids: Sequence[str], *, now: Millis | None = None) -> Sequence[StoredJob | None]:
        return await spreading.get_jobs(self._all, ids, now=now)

    async def list_jobs(
        self,
        state: State,
        *,
        queue: str | None = None,
        limit: int,
        cursor: str | None = None,
        now: Millis | None = None,
    ) -> Slice[StoredJob]:
        return await gathering.list_jobs(self._all, state, queue=queue, limit=limit, cursor=cursor, now=now)

    async def overview(self, queues: Sequence[str] | None = None, *, now: Millis | None = None) -> Overview:
        return await gathering.overview(self._all, queues, now=now)

    async def announce(self, note: RunnerNote, *, now: Millis | None = None) -> None:
        await writing.announce(self._all.home, note, now=now)

    async def change_schedules(self, changes: Sequence[Change], *, now: Millis | None = None) -> Sequence[Changed]:
        return await scheduling.change_schedules(self._all.home, changes, now=now)

    async def get_schedules(self, keys: Sequence[str]) -> Sequence[StoredSchedule | None]:
        return await scheduling.get_schedules(self._all.home, keys)

    async def list_schedules(
        self, *, due: bool = False, limit: int, cursor: str | None = None, now: Millis | None = None
    ) -> Slice[StoredSchedule]:
        return await scheduling.list_schedules(self._all.home, due=due, limit=limit, cursor=cursor, now=now)

    async def pause(self, what: Sequence[Paused], *, now: Millis | None = None) -> None:
        await pausing.pause(self._all, what, now=now)

    async def resume(self, what: Sequence[Paused], *, now: Millis | None = None) -> None:
        await pausing.resume(self._all, what, now=now)

    async def get_pauses(self) -> Sequence[Pause]:
        return await pausing.get_pauses(self._all)

    async def report(self, notes: Sequence[tuple[Hold, bytes]], *, now: Millis | None = None) -> Sequence[bool]:
        return await reporting.report(self._all, notes, now=now)

    async def get_reports(self, ids: Sequence[str]) -> Sequence[Report | None]:
        return await reporting.get_reports(self._all, ids)

    async def examine(self, *, now: Millis | None = None) -> Examination:
        return await gathering.examine(self._all, self._where, allow_eviction=self._allow_eviction, now=now)

    async def note(self, id: str, body: bytes, *, keep_for: Millis, most: int, now: Millis | None = None) -> None:
        await acting.note(self._all.home, id, body, keep_for=keep_for, most=most, now=now)

    async def list_notes(self, *, limit: int, cursor: str | None = None, now: Millis | None = None) -> Slice[Note]:
        return await acting.list_notes(self._all.home, limit=limit, cursor=cursor, now=now)

    async def set_rules(self, rules: Sequence[Rule], *, now: Millis | None = None) -> None:
        await throttling.set_rules(self._all.home, rules, now=now)

    async def get_rules(self) -> Sequence[Rule]:
        return await throttling.get_rules(self._all.home)

    async def hold(self, limit: str, key: str | None, until: Millis | None, *, now: Millis | None = None) -> None:
        await throttling.hold(self._all.home, limit, key, until, now=now)

    async def get_limit(self, limit: str, key: str = "", *, now: Millis | None = None) -> LimitView:
        return await throttling.get_limit(self._all.home, limit, key, now=now)

    async def get_keys(self, limit: str, *, most: int = 100) -> Sequence[str]:
        return await throttling.get_keys(self._all.home, limit, most=most)
