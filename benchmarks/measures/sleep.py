"""Jobs that sleep 0.1 s: how near the worker comes to the time that its concurrency allows."""

from __future__ import annotations

from math import ceil

from benchmarks.contestants import Contestant
from benchmarks.lab import Cell, Lab
from benchmarks.payload import NAP

__all__ = ["measure"]


def measure(lab: Lab, contestant: Contestant) -> dict[str, float]:
    waves = max(2, round(lab.scale * contestant.sleep_jobs / contestant.sleep_concurrency))
    jobs = waves * contestant.sleep_concurrency
    with Cell(lab, contestant, jobs) as cell:
        cell.producer.ask("nap", first=0, limit=jobs)
        with cell.worker(asleep=True) as worker:
            cell.wait(0, jobs, [worker])
        stamps = cell.stamps(0, jobs)
        total, ideal = stamps[-1] - stamps[0] + NAP, ceil(jobs / contestant.sleep_concurrency) * NAP
        return {
            "total s": total,
            "ideal s": ideal,
            "total/ideal": total / ideal,
            "jobs": jobs,
            "concurrency": contestant.sleep_concurrency,
            "executions": cell.check_once(0, jobs),
        }
