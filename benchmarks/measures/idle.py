"""A worker with nothing to do: what it costs, and how soon it executes a job that comes, one each 20 ms."""

from __future__ import annotations

import time
from statistics import quantiles

from benchmarks.contestants import Contestant, Kind
from benchmarks.lab import Cell, Lab

__all__ = ["measure"]

_EVERY = 0.020
_JOBS = 100
_WATCHED = 3.0
_OURS_WATCHED = 20.0
"""Seconds: what our runners send each twenty seconds is among it."""
_FIRST = 10


def measure(lab: Lab, contestant: Contestant) -> dict[str, float]:
    jobs, watched = lab.jobs(_JOBS), lab.seconds(_OURS_WATCHED if contestant.kind is Kind.OURS else _WATCHED)
    with Cell(lab, contestant, _FIRST + jobs) as cell, cell.worker() as worker:
        cell.producer.ask("one", first=0, limit=_FIRST, seconds=10.0)
        cell.wait(0, _FIRST, [worker])
        time.sleep(0.5)  # what follows the last job is over
        before, cpu = cell.server.look(), worker.footprint().cpu
        with cell.server.overheard() as sent_by_name:
            began = time.monotonic()
            time.sleep(watched)
            took = time.monotonic() - began
        spent, foot = cell.server.look().since(before), worker.footprint()
        sent = cell.producer.ask("paced", first=_FIRST, limit=jobs, every=_EVERY)["sent"]
        cell.wait(_FIRST, jobs, [worker])
        late = [1000 * (at - then) for at, then in zip(cell.ledger.times(_FIRST, jobs), sent, strict=True)]
        cuts = quantiles(late, n=100, method="inclusive")
        return {
            "p50 ms": cuts[49],
            "p90 ms": cuts[89],
            "p99 ms": cuts[98],
            "max ms": max(late),
            "idle commands/s": sent_by_name.total() / took,
            **{f"idle {name}/s": number / took for name, number in sent_by_name.items()},
            "idle cpu %": 100 * (foot.cpu - cpu) / took,
            "idle server cpu %": 100 * spent.cpu / took,
            "rss MB": foot.rss / 1e6,
            "processes": foot.processes,
            "executions": cell.check_once(_FIRST, jobs),
        }
