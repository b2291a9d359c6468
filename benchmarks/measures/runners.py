"""One, two and four worker processes on one queue: how the rate grows, to the size of the machine."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.contestants import Contestant
from benchmarks.lab import Cell, Lab
from benchmarks.measures.drain import rate

__all__ = ["measure"]

_NUMBERS = (1, 2, 4)


def measure(lab: Lab, contestant: Contestant) -> dict[str, float]:
    jobs, figures = lab.jobs(contestant.drain_jobs), dict[str, float]()
    for number in _NUMBERS:
        with Cell(lab, contestant, jobs) as cell:
            cell.producer.ask("fill", first=0, limit=jobs)
            with ExitStack() as stack:
                cell.wait(0, jobs, [stack.enter_context(cell.worker()) for _ in range(number)])
            figures |= {f"{number} jobs/s": rate(cell.stamps(0, jobs))}
            figures["executions"] = cell.check_once(0, jobs)
    return figures
