"""A worker with nothing to do: what it costs, and how soon it executes a job that comes, one each 20 ms."""

from __future__ import annotations

import time
from statistics import quantiles

from benchmarks.contestants import Contestant
from benchmarks.lab import Cell, Lab

__all__ = ["measure"]

_EVERY = 0.020
_JOBS = 100
_WATCHED = 3.0
_FIRST = 10


def measure(lab: Lab, contestant: Contestant) -> dict[str, float]:
    jobs, watched = lab.jobs(_JOBS), lab.seconds(_WATCHED)
    with Cell(lab, contestant, _FIRST + jobs) as cell, cell.worker() as worker:
        cell.producer.ask("one", first=0, limit=_FIRST, seconds=10.0)
        cell.wait(0, _FIRST, [worker])
        time.sleep(0.5)  # what follows the last job is over
        before, began, cpu = cell.server.look(), time.monotonic(), worker.footprint().cpu
        time.sleep(watched)
        spent, took, foot = cell.server.look().since(before), time.monotonic() - began, worker.footprint()
        sent = cell.producer.ask("paced", first=_FIRST, limit=jobs, every=_EVERY)["sent"]
        cell.wait(_FIRST, jobs, [worker])
        late = [1000 * (at - then) for at, then in zip(cell.ledger.times(_FIRST, jobs), sent, strict=True)]
        cuts = quantiles(late, n=100, method="inclusive")
        return {
            "p50 ms": cuts[49],
            "p90 ms": cuts[89],
            "p99 ms": cuts[98],
            "max ms": max(late),
            "idle commands/s": spent.commands / took,
            "idle cpu %": 100 * (foot.cpu - cpu) / took,
            "idle server cpu %": 100 * spent.cpu / took,
            "rss MB": foot.rss / 1e6,
            "processes": foot.processes,
            "executions": cell.check_once(_FIRST, jobs),
        }
