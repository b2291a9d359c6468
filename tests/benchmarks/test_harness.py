"""The benchmark itself, on tiny counts: that it measures, counts executions, and says what went wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.__main__ import MEASURES, main
from benchmarks.lab import Lab
from benchmarks.lineup import choose
from benchmarks.measures import drain
from benchmarks.rounds import run_measure
from benchmarks.servers import find_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


BESIDE = {"enqueue": "bare-redispy", "drain": "bare-glide-overlap", "sleep": "bare-redispy-tasks"}


@pytest.mark.parametrize("measure", MEASURES)
def test_a_measure_writes_figures_report_and_pictures(measure: str, tmp_path: Path) -> None:
    who = ",".join({"flowli-over-redispy", BESIDE.get(measure, "flowli-over-redispy")})
    status = main(["--quick", "--scale", "0.01", "--only", measure, "--contestants", who, "--results", str(tmp_path)])
    assert status == 0
    measured = json.loads((tmp_path / "figures.json").read_text())["measures"][measure]["contestants"]
    for contestant in measured.values():
        assert [figures.get("executions", 1.0) for figures in contestant["rounds"]] == [1.0]
    report = (tmp_path / "README.md").read_text()
    assert "| flowli-over-redispy | " in report and "## Targets" in report


def test_a_worker_that_does_nothing_is_noted_as_having_lost_its_jobs(tmp_path: Path) -> None:
    (bare,) = choose(["bare-redispy-tasks"])
    idler = replace(bare, worker="{bin}/python -c 'import signal; signal.pause()'")
    lab = Lab(find_server("valkey"), scale=0.01, patience=0.5)
    found = run_measure(lab, drain.measure, [idler], 1, lambda line: None)
    assert found[idler.name]["rounds"] == []
    assert "50 of 50 jobs were not executed" in found[idler.name]["failed"][0]


def test_a_worker_that_ends_is_noted_with_what_it_said(tmp_path: Path) -> None:
    (bare,) = choose(["bare-redispy-tasks"])
    broken = replace(bare, worker="{bin}/python -c 'raise SystemExit(\"no such option\")'")
    found = run_measure(Lab(find_server("valkey"), scale=0.01), drain.measure, [broken], 1, lambda line: None)
    assert "no such option" in found[broken.name]["failed"][0]
