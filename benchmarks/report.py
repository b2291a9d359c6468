"""The report in Markdown: the machine, how it was measured, the targets, the tables, and what could not be measured."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT
from benchmarks.figures import names_in
from benchmarks.lineup import CONTESTANTS
from benchmarks.profiles import profile_of
from benchmarks.rounds import Raw
from benchmarks.tables import TABLES, markdown, render
from benchmarks.targets import TARGETS, judge, reference_of

__all__ = ["OURS", "describe", "write"]

_STATUS = ("status", "--porcelain", "--", ".", ":!benchmarks/results")  # a run does not change what is measured
OURS = ("flowli-over-redispy", "flowli-over-glide")

_HOW = """Each cell is a server of its own without persistence, one process that enqueues and one that works, over
loopback TCP. Contestants take turns within each round. Figures are medians of the rounds, with the least and the
greatest in brackets where they differ; the factor behind a figure is its ratio to the best peer of the column.
Executions are counted by the handlers in a file that all processes map, outside of the store; a run in which a job was
lost does not count. Times come from one monotonic clock. `bare` are hand-written loops without retries, recovery,
timeouts or results: a ceiling, no product."""


def describe(server: str) -> dict[str, Any]:
    """The machine, the versions and the commit of this run."""
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _git("rev-parse", "--short=12", "HEAD") + ("+changes" if _git(*_STATUS) else ""),
        "machine": f"{os.cpu_count()} cores, {_processor()}, {platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "server": server,
        "load": round(os.getloadavg()[0], 1),
    }


def write(raw: Raw, path: Path, pictures: list[Path]) -> None:
    """Write the report of all that ``raw`` holds."""
    lines = ["# Benchmark", "", *_about(raw), "", _HOW, "", "## Targets", "", *_targets(raw), ""]
    lines += [*_missed(raw), "## Figures", ""]
    for picture in pictures:
        lines += [f"![{picture.stem}]({picture.name})", ""]
    for table in TABLES:
        lines += render(raw, table)
    lines += [*_failures(raw), "## How each was set", "", *_settings(raw)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def _about(raw: Raw) -> list[str]:
    rows = [
        [name, *(str(one["about"][key]) for key in ("when", "commit", "server", "rounds", "scale", "load", "took"))]
        for name, one in raw["measures"].items()
    ]
    newest = raw["about"]
    versions = ", ".join(f"{name} {number}" for name, number in sorted(newest["versions"].items()))
    return [
        f"{newest['machine']}; Python {newest['python']}; {versions}.",
        "",
        *markdown(["measure", "when", "commit", "server", "rounds", "scale", "load at start", "took, s"], rows),
    ]


def _targets(raw: Raw) -> list[str]:
    rows = [
        [target.what, target.demand, *(str(judge(raw, target, ours)) for ours in OURS), reference_of(raw, target)]
        for target in TARGETS
        if target.holds_in(raw)
    ]
    return markdown(["what", "target", *OURS, "against"], rows)


def _missed(raw: Raw) -> list[str]:
    verdicts = [(target, ours, judge(raw, target, ours)) for target in TARGETS if target.holds_in(raw) for ours in OURS]
    missed = [(target, ours, verdict) for target, ours, verdict in verdicts if verdict.missed]
    if not missed:
        return []
    rows = [
        [target.what, target.demand, ours, str(verdict), f"[{target.phase}](#{target.phase})" if target.phase else "-"]
        for target, ours, verdict in missed
    ]
    phases = dict.fromkeys(target.phase for target, *_ in missed if target.phase)
    return [
        "## Missed targets, and where the time goes",
        "",
        *markdown(["what", "target", "who", "reached", "profile"], rows),
        "",
        *(line for phase in phases for line in profile_of(raw, phase)),
    ]


def _failures(raw: Raw) -> list[str]:
    rows = [
        f"- {name}, {measure}: {text}"
        for measure in raw["measures"]
        for name in names_in(raw, measure)
        for text in raw["measures"][measure]["contestants"][name]["failed"]
    ]
    rows += [f"- {name} took no part: {text}" for name, text in raw["about"].get("absent", {}).items()]
    return ["## What could not be measured", "", *rows, ""] if rows else []


def _settings(raw: Raw) -> list[str]:
    present = {name for measure in raw["measures"] for name in names_in(raw, measure)}
    return [f"- **{one.name}**: {one.settings}" for one in CONTESTANTS if one.name in present]


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name")), "")


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
