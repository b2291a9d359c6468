"""What limits cost: draining with a thousand keys of which each may have one job at once, beside draining without."""

from __future__ import annotations

from benchmarks.contestants import Contestant
from benchmarks.lab import Cell, Lab
from benchmarks.measures.drain import rate

__all__ = ["measure"]

_JOBS, _WARM = 60_000, 50


def measure(lab: Lab, contestant: Contestant) -> dict[str, float]:
    figures: dict[str, float] = {}
    for settings in ("tuned", "defaults"):
        free = _drain(lab, contestant, settings)
        limited = _drain(lab, contestant, f"{settings}, limited")
        figures |= {f"{settings}: {name}": value for name, value in free.items()}
        figures |= {f"{settings}, limited: {name}": value for name, value in limited.items()}
        figures[f"{settings}: kept"] = limited["jobs/s"] / free["jobs/s"]
    return figures


def _drain(lab: Lab, contestant: Contestant, settings: str) -> dict[str, float]:
    jobs = lab.jobs(_JOBS)
    with Cell(lab, contestant, _WARM + jobs, settings) as cell:
        cell.warm(_WARM)
        cell.producer.ask("fill", first=_WARM, limit=jobs)
        full = cell.server.look()
        with cell.worker() as worker:
            cell.wait(_WARM, jobs, [worker])
        spent = cell.server.look().since(full)
        stamps = cell.stamps(_WARM, jobs)
        cell.check_once(_WARM, jobs)
    return {"jobs/s": rate(stamps), "server us": 1e6 * spent.cpu / jobs}
