"""Ten thousand schedules: what a runner costs while none is due, and how many it fires a second when all are."""

from __future__ import annotations

import time

from benchmarks.contestants import Contestant
from benchmarks.lab import Cell, Lab

__all__ = ["measure"]

_SCHEDULES = 10_000
_WATCHED, _IDLE = 4.0, 20.0
"""Seconds: each of them fires once a second, or none of them; what a runner sends each twenty is among the latter."""
_RARELY, _OFTEN = 86_400.0, 1.0
"""Seconds between the fires of a schedule."""


def measure(lab: Lab, contestant: Contestant) -> dict[str, float]:
    schedules, watched, idle = lab.jobs(_SCHEDULES), lab.seconds(_WATCHED), lab.seconds(_IDLE)
    return _idle(lab, contestant, schedules, idle) | _firing(lab, contestant, schedules, watched)


def _idle(lab: Lab, contestant: Contestant, schedules: int, watched: float) -> dict[str, float]:
    with Cell(lab, contestant, schedules + 1) as cell:
        empty = cell.server.look()
        told = cell.producer.ask("every", first=1, limit=schedules, interval=_RARELY)
        full = cell.server.look().since(empty)
        with cell.worker() as worker:
            cell.producer.ask("one", first=0, limit=1, seconds=10.0)
            cell.wait(0, 1, [worker])
            time.sleep(0.5)  # what follows the last job is over
            before, cpu = cell.server.look(), worker.footprint().cpu
            with cell.server.overheard() as sent:
                began = time.monotonic()
                time.sleep(watched)
                took = time.monotonic() - began
            spent, cpu = cell.server.look().since(before), worker.footprint().cpu - cpu
    return {
        "put/s": told["count"] / told["seconds"],
        "memory B": full.memory / schedules,
        "idle commands/s": sent.total() / took,
        "idle cpu %": 100 * cpu / took,
        "idle server cpu %": 100 * spent.cpu / took,
    }


def _firing(lab: Lab, contestant: Contestant, schedules: int, watched: float) -> dict[str, float]:
    with Cell(lab, contestant, schedules) as cell:
        cell.producer.ask("every", first=0, limit=schedules, interval=_OFTEN)
        cell.server.watch_slow()
        with cell.worker() as worker:
            cell.wait(0, schedules, [worker])  # each of them once
            before, began = cell.ledger.executions(0, schedules), time.monotonic()
            time.sleep(watched)
            fired, took = cell.ledger.executions(0, schedules) - before, time.monotonic() - began
        return {"fires/s": fired / took, "of demand": fired / took / schedules, "longest ms": cell.server.slowest()}
