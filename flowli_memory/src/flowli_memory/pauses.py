"""Knows what is paused, and what a claim has set aside for it. Refuses to know how jobs are leased."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flowli.driver import Millis, Pause, Paused
from flowli_memory.shelves import ASIDE, NEVER, Job, Lane

__all__ = ["Pauses"]


class Pauses:
    """The queues and job names of one store that are paused."""

    def __init__(self) -> None:
        self._since: dict[Paused, Millis] = {}

    def __bool__(self) -> bool:
        return bool(self._since)

    def list(self) -> Sequence[Pause]:
        """All that stand."""
        return [Pause(what, since) for what, since in self._since.items()]

    def add(self, what: Iterable[Paused], now: Millis) -> None:
        """Pause these from now on."""
        for one in what:
            self._since.setdefault(one, now)

    def remove(self, what: Iterable[Paused], lanes: Iterable[Lane]) -> None:
        """Pause these no more; what was set aside for them is due."""
        gone = {one for one in what if self._since.pop(one, None) is not None}
        names = {name for kind, name in gone if kind == "job"}
        for lane in lanes if names else ():
            for job in [job for job in lane.scheduled if ASIDE <= job.entry[1] < NEVER and job.name in names]:
                lane.scheduled.remove(job)
                lane.scheduled.add(job, job.entry[1] - ASIDE, job.entry[2])

    def stops(self, lane: Lane) -> bool:
        """Whether nothing of this queue is leased."""
        return bool(self._since) and Paused("queue", lane.queue) in self._since

    def sets_aside(self, job: Job) -> bool:
        """Whether this job, which stands on no shelf, waits for its name; it is put where it waits."""
        if not self._since or Paused("job", job.name) not in self._since:
            return False
        job.lane.scheduled.add(job, ASIDE + job.entry[1], job.entry[2])
        return True
