"""Knows what the places of a job in memory owe each other. Refuses to know how it got there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowli.driver import Examination, Finding, Severity
from flowli_memory.shelves import Job
from flowli_memory.store import Store

__all__ = ["examine"]


def examine(store: Store, now: int) -> Examination:
    """Look at every record and every shelf. Whoever calls it holds the lock: it is over before anything moves."""
    jobs = {job.id: job for job in store.records()}
    placed = {job.id: job for lane in store.lanes.values() for shelf in lane.shelves.values() for job in shelf}
    findings = [finding for job in jobs.values() for finding in _contradictions(job)]
    findings += [_error("orphan", id, "it stands on a shelf and has no record") for id in placed.keys() - jobs.keys()]
    findings += _leaks(store, jobs)
    store.keys.forget(now)
    facts = {"records": len(jobs), "schedules": len(store.book), "unique_keys": len(store.keys)}
    return Examination(findings=findings, facts=facts)


def _contradictions(job: Job) -> Iterator[Finding]:
    places = [shelf for shelf in job.lane.shelves.values() if job.id in shelf.jobs]
    if not places:
        yield _error("unreachable", job.id, f"it stands on no shelf of queue {job.lane.queue!r}: it is never run")
    elif places != [job.shelf]:
        yield _error("several-places", job.id, f"its place in queue {job.lane.queue!r} is not the one that it says")


def _leaks(store: Store, jobs: Mapping[str, Job]) -> Iterator[Finding]:
    held = store.throttle.holdings()
    for id in held.keys() | jobs.keys():
        job = jobs.get(id)
        owed = len(job.needs) if job is not None and job.shelf is job.lane.active else 0
        if held.get(id, 0) != owed:
            yield _error("limit-drift", id, f"it draws on {held.get(id, 0)} limits and should on {owed}")


def _error(code: str, id: str, message: str) -> Finding:
    return Finding(code, Severity.ERROR, id, message)
