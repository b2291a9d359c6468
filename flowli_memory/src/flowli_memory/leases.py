"""Knows what the holder of a lease may do to a job. Refuses to know how jobs come to be leased."""

from __future__ import annotations

from collections.abc import Sequence

from flowli.driver import Hold, Millis, Renewal, Report, Settled, Settlement, State
from flowli_memory.store import Store

__all__ = ["renew", "report", "settle"]

# Looked up once: reading a member of an enumeration takes Python 3.11 several times as long as reading a name.
_SCHEDULED, _QUEUED, _ACTIVE = State.SCHEDULED, State.QUEUED, State.ACTIVE
_WRITTEN = Settled.WRITTEN


def settle(store: Store, settlements: Sequence[Settlement], now: Millis) -> Sequence[Settled]:
    """Write each settlement whose token is the job's."""
    handed_back: dict[str, None] = {}
    answers = [_settle(store, settlement, now, handed_back) for settlement in settlements]
    for queue in handed_back:
        store.lounge.wake_one(queue)
    return answers


def renew(store: Store, holds: Sequence[Hold], lease_for: Millis | None, now: Millis) -> Sequence[Renewal]:
    """Extend each lease that holds, or only look."""
    answers: list[Renewal] = []
    for _, id, token in holds:
        job = store.held(id, token, now)
        if job is None:
            answers.append(Renewal.LOST)
            continue
        if lease_for is not None:
            store.extend(job, now + lease_for)
        answers.append(Renewal.CANCEL if job.asked else Renewal.RENEWED)
    return answers


def report(store: Store, notes: Sequence[tuple[Hold, bytes]], now: Millis) -> Sequence[bool]:
    """Keep the newest note of each lease that holds."""
    kept: list[bool] = []
    for (_, id, token), note in notes:
        holds = store.held(id, token, now) is not None
        if holds:
            store.reports[id] = Report(token, now, note)
        kept.append(holds)
    return kept


def _settle(store: Store, settlement: Settlement, now: Millis, handed_back: dict[str, None]) -> Settled:
    id, _, token, state, memo, due, delay, keep_for = settlement
    job = store.find(id, now)
    if job is None:
        return Settled.GONE
    if job.token != token or job.shelf is not job.lane.active:
        return Settled.REPEATED if job.settled == token else Settled.LOST
    if state is _ACTIVE:
        raise ValueError(f"a settlement cannot leave job {id} active; renew its lease instead")
    store.take_back(job, now)
    job.memo = memo
    job.settled = token
    if state is _SCHEDULED:
        if due is None:
            due = now if delay is None else Millis(now + delay)
        store.postpone(job, due)
    elif state is _QUEUED:
        store.hand_back(job)
        handed_back[job.lane.queue] = None
    else:
        store.finish(job, state, keep_for, now)
    return _WRITTEN
