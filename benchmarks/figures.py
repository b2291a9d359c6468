"""What rounds came to: medians with their spread, and who is best. It refuses to know where figures are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

from benchmarks.contestants import Kind
from benchmarks.lineup import CONTESTANTS
from benchmarks.rounds import Raw

__all__ = ["Figure", "best", "figure_of", "kind_of", "names_in", "plain"]

_KINDS = {one.name: one.kind for one in CONTESTANTS}
PEERS = (Kind.PYTHON, Kind.NODE)


class Figure(NamedTuple):
    """Over the rounds."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        low, middle, high = plain(self.low), plain(self.median), plain(self.high)
        return middle if low == high else f"{middle} ({low}-{high})"


def plain(value: float) -> str:
    """Three digits or more: ``12,345``, ``12.3``, ``1.23``."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def figure_of(raw: Raw, measure: str, contestant: str, figure: str) -> Figure | None:
    """None where it was not measured."""
    rounds = raw["measures"].get(measure, {}).get("contestants", {}).get(contestant, {}).get("rounds", [])
    values: list[float] = [one[figure] for one in rounds if figure in one]
    return Figure(median(values), min(values), max(values)) if values else None


def names_in(raw: Raw, measure: str) -> list[str]:
    """The contestants of a measure."""
    return list(raw["measures"].get(measure, {}).get("contestants", {}))


def kind_of(name: str) -> Kind:
    return _KINDS[name]


def best(
    raw: Raw, measure: str, figure: str, kinds: Iterable[Kind] = PEERS, *, least: bool = False
) -> tuple[str, float] | None:
    """The contestant of these kinds with the greatest median, or the least; None where none was measured."""
    wanted: Sequence[Kind] = tuple(kinds)
    found = {name: figure_of(raw, measure, name, figure) for name in names_in(raw, measure) if kind_of(name) in wanted}
    medians = {name: one.median for name, one in found.items() if one is not None}
    if not medians:
        return None
    name = (min if least else max)(medians, key=lambda one: medians[one])
    return name, medians[name]
