"""Draining what is already there with one worker: rate, cost to worker and server, and what is left behind."""

from __future__ import annotations

from benchmarks.contestants import Contestant
from benchmarks.lab import Cell, Lab
from benchmarks.processes import WorkerProcess

__all__ = ["measure", "measure_defaults", "rate"]

_WARM = 50


def measure(lab: Lab, contestant: Contestant) -> dict[str, float]:
    return _drain(lab, contestant, "tuned", lab.jobs(contestant.drain_jobs))


def measure_defaults(lab: Lab, contestant: Contestant) -> dict[str, float]:
    return _drain(lab, contestant, "defaults", lab.jobs(contestant.default_jobs))


def rate(stamps: list[float]) -> float:
    """Jobs a second between the first and the last."""
    return (len(stamps) - 1) / (stamps[-1] - stamps[0])


def _drain(lab: Lab, contestant: Contestant, settings: str, jobs: int) -> dict[str, float]:
    with Cell(lab, contestant, _WARM + jobs, settings) as cell:
        cell.warm(_WARM)
        empty = cell.server.look()
        cell.producer.ask("fill", first=_WARM, limit=jobs)
        full = cell.server.look()
        with cell.worker() as worker:
            cpu = _cpu_while_draining(cell, worker, jobs)
        left = cell.server.look()
        stamps, spent = cell.stamps(_WARM, jobs), left.since(full)
        return {
            "jobs/s": rate(stamps),
            "worker us": cpu,
            "server us": 1e6 * spent.cpu / jobs,
            "commands": spent.commands / jobs,
            "reads": spent.reads / jobs,
            "wire B": spent.wire / jobs,
            "pending B": full.since(empty).memory / jobs,
            "left B": left.since(empty).memory / jobs,
            "left keys": left.since(empty).keys,
            "start s": stamps[0] - worker.started,
            "jobs": jobs,
            "executions": cell.check_once(_WARM, jobs),
        }


def _cpu_while_draining(cell: Cell, worker: WorkerProcess, jobs: int) -> float:
    """Microseconds of CPU for each job, from when the first was seen executed to the last."""
    cell.wait(_WARM, jobs, [worker], enough=1)
    began, before = cell.ledger.executed(_WARM, jobs), worker.footprint().cpu
    cell.wait(_WARM, jobs, [worker])
    return 1e6 * (worker.footprint().cpu - before) / max(1, jobs - began)
