"""Fifty runners whose connections are all cut in the millisecond in which a hundred thousand jobs are due: how long
does the longest command take when they come back, and is each job executed once?"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace

from benchmarks.contestants import Contestant
from benchmarks.lab import Cell, Lab
from benchmarks.measures.due import PROBE, outcome, store_delayed

__all__ = ["measure"]

_JOBS = 100_000
_PROCESSES, _RUNNERS = 2, 25
"""Processes, and runners with connections of their own in each."""
_START = 15.0
"""Seconds that they have to begin, before the jobs are due."""


def measure(lab: Lab, contestant: Contestant) -> dict[str, float]:
    """Raises RuntimeError when the jobs were due before all runners were at work."""
    jobs = lab.jobs(_JOBS)
    command = f"{{bin}}/python -m benchmarks.adapters.flowli_crowd {contestant.adapter} {_RUNNERS}"
    with Cell(lab, replace(contestant, worker=command), jobs + PROBE) as cell, ExitStack() as stack:
        due, _ = store_delayed(cell, jobs, _START)
        workers = [stack.enter_context(cell.worker()) for _ in range(_PROCESSES)]
        cell.wait(jobs, PROBE, workers)
        while not all("at work" in worker.said for worker in workers):
            if time.monotonic() > due:
                raise RuntimeError(f"{_PROCESSES * _RUNNERS} runners did not start in time: {workers[0].said}")
            time.sleep(0.05)
        cell.server.watch_slow()
        time.sleep(max(0.0, due - time.monotonic()))
        cell.server.cut_clients()
        cell.wait(0, jobs, workers)
        return outcome(cell, jobs, due)
