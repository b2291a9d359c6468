"""What the benchmark makes of raw figures, and the ledger that executions are counted in."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.figures import Figure, best, figure_of
from benchmarks.ledger import Ledger
from benchmarks.lineup import choose
from benchmarks.rounds import Raw
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
