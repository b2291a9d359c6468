"""Pictures of the main figures. It knows matplotlib, and nothing of how they were measured."""
# pyright: basic, reportMissingImports=false

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import matplotlib

from benchmarks.contestants import Kind
from benchmarks.figures import Figure, figure_of, kind_of, names_in
from benchmarks.rounds import Raw

__all__ = ["draw"]

matplotlib.use("Agg")
from matplotlib import pyplot

_COLOURS = {Kind.OURS: "#c2410c", Kind.BARE: "#9ca3af", Kind.PYTHON: "#2563eb", Kind.NODE: "#15803d"}


class _Picture(NamedTuple):
    name: str
    title: str
    measure: str
    figure: str


_PICTURES = (
    _Picture("drain", "drain, results off: jobs/s, one worker process", "drain", "jobs/s"),
    _Picture("defaults", "drain at the defaults: jobs/s, one worker process", "defaults", "jobs/s"),
    _Picture("enqueue-one", "enqueue one by one: jobs/s", "enqueue", "one jobs/s"),
    _Picture("enqueue-concurrent", "enqueue, 100 concurrent: jobs/s", "enqueue", "concurrent jobs/s"),
    _Picture("enqueue-bulk", "enqueue, bulk of 100: jobs/s", "enqueue", "bulk jobs/s"),
    _Picture("latency", "latency of an idle worker, p50: ms", "idle", "p50 ms"),
)


def draw(raw: Raw, folder: Path) -> list[Path]:
    """Write a PNG for each picture whose figures were measured; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_bars(raw, picture, folder) for picture in _PICTURES if _values(raw, picture)]


def _values(raw: Raw, picture: _Picture) -> dict[str, Figure]:
    found = {name: figure_of(raw, picture.measure, name, picture.figure) for name in names_in(raw, picture.measure)}
    return {name: one for name, one in found.items() if one is not None}


def _bars(raw: Raw, picture: _Picture, folder: Path) -> Path:
    """Horizontal bars on a logarithmic scale, with the spread of the rounds."""
    values = _values(raw, picture)
    names = sorted(values, key=lambda name: values[name][0])
    medians = [values[name][0] for name in names]
    spread = [[values[n][0] - values[n][1] for n in names], [values[n][2] - values[n][0] for n in names]]
    figure, axes = pyplot.subplots(figsize=(8, 1 + 0.3 * len(names)))
    axes.barh(names, medians, xerr=spread, color=[_COLOURS[kind_of(name)] for name in names], ecolor="#404040")
    axes.set_xscale("log")
    axes.set_title(picture.title, loc="left", fontsize=10)
    for place, value in enumerate(medians):
        axes.annotate(f" {value:,.3g}" if value < 100 else f" {value:,.0f}", (value, place), va="bottom", fontsize=7)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    path = folder / f"{picture.name}.png"
    figure.savefig(path, dpi=120, bbox_inches="tight")
    pyplot.close(figure)
    return path
