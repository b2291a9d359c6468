"""Knows how an exchange settles, keeps house, leases, and whether it waits. Refuses to know how a call sleeps."""

from __future__ import annotations

from collections.abc import Sequence

from flowli.driver import Claim, Exchanged, Lease, Millis, Recovered, Settled, Settlement
from flowli_memory.leases import settle
from flowli_memory.shelves import ASIDE, Lane
from flowli_memory.store import Store
from flowli_memory.waiting import Waiter

__all__ = ["ClaimCall", "settle_only"]

_RECOVERED = 200
_PROMOTED = 500
_SWEPT = 500


def settle_only(store: Store, settlements: Sequence[Settlement], now: Millis) -> Exchanged:
    """An exchange without a claim."""
    return Exchanged(
        settled=settle(store, settlements, now),
        leases=(),
        lease_until=now,
        recovered=(),
        more=False,
        next_at=None,
        schedule_at=None,
        now=now,
    )


class ClaimCall:
    """An exchange with a claim, from its first look at the store to its answer."""

    def __init__(self, store: Store, settlements: Sequence[Settlement], claim: Claim) -> None:
        self._store = store
        self._settlements = settlements
        self._claim = claim
        self._settled: Sequence[Settled] | None = None
        self._end = 0
        self._schedule_was_due = True
        self.alarm = Millis(0)

    def look(self, now: Millis) -> Exchanged | None:
        """Settle at the first look, keep house, and lease; None if the call is to wait until ``alarm`` at most."""
        store, claim = self._store, self._claim
        if self._settled is None:
            self._settled = settle(store, self._settlements, now)
            self._end = now + (claim.wait if claim.limit > 0 else 0)
        lanes = store.named(claim.queues)
        recovered = _keep_house(store, lanes, now)
        replayed = _replay(store, claim, now)
        leases, until = _lease(store, lanes, claim, now) if replayed is None else replayed
        store.pass_on(lanes)
        next_at, schedule_at = _next_instant(store, lanes), store.book.next_instant()
        more = any(_has_more(store, lane, now) for lane in lanes)
        schedule_is_due = schedule_at is not None and schedule_at <= now
        is_news = bool(leases or more) or (schedule_is_due and not self._schedule_was_due)
        self._schedule_was_due = schedule_is_due
        if replayed is None and not is_news and now < self._end:
            instants = (self._end, next_at, None if schedule_is_due else schedule_at)
            self.alarm = Millis(min(instant for instant in instants if instant is not None))
            return None
        if replayed is None:
            store.claims.remember(claim.turn, leases, now)
        return Exchanged(
            settled=self._settled,
            leases=leases,
            lease_until=until,
            recovered=recovered,
            more=more,
            next_at=next_at,
            schedule_at=schedule_at,
            now=now,
        )

    def enter(self, waiter: Waiter) -> None:
        """Wait for work."""
        self._store.lounge.enter(waiter, self._claim.queues)

    def leave(self, waiter: Waiter, *, abandoned: bool) -> None:
        """Wait no more. A call that is abandoned may have been woken: whoever waits next is woken instead."""
        self._store.lounge.leave(waiter, self._claim.queues)
        if abandoned:
            self._store.pass_on(self._store.named(self._claim.queues))


def _keep_house(store: Store, lanes: Sequence[Lane], now: Millis) -> Sequence[Recovered]:
    recovered: list[Recovered] = []
    promoted = 0
    for lane in lanes:
        while len(recovered) < _RECOVERED and lane.active.overdue(now):
            job = lane.active.first()
            assert job is not None
            store.take_back(job, now)
            job.deliveries += 1
            store.hand_back(job)
            recovered.append(Recovered(job.id, lane.queue, job.name, job.deliveries))
        while promoted < _PROMOTED and lane.scheduled.overdue(now):
            store.promote(lane)
            promoted += 1
    store.reopen(store.throttle.overdue(now), now)
    store.sweep(lanes, now, _SWEPT)
    return recovered


def _replay(store: Store, claim: Claim, now: Millis) -> tuple[Sequence[Lease], Millis] | None:
    """What a repeated turn is answered; None for a new one. A turn that was overtaken takes nothing."""
    answer = store.claims.answer(claim.turn, now)
    if answer is None:
        if not store.claims.is_past(claim.turn, now):
            return None
        answer = ()
    held = [(lease, job) for lease in answer if (job := store.held(lease.id, lease.token, now)) is not None]
    until = min((job.instant for _, job in held), default=Millis(now + claim.lease_for))
    return [lease for lease, _ in held], until


def _lease(store: Store, lanes: Sequence[Lane], claim: Claim, now: Millis) -> tuple[Sequence[Lease], Millis]:
    until = Millis(now + claim.lease_for)
    leases: list[Lease] = []
    limit, room = claim.limit, claim.max_bytes
    for lane in lanes:
        if store.pauses.stops(lane):
            continue
        queued, queue, taken = lane.queued, lane.queue, len(leases)
        while queued.jobs and len(leases) < limit:
            job = queued.pop()
            rank, ready_at, order, _ = job.entry
            if (store.pauses and store.pauses.sets_aside(job)) or (job.needs and store.is_barred(job, now)):
                continue
            if len(job.body) > room and leases:
                queued.add(job, ready_at, order, rank)
                limit = len(leases)
                break
            room -= len(job.body)
            store.lease(job, until, now)
            leases.append(
                Lease(
                    job.id, queue, job.name, job.token, job.deliveries, Millis(ready_at), job.head, job.body, job.memo
                )
            )
        if len(leases) > taken:
            store.served_last = queue if claim.queues is None else store.served_last
            store.lounge.wake_later_than(queue, until)
    return leases, until


def _has_more(store: Store, lane: Lane, now: Millis) -> bool:
    if (lane.queued.jobs and not store.pauses.stops(lane)) or lane.scheduled.overdue(now) or lane.active.overdue(now):
        return True
    return any(shelf.overdue(now) for shelf in lane.terminal)


def _next_instant(store: Store, lanes: Sequence[Lane]) -> Millis | None:
    firsts = [shelf.first() for lane in lanes for shelf in (lane.scheduled, lane.active) if shelf.jobs]
    instants = [job.instant for job in firsts if job is not None and job.instant < ASIDE]
    reopens = store.throttle.next_instant()
    return min(instants if reopens is None else [*instants, reopens], default=None)
