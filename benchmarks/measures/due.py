"""A hundred thousand delayed jobs that are due in the same millisecond: how long does the longest command take?"""

from __future__ import annotations

import time

from benchmarks.contestants import Contestant
from benchmarks.lab import Cell, Lab
from benchmarks.measures.drain import rate

__all__ = ["measure"]

_JOBS = 100_000
_PROBE = 2_000
"""Jobs that are enqueued first: how long they take tells when the others can be due at the earliest."""


def measure(lab: Lab, contestant: Contestant) -> dict[str, float]:
    """Raises RuntimeError when the jobs were due before all of them were stored."""
    jobs = lab.jobs(_JOBS)
    with Cell(lab, contestant, jobs + _PROBE) as cell:
        probed = cell.producer.ask("concurrent", first=jobs, limit=_PROBE, seconds=60.0)
        due = time.monotonic() + 5 + 2 * jobs * probed["seconds"] / _PROBE
        epoch = due - time.monotonic() + time.time()
        told = cell.producer.ask("later", first=0, limit=jobs, epoch=epoch)
        with cell.worker() as worker:
            cell.wait(jobs, _PROBE, [worker])
            if time.monotonic() > due:
                raise RuntimeError(f"storing {jobs:,} delayed jobs took longer than expected: they were due before")
            cell.server.watch_slow()
            cell.wait(0, jobs, [worker], patience=due - time.monotonic() + lab.patience)
        stamps = cell.stamps(0, jobs)
        return {
            "delay jobs/s": told["count"] / told["seconds"],
            "longest ms": cell.server.slowest(),
            "first after s": stamps[0] - due,
            "last after s": stamps[-1] - due,
            "jobs/s": rate(stamps),
            "jobs": jobs,
            "executions": cell.check_once(0, jobs),
        }
