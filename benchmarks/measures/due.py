"""A hundred thousand delayed jobs that are due in the same millisecond: how long does the longest command take?"""

from __future__ import annotations

import time

from benchmarks.contestants import Contestant
from benchmarks.lab import Cell, Lab
from benchmarks.measures.drain import rate

__all__ = ["PROBE", "measure", "outcome", "store_delayed"]

_JOBS = 100_000
PROBE = 2_000
"""Jobs that are enqueued first: how long they take tells when the others can be due at the earliest."""


def measure(lab: Lab, contestant: Contestant) -> dict[str, float]:
    """Raises RuntimeError when the jobs were due before all of them were stored."""
    jobs = lab.jobs(_JOBS)
    with Cell(lab, contestant, jobs + PROBE) as cell:
        due, told = store_delayed(cell, jobs)
        with cell.worker() as worker:
            cell.wait(jobs, PROBE, [worker])
            if time.monotonic() > due:
                raise RuntimeError(f"storing {jobs:,} delayed jobs took longer than expected: they were due before")
            cell.server.watch_slow()
            cell.wait(0, jobs, [worker], patience=due - time.monotonic() + lab.patience)
        return {"delay jobs/s": told["count"] / told["seconds"], **outcome(cell, jobs, due)}


def store_delayed(cell: Cell, jobs: int, spare: float = 5.0) -> tuple[float, dict[str, float]]:
    """Jobs from 0 on, all due at the monotonic instant that is returned, and what the producer said: ``spare`` seconds
    after they are stored, as far as the `PROBE` jobs tell that are enqueued before, behind them in the ledger."""
    probed = cell.producer.ask("concurrent", first=jobs, limit=PROBE, seconds=60.0)
    due = time.monotonic() + spare + 2 * jobs * probed["seconds"] / PROBE
    epoch = due - time.monotonic() + time.time()
    return due, cell.producer.ask("later", first=0, limit=jobs, epoch=epoch)


def outcome(cell: Cell, jobs: int, due: float) -> dict[str, float]:
    """Of jobs that were due at one instant, and are executed."""
    stamps = cell.stamps(0, jobs)
    return {
        "longest ms": cell.server.slowest(),
        "first after s": stamps[0] - due,
        "last after s": stamps[-1] - due,
        "jobs/s": rate(stamps),
        "jobs": jobs,
        "executions": cell.check_once(0, jobs),
    }
