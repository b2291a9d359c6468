"""Interleaved rounds: every contestant once a round, so that what the machine does meanwhile meets all of them.

It knows order, failures and the raw figures as JSON; it refuses to know what a figure means.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from benchmarks.contestants import Contestant
from benchmarks.lab import Lab

__all__ = ["Figures", "Measure", "Raw", "load", "run_measure", "save"]

Figures: TypeAlias = dict[str, float]
Measure: TypeAlias = Callable[[Lab, Contestant], Figures]
Raw: TypeAlias = dict[str, Any]
"""``{"about": {...}, "measures": {measure: {contestant: {"rounds": [figures, ...], "failed": [text, ...]}}}}``"""


def run_measure(
    lab: Lab,
    measure: Measure,
    contestants: Sequence[Contestant],
    rounds: int,
    tell: Callable[[str], None],
    keep: Callable[[dict[str, Any]], None] = lambda found: None,
    before: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """The figures of each contestant in each round, kept after each cell. One that fails is noted, tried again in the
    next round, and no more once it has failed twice. What ``before`` holds was measured by a run that was cut short."""
    found: dict[str, Any] = {one.name: before.get(one.name) or {"rounds": [], "failed": []} for one in contestants}
    for number in range(rounds):
        place = number % len(contestants)
        for contestant in [*contestants[place:], *contestants[:place]]:
            cell = found[contestant.name]
            if len(cell["failed"]) > 1 or len(cell["rounds"]) + len(cell["failed"]) > number:
                continue
            began = time.monotonic()
            try:
                cell["rounds"].append(measure(lab, contestant))
                said = "ok"
            except Exception as exc:
                said = f"{type(exc).__name__}: {exc}"
                cell["failed"].append(said)
            tell(f"    round {number + 1} {contestant.name:24} {time.monotonic() - began:5.1f} s  {said}")
            keep(found)
    return found


def load(path: Path) -> Raw:
    """What an earlier run left, so that one measure can be taken again."""
    raw: Raw = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"about": {}, "measures": {}}
    return raw


def save(path: Path, raw: Mapping[str, Any]) -> None:
    """Whole or not at all: a run that is killed here leaves what was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_suffix(".new")
    written.write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
    written.replace(path)
