"""The pytest plugin: nothing where it is not needed, a table where it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flowli_conformance import OrderSuite
from flowli_conformance.report import Report, Row, main

pytestmark = pytest.mark.timeout(300)

_OFF = ("-p", "no:flowli_conformance")
_NUMBER = sum(name.startswith("test_") for name in vars(OrderSuite))
_COST = """
import sys, time, pytest
for _ in range(5):
    for name in [name for name in sys.modules if name.startswith("flowli")]:
        del sys.modules[name]
    began = time.process_time()
    import flowli_conformance.plugin
    print(time.process_time() - began)
"""
_LOADED = (
    "import sys, pytest; before = set(sys.modules); import flowli_conformance.plugin; print(*set(sys.modules) - before)"
)
_DRIVER = """
import pytest
from flowli_conformance import OrderSuite
from flowli_memory import MemoryDriver


class TestMine(OrderSuite):
    @pytest.fixture
    def make_driver(self):
        return MemoryDriver().twin

    @pytest.fixture
    def store_name(self):
        return "a dictionary"


def test_mine():
    assert True
"""


def _python(*arguments: str, folder: Path | None = None) -> str:
    run = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def _pytest(folder: Path, *arguments: str) -> str:
    return _python("-m", "pytest", "-q", "-c", "/dev/null", f"--rootdir={folder}", *arguments, folder=folder)


def _row(suite: str = "TestMine", *, store: str = "", xfailed: tuple[str, ...] = (), skipped: int = 0) -> Row:
    row = Row(suite=suite, module="tests.mine", store=store, passed=3)
    row.xfailed.update(dict.fromkeys(xfailed, "no priorities"))
    row.skipped.update({f"test_{index}": "no fork here" for index in range(skipped)})
    return row


def test_the_plugin_costs_less_than_five_milliseconds() -> None:
    """Processor time, and the best of five imports: what else the machine does is not counted."""
    assert min(map(float, _python("-c", _COST).split())) < 0.005


def test_the_plugin_loads_nothing_of_flowli_but_itself() -> None:
    assert set(_python("-c", _LOADED).split()) <= {"flowli_conformance", "flowli_conformance.plugin"}


@pytest.mark.slow
def test_a_run_without_the_suite_looks_as_it_would_without_the_plugin(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text("def test_other(): assert True\n", encoding="utf-8")
    report = tmp_path / "report.json"
    without, beside = (_pytest(tmp_path, *options) for options in (_OFF, [f"--flowli-report={report}"]))
    assert [line.partition(" in ")[0] for line in beside.splitlines()] == [
        line.partition(" in ")[0] for line in without.splitlines()
    ]
    assert not report.exists(), "what did not run is not reported"


@pytest.mark.slow
def test_a_run_of_the_suite_ends_with_what_ran_on_what(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(_DRIVER, encoding="utf-8")
    said = _pytest(tmp_path, "--flowli-report=report.json", "-m", "conformance", "--strict-markers")
    (row,) = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    (line,) = [line for line in said.splitlines() if line.startswith("TestMine ")]
    assert line.split("  ")[0] == "TestMine" and "flowli_memory.MemoryDriver" in line and "a dictionary" in line
    assert (row["passed"], row["failed"], row["store"]) == (_NUMBER, [], "a dictionary")
    assert "1 deselected" in said, "the marker tells the suite from an author's own tests"


@pytest.mark.slow
def test_the_suite_runs_without_its_plugin(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(_DRIVER, encoding="utf-8")
    said = _pytest(tmp_path, *_OFF)
    assert f"{_NUMBER + 1} passed" in said and "what ran on what" not in said


@pytest.mark.slow
def test_the_table_is_whole_when_several_processes_ran_it(tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    (tmp_path / "test_mine.py").write_text(_DRIVER, encoding="utf-8")
    _pytest(tmp_path, "-n", "2", "--flowli-report=report.json")
    (row,) = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (row["passed"], row["driver"].split()[0]) == (_NUMBER, "flowli_memory.MemoryDriver")


def test_a_page_keeps_its_text_around_the_table(tmp_path: Path) -> None:
    page = tmp_path / "support.md"
    page.write_text("# Mine\n\n<!-- what ran on what: begin -->\nold\n<!-- what ran on what: end -->\n\nThe end.\n")
    Report([_row(store="a dictionary")]).write(str(page))
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Mine\n\n<!-- what") and text.endswith("end -->\n\nThe end.\n")
    assert "| TestMine | ? | a dictionary | 3 | 0 | 0 | 0 |" in text and "old" not in text


def test_reports_of_several_runs_make_one_page(tmp_path: Path) -> None:
    for name in ("One", "Two"):
        Report([_row(name, xfailed=("test_a",))]).write(str(tmp_path / f"{name}.json"))
    page = tmp_path / "page.md"
    main([str(page), str(tmp_path / "One.json"), str(tmp_path / "Two.json")])
    text = page.read_text(encoding="utf-8")
    assert text.index("| One |") < text.index("| Two |")
    assert "- Two: xfailed test_a: no priorities" in text


def test_many_tests_of_one_reason_are_one_remark() -> None:
    assert list(_row(skipped=5).remarks()) == ["TestMine: skipped test_0, test_1, test_2 and 2 more: no fork here"]
