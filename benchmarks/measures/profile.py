"""Where the time goes: the processes sampled, the server's own account of its commands, and what an import costs.

Sampling slows down what it looks at, so it has runs of its own, and no rate is taken here. A figure is called
``phase|what|function`` (or ``|command``, ``|package``).
"""

from __future__ import annotations

import subprocess
from collections import Counter

from benchmarks.contestants import Contestant, Kind
from benchmarks.environments import ROOT, bin_of
from benchmarks.lab import Cell, Lab
from benchmarks.processes import environment

__all__ = ["measure"]

_MOST = 12
_PACED = 500
_ENQUEUED_FOR = 0.8
_ROOM = 500_000


def measure(lab: Lab, contestant: Contestant) -> dict[str, float]:
    figures: dict[str, float] = {}
    if "drain" in contestant.measures:
        figures |= _draining(lab, contestant, "drain", "tuned", contestant.drain_jobs)
    if "defaults" in contestant.measures:
        figures |= _draining(lab, contestant, "defaults", "defaults", contestant.default_jobs)
    if "enqueue" in contestant.measures:
        for way in ("one", "concurrent", "bulk"):
            figures |= _enqueueing(lab, contestant, way)
    figures |= _paced(lab, contestant)
    if contestant.kind is Kind.OURS:
        figures |= _importing(lab, contestant)
    return figures


def _draining(lab: Lab, contestant: Contestant, phase: str, settings: str, full: int) -> dict[str, float]:
    jobs = lab.jobs(full)
    with Cell(lab, contestant, jobs, settings, profiled="worker") as cell:
        cell.producer.ask("fill", first=0, limit=jobs)
        cell.server.watch_slow()
        with cell.worker() as worker:
            cell.wait(0, jobs, [worker])
        cell.check_once(0, jobs)
        return _account(cell, phase, jobs)


def _enqueueing(lab: Lab, contestant: Contestant, way: str) -> dict[str, float]:
    with Cell(lab, contestant, _ROOM, profiled="producer") as cell:
        cell.server.watch_slow()
        told = cell.producer.ask(way, first=0, limit=_ROOM, seconds=lab.seconds(_ENQUEUED_FOR))
        return _account(cell, way, told["count"])


def _paced(lab: Lab, contestant: Contestant) -> dict[str, float]:
    """One job each 5 ms: what a worker does that is idle most of the time."""
    jobs = lab.jobs(_PACED)
    with Cell(lab, contestant, jobs, profiled="worker") as cell, cell.worker() as worker:
        cell.producer.ask("one", first=0, limit=1, seconds=10.0)
        cell.wait(0, 1, [worker])
        cell.server.watch_slow()
        cell.producer.ask("paced", first=1, limit=jobs - 1, every=0.005)
        cell.wait(0, jobs, [worker])
        return _account(cell, "idle", jobs)


def _account(cell: Cell, phase: str, jobs: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    for function, (own, below) in list(cell.shares().items())[: _MOST + 1]:
        figures |= {f"{phase}|own %|{function}": 100 * own, f"{phase}|all %|{function}": 100 * below}
    spent = cell.server.spent_on()
    for name in sorted(spent, key=lambda one: -spent[one][1])[:_MOST]:
        calls, micros = spent[name]
        figures |= {f"{phase}|calls|{name}": calls / jobs, f"{phase}|server us|{name}": micros / jobs}
    figures |= {f"{phase}|stall ms|{event}": longest for event, longest in cell.server.stalls().items()}
    return figures | {f"{phase}|longest ms|": cell.server.slowest()}


def _importing(lab: Lab, contestant: Contestant) -> dict[str, float]:
    """Milliseconds in the modules of each package, when a runner starts: as Python itself tells."""
    with Cell(lab, contestant, 1) as cell:
        told = environment(contestant, cell.server.url, cell.ledger.path, "tuned")
        code = f"import flowli.cli, {contestant.adapter}"
        command = [f"{bin_of(contestant)}/python", "-X", "importtime", "-c", code]
        said = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, check=True).stderr
    packages: Counter[str] = Counter()
    for line in said.splitlines():
        own, _, module = line.removeprefix("import time:").split("|")
        if own.strip().isdigit():
            packages[module.strip().split(".")[0]] += int(own)
    return {f"start|ms|{name}": micros / 1000 for name, micros in packages.most_common(_MOST)}
