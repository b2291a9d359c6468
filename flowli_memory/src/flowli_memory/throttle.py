"""Knows who draws on which limit, what is parked under it, and when to look again. Refuses to know what a queue is."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from itertools import count

from flowli.driver import LimitView, Millis, Need, Rule
from flowli_memory.shelves import Entry, Job, Place

__all__ = ["Throttle"]

_AGAIN = 1_000
"""Milliseconds after which what is parked is looked at again, where what was queued instead of it is not leased yet."""

_MOST_HOLDERS = 100


def _place(need: Need) -> Place:
    return need.rule.limit, need.key


class Throttle:
    """The limits of one store. Whoever calls a method holds the store's lock."""

    def __init__(self) -> None:
        self.rules: dict[str, Rule] = {}
        self._closed: dict[Place, int] = {}
        self._holders: dict[Place, dict[str, int]] = {}
        self._starts: dict[Place, deque[tuple[int, int]]] = {}
        self._parked: dict[Place, dict[str, Job]] = {}
        self._order: dict[Place, list[Entry]] = {}
        """Entries of the parked, a heap; those of jobs that were taken out meanwhile are skipped."""
        self._alarms: dict[Place, int] = {}
        """When to look at what is parked under a place."""
        self._numbers = count()
        self._clock: list[tuple[int, int, Place]] = []
        """The same by instant, a heap; what an earlier alarm has replaced is skipped."""
        self._ends: list[tuple[int, Place]] = []
        """When the last lease of a place leaves its span."""

    def learn(self, needs: Sequence[Need]) -> None:
        """Write the rules that are not known."""
        for need in needs:
            self.rules.setdefault(need.rule.limit, need.rule)

    def replace(self, rules: Sequence[Rule]) -> list[Place]:
        """Write rules; the places under those that changed, to be looked at."""
        changed = {rule.limit for rule in rules if self.rules.get(rule.limit) != rule}
        self.rules.update({rule.limit: rule for rule in rules})
        return [place for place in self._parked if place[0] in changed]

    def close(self, place: Place, until: int | None) -> None:
        """Admit nothing to a place until an instant; None reopens it."""
        if until is None:
            self._closed.pop(place, None)
        else:
            self._closed[place] = until

    def bar(self, job: Job, now: int) -> Place | None:
        """The place under which a job that is ready has to be parked; None if it may be leased."""
        for need in job.needs:
            place = _place(need)
            for one in ((place[0], None), place):
                if self._closed.get(one, 0) > now:
                    return one
            first = self._first(place)
            if (first is not None and first < job.entry) or not self._fits(place, need.weight, 0, now):
                return place
        return None

    def draw(self, job: Job, now: int) -> None:
        """Count a job that is leased."""
        for need in job.needs:
            place = _place(need)
            self._holders.setdefault(place, {})[job.id] = need.weight
            rule = self.rules[place[0]]
            if rule.most is not None and rule.span is not None:
                self._starts.setdefault(place, deque()).append((now, need.weight))
                heappush(self._ends, (now + rule.span, place))

    def give_back(self, job: Job) -> None:
        """A job is leased no more."""
        for need in job.needs:
            holders = self._holders[_place(need)]
            del holders[job.id]
            if not holders:
                del self._holders[_place(need)]

    def park(self, job: Job, place: Place, now: int) -> None:
        """Have a job that stands on no shelf wait under a place, with the entry that it had among the ready."""
        job.parked = place, job.entry
        self._parked.setdefault(place, {})[job.id] = job
        heappush(self._order.setdefault(place, []), job.entry)
        self._set_alarm(place, now)

    def unpark(self, job: Job) -> None:
        """Take a job out, wherever it is parked; nothing for any other."""
        if job.parked is None:
            return
        place, _ = job.parked
        job.parked = None
        del self._parked[place][job.id]
        if not self._parked[place]:
            del self._parked[place], self._order[place]
            self._alarms.pop(place, None)

    def admit(self, place: Place, now: int) -> Iterator[tuple[Job, Entry]]:
        """Take out what may fit now, in order, and note when to look at the rest."""
        drawn = 0
        while (entry := self._first(place)) is not None:
            job = self._parked[place][entry[3]]
            weight = next((need.weight for need in job.needs if _place(need) == place), 0)
            if self._closed.get(place, 0) > now or (weight and not self._fits(place, weight, drawn, now)):
                self._set_alarm(place, now, is_passed=drawn > 0)
                return
            drawn += weight
            self.unpark(job)
            yield job, entry

    def overdue(self, now: int) -> list[Place]:
        """Places to look at. What has left its span is forgotten."""
        while self._ends and self._ends[0][0] <= now:
            self._used(heappop(self._ends)[1], now)
        places: list[Place] = []
        while (at := self.next_instant()) is not None and at <= now:
            *_, place = heappop(self._clock)
            del self._alarms[place]
            places.append(place)
        return places

    def next_instant(self) -> Millis | None:
        """When to look again at what is parked."""
        clock = self._clock
        while clock and self._alarms.get(clock[0][2]) != clock[0][0]:
            heappop(clock)
        return Millis(clock[0][0]) if clock else None

    def view(self, limit: str, key: str, now: int) -> LimitView:
        """One key, as of now."""
        place = limit, key
        holders = self._holders.get(place, {})
        closed = max(self._closed.get(place, 0), self._closed.get((limit, None), 0))
        return LimitView(
            rule=self.rules.get(limit),
            held=sum(holders.values()),
            used=self._used(place, now),
            parked=len(self._parked.get(place, ())),
            closed_until=Millis(closed) if closed > now else None,
            holders=list(holders)[:_MOST_HOLDERS],
        )

    def keys(self, limit: str, most: int) -> list[str]:
        """Keys that are drawn on, or waited for."""
        places = dict.fromkeys([*self._holders, *self._starts, *self._parked])
        return [key for name, key in places if name == limit and key is not None][:most]

    def holdings(self) -> dict[str, int]:
        """On how many limits each job draws."""
        counts: dict[str, int] = {}
        for holders in self._holders.values():
            for id in holders:
                counts[id] = counts.get(id, 0) + 1
        return counts

    def _first(self, place: Place) -> Entry | None:
        order, jobs = self._order.get(place), self._parked.get(place, {})
        while order:
            job = jobs.get(order[0][3])
            if job is not None and job.parked == (place, order[0]):
                return order[0]
            heappop(order)
        return None

    def _fits(self, place: Place, weight: int, drawn: int, now: int) -> bool:
        rule = self.rules[place[0]]
        if rule.at_once is not None:
            held = sum(self._holders.get(place, {}).values()) + drawn
            if held and held + weight > rule.at_once:
                return False
        if rule.most is not None:
            used = self._used(place, now) + drawn
            if used and used + weight > rule.most:
                return False
        return True

    def _used(self, place: Place, now: int) -> int:
        starts, rule = self._starts.get(place), self.rules.get(place[0])
        if starts is None or rule is None:
            return 0
        while starts and (rule.span is None or starts[0][0] + rule.span <= now):
            starts.popleft()
        if not starts:
            del self._starts[place]
        return sum(weight for _, weight in starts)

    def _set_alarm(self, place: Place, now: int, *, is_passed: bool = False) -> None:
        """Nothing that is parked waits for what may never come: for an end of a hold, a span, a lease, or a second."""
        closed, rule = self._closed.get(place, 0), self.rules.get(place[0])
        if closed > now:
            at = closed
        elif not is_passed and place in self._starts and rule is not None and rule.span is not None:
            at = self._starts[place][0][0] + rule.span
        elif not is_passed and place in self._holders:
            return
        else:
            at = now + _AGAIN
        if at < self._alarms.get(place, at + 1):
            self._alarms[place] = at
            heappush(self._clock, (at, next(self._numbers), place))
