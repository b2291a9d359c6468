"""Enqueueing: one by one, from 100 places at once, and in bulk of 100; what a job costs the server until it waits."""

from __future__ import annotations

from benchmarks.contestants import Contestant
from benchmarks.lab import Cell, Lab

__all__ = ["measure"]

_WARM = 200
_MOST = 500_000
_SECONDS = 0.8


def measure(lab: Lab, contestant: Contestant) -> dict[str, float]:
    seconds, room = lab.seconds(_SECONDS), 4 * _MOST
    figures: dict[str, float] = {}
    with Cell(lab, contestant, room) as cell:
        producer, first = cell.producer, 0
        for way in ("one", "concurrent", *(["bulk"] if "bulk" in producer.abilities else [])):
            producer.ask(way, first=first, limit=_WARM, seconds=10.0)
            before = cell.server.look()
            told = producer.ask(way, first=first + _WARM, limit=_MOST - _WARM, seconds=seconds)
            cost = cell.server.look().since(before)
            first, count = first + _MOST, told["count"]
            figures |= {f"{way} jobs/s": count / told["seconds"], f"{way} cpu us": 1e6 * told["cpu"] / count}
            figures |= {f"{way} server us": 1e6 * cost.cpu / count, f"{way} memory B": cost.memory / count}
            figures |= {f"{way} commands": cost.commands / count, f"{way} reads": cost.reads / count}
            figures |= {f"{way} wire B": cost.wire / count}
        figures["import s"] = producer.imported
    return figures
