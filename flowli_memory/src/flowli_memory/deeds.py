"""Knows what an operator may do to a job by its id. Refuses to know why he does it."""

from __future__ import annotations

from collections.abc import Sequence

from flowli.driver import Act, Acted, Deed, Millis, State
from flowli_memory.shelves import NEVER, Job
from flowli_memory.store import Store

__all__ = ["act"]


def act(store: Store, acts: Sequence[Act], now: Millis) -> Sequence[Acted]:
    """Do each deed, in order."""
    return [_act(store, one, now) for one in acts]


def _act(store: Store, one: Act, now: Millis) -> Acted:
    job = store.find(one.id, now)
    if job is None:
        return Acted(None, done=False)
    found, waits = job.shelf.state, job.shelf.state is State.SCHEDULED and job.entry[1] == NEVER
    parents = store.families.parents_of(job.id) if waits else ()
    done = _DEEDS[one.deed](store, job, one, now)
    return Acted(found, done, parents if done else ())


def _cancel(store: Store, job: Job, one: Act, now: Millis) -> bool:
    if job.shelf.is_terminal:
        return False
    if job.shelf.state is State.ACTIVE:
        job.asked = True
        return False
    if one.memo is not None:
        job.memo = one.memo
    job.shelf.remove(job)
    store.finish(job, State.CANCELLED, one.keep_for, now, unused=True)
    return True


def _replay(store: Store, job: Job, one: Act, now: Millis) -> bool:
    if not job.shelf.is_terminal:
        return job.shelf.state is not State.ACTIVE and one.memo is not None and job.memo == one.memo
    if not _is_seen(job, one) or store.families.is_needed(job.id):
        return False
    job.shelf.remove(job)
    job.deliveries = 0
    job.memo = job.memo if one.memo is None else one.memo
    job.body = job.body if one.body is None else one.body
    store.put_back(job, now, one.delay)
    return True


def _delete(store: Store, job: Job, one: Act, now: Millis) -> bool:
    if job.shelf.state is State.ACTIVE or not _is_seen(job, one) or store.families.is_needed(job.id):
        return False
    waits = not job.shelf.is_terminal
    job.shelf.remove(job)
    store.finish(job, State.CANCELLED, 0, now, unused=waits)
    return True


def _is_seen(job: Job, one: Act) -> bool:
    return one.seen is None or one.seen == (job.shelf.state, job.token)


_DEEDS = {Deed.CANCEL: _cancel, Deed.REPLAY: _replay, Deed.DELETE: _delete}
