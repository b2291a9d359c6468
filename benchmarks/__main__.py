"""``nox -s bench``, or ``python -m benchmarks``: what to measure, of whom, on which server."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks import plots, report
from benchmarks.contestants import Contestant
from benchmarks.environments import ROOT, NotInstalledError, prepare, versions_of
from benchmarks.lab import Lab
from benchmarks.lineup import choose
from benchmarks.measures import (
    backlog,
    drain,
    due,
    durability,
    enqueue,
    idle,
    limits,
    profile,
    reconnect,
    runners,
    schedules,
    sleep,
)
from benchmarks.rounds import Measure, Raw, load, run_measure, save
from benchmarks.servers import SERVERS, Server, find_server

__all__ = ["MEASURES", "main"]

MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "enqueue": enqueue.measure,
        "drain": drain.measure,
        "defaults": drain.measure_defaults,
        "idle": idle.measure,
        "sleep": sleep.measure,
        "profile": profile.measure,
        "runners": runners.measure,
        "backlog": backlog.measure,
        "due": due.measure,
        "reconnect": reconnect.measure,
        "schedules": schedules.measure,
        "limits": limits.measure,
        "durability": durability.measure,
    }
)
_SAME = ("commit", "server", "rounds", "scale")
"""What two runs have to have in common for the second to go on where the first was cut short."""

_QUICK = ["flowli", "bare-redispy", "dramatiq", "saq"]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small counts, one round, a few contestants")
    parser.add_argument("--only", help=f"measures, comma-separated: {', '.join(MEASURES)}")
    parser.add_argument("--contestants", help="names, comma-separated; `bare` stands for all that begin with it")
    parser.add_argument("--resume", action="store_true", help="go on where a run of the same commit was cut short")
    parser.add_argument("--server", choices=SERVERS, default="valkey")
    parser.add_argument("--rounds", type=int, help="3, or 1 with --quick")
    parser.add_argument("--scale", type=float, help="factor for all counts: 1.0, or 0.1 with --quick")
    parser.add_argument("--results", type=Path, help="where the report goes: benchmarks/results/SERVER")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write raw figures, pictures and report. 1 when a contestant failed in a measure."""
    options = _options(arguments)
    names = options.contestants.split(",") if options.contestants else _QUICK if options.quick else None
    measures = _measures(options.only)
    lab = Lab(find_server(options.server), options.scale or (0.1 if options.quick else 1.0))
    rounds = options.rounds or (1 if options.quick else 3)
    folder: Path = options.results or ROOT / "benchmarks/results" / ("quick" if options.quick else options.server)
    raw = load(folder / "figures.json")
    present, absent = _prepared(choose(names))
    with Server(lab.binary) as server:
        about = report.describe(server.product)
    versions = {name: number for one in present for name, number in versions_of(one).items()}
    raw["about"] = {**about, "absent": absent, "versions": raw["about"].get("versions", {}) | versions}
    for name in measures:
        part = [one for one in present if name in one.measures]
        taken = {**report.describe(about["server"]), "rounds": 1 if name == "profile" else rounds, "scale": lab.scale}
        _take(lab, name, part, taken, raw, folder, resume=options.resume)
        report.write(raw, folder / "README.md", plots.draw(raw, folder))
    _tell(f"the report is {folder / 'README.md'}")
    return int(any(one["failed"] for name in measures for one in raw["measures"][name]["contestants"].values()))


def _take(
    lab: Lab, name: str, part: Sequence[Contestant], taken: dict[str, Any], raw: Raw, folder: Path, *, resume: bool
) -> None:
    """One measure into ``raw`` and its file, anew, or from where a run of the same commit was cut short."""
    before = raw["measures"].get(name) if resume else None
    is_same = before is not None and all(before["about"].get(key) == taken[key] for key in _SAME)
    _tell(f"{name}, {taken['rounds']} rounds on {taken['server']}{', resumed' if is_same else ''}")
    about = before["about"] if before is not None and is_same else {**taken, "took": 0.0}
    began = time.monotonic() - about["took"]

    def keep(found: dict[str, Any]) -> None:
        about["took"] = round(time.monotonic() - began)
        raw["measures"][name] = {"about": about, "contestants": found}
        save(folder / "figures.json", raw)

    measured: dict[str, Any] = before["contestants"] if before is not None and is_same else {}
    keep(run_measure(lab, MEASURES[name], part, taken["rounds"], _tell, keep, measured) if part else {})


def _measures(only: str | None) -> list[str]:
    names = list(MEASURES) if only is None else only.split(",")
    if unknown := [name for name in names if name not in MEASURES]:
        raise SystemExit(f"no measure {unknown[0]!r}. There are: {', '.join(MEASURES)}.")
    return names


def _prepared(contestants: Sequence[Contestant]) -> tuple[list[Contestant], dict[str, str]]:
    """Those whose environments are there now, and why the others are not."""
    present, absent = list[Contestant](), dict[str, str]()
    for one in contestants:
        try:
            prepare(one)
            present.append(one)
        except NotInstalledError as exc:
            absent[one.name] = str(exc)
            _tell(f"{one.name} takes no part: {exc}")
    return present, absent


def _tell(line: str) -> None:
    print(line, flush=True)


def _end(number: int, _: object) -> None:
    sys.exit(128 + number)  # and not at once: servers and workers end with their cell


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main())
