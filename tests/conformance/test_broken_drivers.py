"""The suite finds faults: each broken driver fails the tests that name what it breaks, and passes others."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowli.driver import Driver
from flowli_conformance import DriverSuite, Suite
from tests.conformance.broken import FAULTS, MODULES, groups_of
from tests.conformance.faults.faulty import Fault, Faulty

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_HERE = Path(__file__).parent
_ALONG = 4
"""How many other tests of a group run along on a driver."""

_VERBS = [name for name in vars(Driver) if not name.startswith("_")]


@dataclass
class Runs:
    """What came of the broken drivers: (class, test) to what went wrong, or None; and the files that were asked for."""

    verdicts: dict[tuple[str, str], ElementTree.Element | None]
    table: str
    rows: list[dict[str, object]]
    page: str

    def __getitem__(self, place: tuple[str, str]) -> ElementTree.Element:
        verdict = self.verdicts[place]
        assert verdict is not None, f"{place[1]} passes on {place[0]}"
        return verdict

    def of(self, driver: str) -> dict[str, ElementTree.Element | None]:
        return {test: verdict for (name, test), verdict in self.verdicts.items() if name == f"Test{driver}"}


def _along(fault: Fault) -> Iterator[str]:
    """Tests of the same group that are not about the fault, and one that has little to do with most."""
    named = {test.partition("[")[0] for test in fault.tests}
    group = next(groups_of(fault))
    tests = [name for name, test in vars(group).items() if name.startswith("test_") and _is_plain(test)]
    others = [name for name in tests if name not in named]
    yield from {*others[:: max(1, len(others) // _ALONG)][:_ALONG], "test_a_new_job_is_queued_at_once"} - named


def _is_plain(test: object) -> bool:
    return not any(mark.name == "parametrize" for mark in getattr(test, "pytestmark", ()))


def _nodes() -> Iterator[str]:
    for fault in FAULTS:
        for test in (*fault.tests, *_along(fault)):
            yield f"Test{fault.driver.__name__}::{test}"
    yield from (f"TestOffersNothing::{test}" for test in _OFFERED)
    yield from ("TestWithDeviations", "TestPromisesJoins", "TestStub")
    yield from (f"TestOpensOnly::test_a_verb_before_open_is_refused[{verb}]" for verb in _VERBS if verb not in _DOORS)


_OFFERED = {"test_a_new_job_is_queued_at_once": None, "test_a_second_job_under_a_held_key_is_not_made": "skipped"}
"""Tests of a driver without abilities, and what comes of them."""

_DOORS = {"abilities", "process_local", "open", "close", "twin"}
"""What is no verb that a closed driver could refuse."""


def _play(folder: Path, nodes: Iterable[str], *options: str, ci: bool = False) -> subprocess.CompletedProcess[str]:
    """Run tests of the broken drivers; they fail. Where ``ci`` is set pytest cuts no message short."""
    (folder / "chosen").write_text("\n".join(nodes), encoding="utf-8")
    without = [word for name in ("cacheprovider", "xdist", "hypothesispytest") for word in ("-p", f"no:{name}")]
    choice = ["-p", "tests.conformance.faults.choice", f"--only-those-in={folder / 'chosen'}"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--tb=short",
        *without,
        *choice,
        *options,
        str(_HERE / "broken.py"),
    ]
    kept = {name: value for name, value in os.environ.items() if name not in {"CI", "BUILD_NUMBER"}}
    there = kept | {"CI": "true"} if ci else kept
    run = subprocess.run(
        command, cwd=_HERE.parents[1], env=there, capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, (run.stdout + run.stderr)[-3_000:]
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("broken")
    reports = [f"--flowli-report={folder / name}" for name in ("rows.json", "page.md")]
    run = _play(folder, _nodes(), f"--junitxml={folder / 'junit.xml'}", *reports)
    cases = ElementTree.parse(folder / "junit.xml").iter("testcase")
    return Runs(
        {(case.attrib["classname"].rpartition(".")[2], case.attrib["name"]): next(iter(case), None) for case in cases},
        run.stdout.partition("what ran on what")[2],
        json.loads((folder / "rows.json").read_text(encoding="utf-8")),
        (folder / "page.md").read_text(encoding="utf-8"),
    )


def _name(fault: Fault) -> str:
    return fault.driver.__name__


_CAUGHT = [pytest.param(fault, test, id=f"{_name(fault)}-{test}") for fault in FAULTS for test in fault.tests]


@pytest.mark.parametrize(("fault", "test"), _CAUGHT)
def test_a_broken_driver_fails_the_test_that_names_its_fault(runs: Runs, fault: Fault, test: str) -> None:
    verdict = runs[f"Test{fault.driver.__name__}", test]
    assert verdict.tag == "failure", verdict.attrib["message"]
    assert verdict.attrib["message"].startswith(("AssertionError: ", "Failed: ")), (
        f"a guarantee fails, in words: {verdict.attrib['message']}"
    )


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if any(_along(fault))], ids=_name)
def test_a_broken_driver_passes_tests_of_what_it_does_not_break(runs: Runs, fault: Fault) -> None:
    assert [test for test, verdict in runs.of(fault.driver.__name__).items() if verdict is None]


@pytest.mark.parametrize("fault", FAULTS, ids=_name)
def test_a_broken_driver_ends_no_test_in_an_error_of_the_suite(runs: Runs, fault: Fault) -> None:
    said = [verdict for verdict in runs.of(fault.driver.__name__).values() if verdict is not None]
    assert {verdict.tag for verdict in said} == {"failure"}


def test_a_driver_without_abilities_skips_what_needs_one_and_nothing_else(runs: Runs) -> None:
    verdicts = runs.of("OffersNothing")
    assert {test: None if found is None else found.tag for test, found in verdicts.items()} == _OFFERED


def test_every_broken_driver_is_on_the_list() -> None:
    made = {
        value
        for module in MODULES
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Faulty) and not value.__name__.startswith("_")
    }
    assert made - {Faulty} == {fault.driver for fault in FAULTS}
    assert len(FAULTS) >= 25


def test_every_group_has_a_broken_driver_that_it_catches() -> None:
    caught = {group for fault in FAULTS for group in groups_of(fault)}
    assert caught == {group for group in DriverSuite.__bases__ if issubclass(group, Suite)}


def test_a_driver_without_verbs_fails_every_test_and_is_told_which_verb_it_lacks(runs: Runs) -> None:
    verdicts = runs.of("Stub")
    assert len(verdicts) > 600
    silent = {
        test: None if verdict is None else verdict.attrib["message"].partition("\n")[0]
        for test, verdict in verdicts.items()
        if verdict is None or "the driver lacks the verb" not in verdict.attrib["message"].partition("\n")[0]
    }
    assert silent == {}


@pytest.mark.parametrize("verb", [verb for verb in _VERBS if verb not in _DOORS])
def test_each_verb_that_is_lacking_is_named_with_what_its_users_miss(runs: Runs, verb: str) -> None:
    verdict = runs["TestOpensOnly", f"test_a_verb_before_open_is_refused[{verb}]"]
    assert f"the driver lacks the verb {verb}: without it " in verdict.attrib["message"]


@pytest.mark.parametrize("test", ["a_large_record", "a_batch_of_large_records"])
def test_a_large_record_that_is_mangled_fails_at_once_where_messages_are_not_cut(tmp_path: Path, test: str) -> None:
    run = _play(tmp_path, [f"TestManglesBodies::test_{test}_is_kept"], ci=True)
    assert "AssertionError" in run.stdout and "Timeout" not in run.stdout


def test_a_failure_says_the_guarantee_and_what_was_compared(runs: Runs) -> None:
    message = runs["TestIgnoresPriorities", "test_a_higher_priority_is_served_first"].attrib["message"]
    assert "an urgent job passes everything less urgent" in message
    assert "['low', 'top', 'mid', 'one'] == ['top', 'mid', 'one', 'low']" in message


def test_a_deviation_is_an_expected_failure_with_its_reason(runs: Runs) -> None:
    verdict = runs["TestWithDeviations", "test_a_higher_priority_is_served_first"]
    assert (verdict.tag, verdict.attrib["type"]) == ("skipped", "pytest.xfail")
    assert "this store has no priorities" in verdict.attrib["message"]


def test_a_deviation_that_passes_fails_the_run(runs: Runs) -> None:
    verdict = runs["TestWithDeviations", "test_a_queue_that_is_not_named_is_not_served"]
    assert verdict.tag == "failure" and "XPASS(strict)" in verdict.attrib["message"]


def test_an_ability_that_the_driver_has_not_is_missed(runs: Runs) -> None:
    test = "test_the_driver_and_its_test_class_declare_the_same_abilities"
    message = runs["TestPromisesJoins", test].attrib["message"]
    assert "the test class declares join, and the driver does not" in message


def test_the_table_names_driver_store_and_reasons(runs: Runs) -> None:
    (row,) = [line for line in runs.table.splitlines() if line.startswith("TestWithDeviations ")]
    assert "IgnoresPriorities" in row and "a store without priorities" in row
    assert "xfailed test_a_higher_priority_is_served_first: this store has no priorities" in runs.table


def test_the_report_counts_what_pytest_counts(runs: Runs) -> None:
    (row,) = [row for row in runs.rows if row["suite"] == "TestWithDeviations"]
    verdicts = runs.of("WithDeviations")
    failed = [test for test, verdict in verdicts.items() if verdict is not None and verdict.tag == "failure"]
    assert row["failed"] == failed
    assert row["passed"] == sum(verdict is None for verdict in verdicts.values())
    assert row["xfailed"] == {"test_a_higher_priority_is_served_first": "this store has no priorities"}


def test_the_report_is_a_table_in_markdown(runs: Runs) -> None:
    assert "| suite | driver | store | passed | failed | xfailed | skipped | Python | core |" in runs.page
    assert "| TestWithDeviations | tests.IgnoresPriorities | a store without priorities |" in runs.page
