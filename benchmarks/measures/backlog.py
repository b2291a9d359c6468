"""From a thousand to a million jobs that wait: does a rate fall, and how long does the server hold everybody up?"""

from __future__ import annotations

from benchmarks.contestants import Contestant
from benchmarks.lab import Cell, Lab
from benchmarks.measures.drain import rate

__all__ = ["LEAST", "measure"]

LEAST = 1_000
_SIZES = (LEAST, 10_000, 100_000, 1_000_000)
_SAMPLE = 20_000
"""Jobs that are enqueued on top of a backlog, and executed out of it, to take the rates."""


def measure(lab: Lab, contestant: Contestant) -> dict[str, float]:
    sizes = [size for size in _SIZES if size <= max(10_000, lab.scale * _SIZES[-1])]
    figures: dict[str, float] = {}
    for size in sizes:
        figures |= {f"{size:,} {name}": value for name, value in _at(lab, contestant, size).items()}
    for name in ("enqueue", "drain"):
        figures[f"{name} kept"] = figures[f"{sizes[-1]:,} {name}"] / figures[f"{LEAST:,} {name}"]
    figures["longest ms"] = max(value for name, value in figures.items() if name.endswith("longest ms"))
    return figures


def _at(lab: Lab, contestant: Contestant, size: int) -> dict[str, float]:
    """Rates at one size, and the longest command meanwhile."""
    sample = lab.jobs(_SAMPLE, least=1_000)
    total = size + sample
    with Cell(lab, contestant, total) as cell:
        cell.producer.ask("fill", first=0, limit=size)
        told = cell.producer.ask("bulk", first=size, limit=sample, seconds=60.0)
        before = cell.server.look()
        cell.server.watch_slow()
        with cell.worker() as worker:
            cell.wait(0, total, [worker], enough=sample)
        spent, executed = cell.server.look().since(before), cell.ledger.executed(0, total)
        return {
            "enqueue": told["count"] / told["seconds"],
            "drain": rate(cell.stamps(0, total)),
            "server us": 1e6 * spent.cpu / executed,
            "longest ms": cell.server.slowest(),
        }
