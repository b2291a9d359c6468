"""What the benchmark makes of raw figures, and the ledger that executions are counted in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.contestants import Contestant
from benchmarks.environments import ROOT
from benchmarks.figures import Figure, best, figure_of
from benchmarks.lab import Lab
from benchmarks.ledger import Ledger
from benchmarks.lineup import choose
from benchmarks.profiles import profile_of
from benchmarks.report import OURS, write
from benchmarks.rounds import Raw, run_measure
from benchmarks.sampler import VARIABLE
from benchmarks.tables import TABLES, render
from benchmarks.targets import TARGETS, Target, judge, reference_of

DRAIN = next(table for table in TABLES if table.columns[0].measure == "drain")


def drained(**rates: list[float]) -> Raw:
    contestants = {
        name.replace("_", "-"): {"rounds": [{"jobs/s": rate} for rate in rounds], "failed": []}
        for name, rounds in rates.items()
    }
    return {"about": {}, "measures": {"drain": {"about": {}, "contestants": contestants}}}


def target(bound: float, against: str | None) -> Target:
    return Target("drain", "drain", "jobs/s", bound, at_least=True, against=against)


def test_a_figure_is_the_median_of_the_rounds_with_its_spread() -> None:
    raw = drained(flowli_over_redispy=[20_000.0, 30_000.0, 10_000.0])
    figure = figure_of(raw, "drain", "flowli-over-redispy", "jobs/s")
    assert figure == Figure(20_000, 10_000, 30_000)
    assert str(figure) == "20,000 (10,000-30,000)"


def test_a_ratio_is_reached_missed_or_not_measured() -> None:
    raw = drained(flowli_over_redispy=[50.0], bare_redispy_tasks=[100.0])
    wanted = target(0.5, "bare-redispy-tasks")
    assert str(judge(raw, wanted, "flowli-over-redispy")) == "0.50 x, reached"
    assert str(judge(raw, target(0.6, "bare-redispy-tasks"), "flowli-over-redispy")) == "0.50 x, **missed**"
    assert str(judge(raw, wanted, "flowli-over-glide")) == "not measured"
    assert str(judge(raw, target(1, "bare-glide"), "flowli-over-redispy")) == "not measured"
    assert reference_of(raw, wanted) == "bare-redispy-tasks: 100"


def test_the_bare_loops_are_no_peers() -> None:
    assert best(drained(flowli_over_redispy=[1.0], bare_redispy=[100.0]), "drain", "jobs/s") is None


def test_the_fastest_stand_first_and_the_bare_loops_below_all_products() -> None:
    raw = drained(bare_redispy=[100.0], flowli_over_redispy=[10.0], flowli_over_glide=[20.0])
    lines = [line.strip("| ").split(" | ")[0] for line in render(raw, DRAIN)]
    assert [line for line in lines if line.startswith(("flowli", "bare"))] == [
        "flowli-over-glide",
        "flowli-over-redispy",
        "bare-redispy",
    ]


def test_every_target_names_a_contestant_or_a_kind_that_there_is() -> None:
    named = [one.against for one in TARGETS if isinstance(one.against, str)]
    assert named
    assert [one.name for name in set(named) for one in choose([name]) if one.name == name] == list(set(named))


def test_a_part_of_a_name_chooses_its_kin_and_an_unknown_one_is_refused() -> None:
    assert [one.name for one in choose(["flowli"])] == ["flowli-over-redispy", "flowli-over-glide"]
    with pytest.raises(SystemExit, match="no contestant 'flow'"):
        choose(["flow"])


def test_the_ledger_tells_jobs_from_executions(tmp_path: Path) -> None:
    ledger = Ledger.make(tmp_path / "ledger", 10)
    ledger.counts[3], ledger.counts[4], ledger.stamps[4] = 1, 2, 12.5
    other = Ledger(tmp_path / "ledger")
    assert (other.executed(0, 10), other.executions(0, 10), other.executed(4, 6)) == (2, 3, 1)
    assert other.times(3, 2) == [0.0, 12.5]


def profiled(raw: Raw) -> Raw:
    figures = {
        "drain|own %|flowli.shift.Shift._serve": 30.0,
        "drain|all %|flowli.shift.Shift._serve": 60.0,
        "drain|server us|evalsha": 12.0,
        "drain|calls|evalsha": 0.01,
        "drain|stall ms|command": 3.0,
        "drain|longest ms|": 3.1,
    }
    raw["measures"]["profile"] = {"contestants": {"flowli-over-redispy": {"rounds": [figures], "failed": []}}}
    return raw


def test_a_profile_says_who_spent_how_much_on_what() -> None:
    lines = profile_of(profiled(drained(flowli_over_redispy=[50.0])), "drain")
    assert "| `flowli.shift.Shift._serve` | 30.0 | 60.0 |" in lines
    assert "| `evalsha` | 12.0 | 0.01 |" in lines
    assert "Longest command by SLOWLOG: 3.10 ms. LATENCY: command 3.00 ms." in lines
    assert "Not taken: run the measure `profile`." in profile_of(drained(), "drain")


def test_what_was_missed_stands_in_the_report_with_its_profile(tmp_path: Path) -> None:
    raw = profiled(drained(flowli_over_redispy=[30.0], bare_redispy_tasks=[100.0]))
    facts = {"when": "", "commit": "", "server": "redis 8", "rounds": 1, "scale": 1.0, "load": 0.0, "took": 1}
    raw["about"] = {"machine": "a machine", "python": "3", "versions": {}}
    for measure in raw["measures"].values():
        measure["about"] = facts
    write(raw, tmp_path / "README.md", [])
    report = (tmp_path / "README.md").read_text()
    assert "| drain, results off | ≥ 0.35 x | flowli-over-redispy | 0.30 x, **missed** | [drain](#drain) |" in report
    assert "| `flowli.shift.Shift._serve` | 30.0 | 60.0 |" in report


def test_a_target_of_one_contestant_judges_no_other() -> None:
    only = replace(target(0.5, "bare-redispy-tasks"), only="flowli-over-redispy")
    raw = drained(flowli_over_redispy=[50.0], flowli_over_glide=[10.0], bare_redispy_tasks=[100.0])
    assert [str(judge(raw, only, ours)) for ours in OURS] == ["0.50 x, reached", "-"]


def test_a_run_that_was_cut_short_goes_on_with_what_is_missing() -> None:
    one, other = choose(["bare-redispy", "bare-glide"])[0::3][:2]
    before = {one.name: {"rounds": [{"jobs/s": 1.0}], "failed": []}}
    asked = list[str]()

    def measure(lab: Lab, contestant: Contestant) -> dict[str, float]:
        asked.append(contestant.name)
        return {"jobs/s": 2.0}

    kept = list[int]()
    lab = Lab(Path("no-server"))
    found = run_measure(lab, measure, [one, other], 2, lambda _: None, lambda all_: kept.append(len(all_)), before)
    assert sorted(asked) == sorted([one.name, other.name, other.name])
    assert [figures["jobs/s"] for figures in found[one.name]["rounds"]] == [1.0, 2.0]
    assert len(kept) == 3


def test_a_profile_names_the_function_that_spends_the_time(tmp_path: Path) -> None:
    code = "import benchmarks.ledger\ndef burn():\n    for n in range(3_000_000):\n        n * n\nburn()"
    env = {**os.environ, VARIABLE: str(tmp_path / "samples")}
    subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, check=True)
    own, below = json.loads((tmp_path / "samples").read_text())["__main__.burn"]
    assert own > 0.5 and below >= own
