"""Settle, claim and wait over partitions; it knows which of them is visited when, and no script.

A runner sleeps at home and visits the others: when a token at home names one, when one said that it had more, when an
instant that it named has come, and one further in each round, so that a token that was lost costs time and nothing
else.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flowli.driver import Claim, Exchanged, Lease, Millis, Recovered, Settled, Settlement
from flowli.resp import exchanging
from flowli.resp.namespace import Namespace, Request, cut
from flowli.resp.partitions import Partitions, together
from flowli.resp.scripts import Call
from flowli.resp.spreading import by_id
from flowli.resp.tours import Tour

__all__ = ["exchange"]

_HOME_SECONDS = 0.5
"""Home is visited as often at least: schedules are there."""
_FRESH_SECONDS = 1.0
"""Before it sleeps, a claim visits what it has not seen for as long. What comes later pushes a token."""


async def exchange(
    parts: Partitions, settlements: Sequence[Settlement], claim: Claim | None, *, now: Millis | None
) -> Exchanged:
    """Driver.exchange. Settlements and the first claims go out together."""
    if parts.is_one:
        return await exchanging.exchange(parts.home, settlements, claim, now=now)
    await parts.look_if_old()
    if claim is None:
        done, _, at = await _fly(parts, settlements, {}, now)
        return exchanging.exchanged(done, at)
    visits = _Visits(parts, claim, now)
    settled = await visits.begin(settlements)
    with parts.home.after_writes(True):
        await visits.go_on()
    return visits.result(settled)


async def _fly(
    parts: Partitions, settlements: Sequence[Settlement], claims: Mapping[int, Call], now: Millis | None
) -> tuple[list[Settled], dict[int, Any], Millis]:
    """Settle and claim in all partitions at once: what was settled, the replies to the claims, the store's clock."""
    groups: dict[int, list[int]] = {}
    for at, item in enumerate(settlements):
        groups.setdefault(parts.division.places(item.id)[0], []).append(at)
    cuts: dict[int, list[Sequence[Settlement]]] = {}
    flights: dict[int, list[Request]] = {number: [] for number in (*groups, *claims)} or {0: []}
    for number, requests in flights.items():
        chunks = list(cut([settlements[at] for at in groups.get(number, [])], exchanging.size_of))
        cuts[number] = chunks
        requests += [exchanging.settle_call(parts.all[number], chunk, now) for chunk in chunks]
        if number in claims:
            requests.append(claims[number])
        elif not requests:  # nothing at all: what is the time?
            requests.append(exchanging.settle_call(parts.home, [], now))
    replies = await together([parts.all[number].transport.run(list, writes=True) for number, list in flights.items()])
    found: dict[int, Settled] = {}
    claimed: dict[int, Any] = {}
    clock = Millis(0)
    for number, answers in zip(flights, replies, strict=True):
        *rest, last = answers
        if number not in claims:
            rest.append(last)
        rest = list(await exchanging.settle_again(parts.all[number], cuts[number], rest, now))
        exchanging.tell(parts.all[number], [*rest, *([last] if number in claims else [])])
        last = last if number in claims else rest[-1]
        clock = Millis(max(clock, int(last[0])))
        if number in claims:
            claimed[number] = last
        found.update(zip(groups.get(number, ()), exchanging.settled_of(rest), strict=True))
    settled = [found[at] for at in range(len(settlements))]
    with parts.home.after_writes(True):
        await _settle_elsewhere(parts, settlements, settled, now)
    for item in settlements:
        if not item.state.is_terminal:
            parts.pusher.push((item.queue,), parts.division.places(item.id)[0])
    return settled, claimed, clock


async def _settle_elsewhere(
    parts: Partitions, settlements: Sequence[Settlement], settled: list[Settled], now: Millis | None
) -> None:
    """What is gone from the place where it would be now may be where it was before a doubling."""
    places = parts.division.places
    gone = [at for at, found in enumerate(settled) if found is Settled.GONE and len(places(settlements[at].id)) > 1]

    async def call(space: Namespace, some: Sequence[Settlement]) -> Sequence[Settled]:
        chunks = list(cut(some, exchanging.size_of))
        calls = [exchanging.settle_call(space, chunk, now) for chunk in chunks]
        replies = await space.transport.run(calls, writes=True)
        return exchanging.settled_of(await exchanging.settle_again(space, chunks, replies, now))

    again = await by_id(
        parts, [settlements[at] for at in gone], lambda item: item.id, call, lambda found: found is Settled.GONE
    )
    for at, found in zip(gone, again, strict=True):
        settled[at] = found


class _Visits:
    """The visits of one exchange: where they led, and what was leased."""

    def __init__(self, parts: Partitions, claim: Claim, now: Millis | None) -> None:
        queues = None if claim.queues is None else frozenset(claim.queues)
        self._parts, self._claim, self._now = parts, claim, now
        self._tour = parts.tours.setdefault(queues, Tour())
        self._deadline = time.monotonic() + claim.wait / 1000
        self._names: Sequence[str] = ()
        self._went: set[int] = set()
        self._leases: list[Lease] = []
        self._recovered: list[Recovered] = []
        self._until: Millis | None = None
        self._is_over = False
        """Nothing may be taken under this turn, or nothing more."""

    async def begin(self, settlements: Sequence[Settlement]) -> Sequence[Settled]:
        """Settle, and visit for the first time."""
        if self._claim.queues is None:
            await self._parts.home.queues()
        self._names = exchanging.names_of(self._parts.home, self._claim)
        turn, limit = self._claim.turn, self._claim.limit
        number, went = self._parts.went.get(turn.sender, (0, set[int]()))
        limits: Mapping[int, int]
        if limit <= 0:
            self._is_over, limits = True, dict.fromkeys(range(len(self._parts.all)), 0)
        elif number == turn.number:
            self._is_over, limits = True, dict.fromkeys(went, 0)  # a repeat takes no others
        else:
            limits = self._first(limit)
        return await self._visit(limits, settlements)

    def _first(self, limit: int) -> Mapping[int, int]:
        """All of the limit for one partition that had more; looks at others then, which tell whether they have some."""
        tour = self._tour
        if not tour.hot:
            return {0: limit}
        main = next(iter(tour.hot))
        others = set(range(len(self._parts.all))) - {main}
        looks = [*tour.due(self._now), *tour.unseen_for(_HOME_SECONDS, [0]), *tour.unseen_for(0.0, others)[:1]]
        return {**dict.fromkeys(looks, 0), main: limit}

    async def go_on(self) -> None:
        """Visit what was left out, and wait at home, until something is leased or the time is over."""
        if not self._is_over:
            await self._sweep(self._left_out())
        first, is_idle = self.result(()), not self._is_over
        while not (self._is_over or self._leases):
            if await self._learn() or self._tour.hot:
                await self._sweep(list(self._tour.hot) or [0])
            elif not await self._wait(first):
                break
        if is_idle and not self._leases:
            self._parts.went.pop(self._claim.turn.sender, None)

    def _left_out(self) -> list[int]:
        """Where something may be that the first visit has not found."""
        tour, others = self._tour, set(range(len(self._parts.all))) - self._went
        if not self._claim.wait or self._now is not None:
            return tour.unseen_for(0.0, others)
        found = [*tour.hot, *tour.due(None), *tour.unseen_for(_FRESH_SECONDS, others)]
        return [number for number in dict.fromkeys(found) if number in others]

    async def _wait(self, first: Exchanged) -> bool:
        """Sleep at home, then look where something may be. False when the time is over, or a schedule's has come."""
        found, home = self.result(()), self._parts.home
        seconds = min(self._deadline - time.monotonic(), exchanging.sleep_before(found, self._now))
        if self._deadline <= time.monotonic() or exchanging.schedule_came(first, found, self._now):
            return False
        keys = [home.keys.wake(name) for name in self._names]
        if self._claim.queues is None:
            keys.append(home.keys.call)
        call = self._call(home, self._claim.limit)
        popped, reply = await home.transport.idle(keys or [home.keys.fixed("none")], max(seconds, 0.001), call)
        exchanging.tell(home, [reply])
        self._take(0, reply)
        told = await self._told(popped)
        if self._leases:
            # This one has work, so the token is for another.
            self._tour.hot.update(dict.fromkeys(told))
            self._pass_on(told)
            return True
        others = set(range(len(self._parts.all))) - {0}
        due = [number for number in self._tour.due(self._now) if number]
        await self._sweep(list(dict.fromkeys([*told, *due, *self._tour.unseen_for(0.0, others)[:1]])))
        return True

    async def _told(self, popped: Any) -> list[int]:
        """The partition that a token names, if it is not home."""
        number = int(popped[1]) if popped else 0
        if number >= len(self._parts.all):
            await self._parts.look()
        return [number] if 0 < number < len(self._parts.all) else []

    async def _learn(self) -> bool:
        """Whether home knows queues that were not claimed from; from now on they are."""
        home = self._parts.home
        if not home.stale or self._claim.queues is not None:
            return False
        await home.learn()
        self._names = exchanging.names_of(home, self._claim)
        return True

    async def _sweep(self, numbers: Sequence[int]) -> None:
        """Visit these, together as far as the limit goes, each with its share of what is still to be had."""
        while numbers and (left := self._claim.limit - len(self._leases)) > 0:
            some, numbers = numbers[:left], numbers[left:]
            more = left % len(some)
            await self._visit({number: left // len(some) + (at < more) for at, number in enumerate(some)}, ())

    async def _visit(self, limits: Mapping[int, int], settlements: Sequence[Settlement]) -> Sequence[Settled]:
        self._went.update(limits)
        self._parts.remember(self._claim.turn, self._went)
        claims = {number: self._call(self._parts.all[number], limit) for number, limit in limits.items()}
        settled, replies, _ = await _fly(self._parts, settlements, claims, self._now)
        for number, reply in replies.items():
            self._take(number, reply)
        return settled

    def _call(self, space: Namespace, limit: int) -> Call:
        return exchanging.claim_call(space, replace(self._claim, limit=limit), self._names, self._now)

    def _take(self, number: int, reply: Any) -> None:
        found = exchanging.claimed((), reply, self._claim)
        self._tour.note(number, found)
        if number == 0:
            exchanging.note_queues(self._parts.home, self._claim, reply)
        self._recovered += found.recovered
        if found.leases:
            self._leases += found.leases
            self._until = min(self._until or found.lease_until, found.lease_until)
            if found.more:
                self._pass_on([number])
        elif reply[11]:
            self._is_over = True

    def _pass_on(self, numbers: Sequence[int]) -> None:
        queues = {lease.queue for lease in self._leases} or self._names
        for number in numbers:
            self._parts.pusher.push(tuple(queues), number)

    def result(self, settled: Sequence[Settled]) -> Exchanged:
        """What is known now."""
        tour = self._tour
        return Exchanged(
            settled=settled,
            leases=self._leases,
            lease_until=self._until or tour.now,
            recovered=self._recovered,
            more=bool(tour.hot),
            next_at=min(tour.next_at.values(), default=None),
            schedule_at=tour.schedule_at,
            now=tour.now,
        )
