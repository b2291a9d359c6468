"""Into how many partitions a namespace is divided, and where each id lives; it knows no verb.

An id's place is a pure function of the id: made ids carry a route, every other text is at home, which is partition 0.
While the number of partitions is doubled some drivers know of it and others do not yet: what is written goes to the
place of the old number or of the new one, and what is read is looked for in both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from flowli.driver import Turn
from flowli.errors import DriverUnavailable
from flowli.ids import made_at, route_of
from flowli.resp.durability import Confirmation
from flowli.resp.keys import Keys
from flowli.resp.namespace import Namespace, Plain, Transport
from flowli.resp.pushing import Pusher
from flowli.resp.tours import Tour

__all__ = ["MOST", "NOTICED", "Division", "Partitions", "Ways", "together"]

T = TypeVar("T")

MOST = 256

NOTICED = 5.0
"""Seconds after which a driver that is in use has looked whether the namespace was divided further."""

_MOST_SENDERS = 1_000

_SKEW = 60_000
"""Milliseconds by which the clock that made an id may be ahead of the store's."""


class Division(NamedTuple):
    """How a namespace is divided, as ``meta`` holds it: four numbers with blanks between; nothing for one partition."""

    base: int = 1
    """Partitions at its birth."""
    writes: int = 1
    """Partitions that new jobs go to."""
    reads: int = 1
    """Partitions that are served and looked into: twice as many while they are being doubled."""
    since: int = 0
    """The store's milliseconds of the last doubling."""

    @classmethod
    def read(cls, stored: bytes | None) -> Division:
        """What `stored` wrote; one partition for None."""
        return cls(*map(int, stored.split())) if stored else cls()

    @property
    def stored(self) -> bytes:
        """As text; empty for one partition."""
        return b"" if self == Division() else b"%d %d %d %d" % self

    def place(self, id: str) -> int:
        """The partition that a new job goes to."""
        return route_of(id) % self.writes

    def places(self, id: str) -> Sequence[int]:
        """The partitions in which an id may be, the likeliest first: one unless the namespace was doubled."""
        route, parts = route_of(id), self.reads
        found = {route % self.writes: None, route % parts: None}
        while parts > self.base:
            parts //= 2
            found[route % parts] = None
        return list(found)

    def may_be_older(self, id: str) -> bool:
        """Whether a job of this id can have been stored before the last doubling."""
        made = made_at(id)
        return made is not None and made <= self.since + _SKEW


class Ways(Protocol):
    """The ways to a store, one for each slot."""

    def towards(self, key: str) -> Transport:
        """The way to the node that holds a key. On one server that is always the same."""
        ...


class Partitions:
    """The namespaces of a prefix, home first."""

    def __init__(self, prefix: str, ways: Ways, division: Division, confirmation: Confirmation | None = None) -> None:
        self._prefix, self._ways, self._confirmation = prefix, ways, confirmation
        self._looked_at = time.monotonic()
        self.all: list[Namespace] = []
        self.division: Division = division
        self._lay_out()
        self.pusher: Pusher = Pusher(self.home)
        self.introduced: set[str] = set()
        """Queues that home was told of: it knows by itself only those whose jobs lie there."""
        self.unsure: dict[str, tuple[int, Division]] = {}
        """Of each sender whose last enqueue failed: its number, and the division that it went by."""
        self.tours: dict[frozenset[str] | None, Tour] = {}
        """By the queues that are claimed from."""
        self.went: dict[str, tuple[int, set[int]]] = {}
        """Of each sender of claims: the number of its last turn, and the partitions that it led to."""

    @property
    def home(self) -> Namespace:
        return self.all[0]

    @property
    def is_one(self) -> bool:
        """Whether home is all there is."""
        return len(self.all) == 1

    async def look(self) -> bool:
        """Read how the namespace is divided; whether that is news."""
        request = Plain(("HGET", self.home.keys.fixed("meta"), "partitions"))
        return self.adopt(await self.home.one(request, writes=False))

    async def look_if_old(self) -> bool:
        """`look`, if the last one was NOTICED or more seconds ago."""
        return await self.look() if self.is_old else False

    @property
    def is_old(self) -> bool:
        return time.monotonic() - self._looked_at >= NOTICED

    def adopt(self, stored: bytes | None) -> bool:
        """Go by what ``meta`` holds; whether that is news."""
        self._looked_at = time.monotonic()
        division = Division.read(stored)
        if division == self.division:
            return False
        self.division = division
        self._lay_out()
        return True

    def remember(self, turn: Turn, numbers: set[int]) -> None:
        """The partitions that a claim goes to, in which a repeat of it has to look."""
        self.went[turn.sender] = turn.number, numbers
        while len(self.went) > _MOST_SENDERS:
            del self.went[next(iter(self.went))]

    def _lay_out(self) -> None:
        for number in range(len(self.all), self.division.reads):
            keys = Keys(self._prefix, number, self.division.base)
            self.all.append(Namespace(keys, self._ways.towards(keys.fixed("meta")), self._confirmation))


async def together(calls: Iterable[Awaitable[T]]) -> list[T]:
    """The answers of calls to several partitions, sent at once. If one fails, its error, once all have ended.

    DriverUnavailable then says ``maybe_written`` if any of the others was written.
    """
    waits = list(calls)
    if len(waits) == 1:
        return [await waits[0]]
    answers: list[Any] = await asyncio.gather(*waits, return_exceptions=True)
    failures = [answer for answer in answers if isinstance(answer, BaseException)]
    if not failures:
        return answers
    worst = next((failure for failure in failures if not isinstance(failure, DriverUnavailable)), failures[0])
    if isinstance(worst, DriverUnavailable):
        others = [answer for answer in answers if not isinstance(answer, DriverUnavailable)]
        worst.maybe_written = bool(others) or any(getattr(failure, "maybe_written", False) for failure in failures)
    raise worst
