"""The suite finds faults: each broken driver fails the test that names what it breaks, and passes the others."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path

import pytest

_HERE = Path(__file__).parent

Verdicts = Mapping[tuple[str, str], ElementTree.Element | None]
"""(class, test) to what went wrong; None for a test that passed."""


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    report = tmp_path_factory.mktemp("broken") / "report.xml"
    command = [sys.executable, "-m", "pytest", str(_HERE / "broken.py"), "-q", "--tb=short", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [*command, f"--junitxml={report}"],
        cwd=_HERE.parents[1],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    return {
        (case.attrib["classname"].rpartition(".")[2], case.attrib["name"]): next(iter(case), None)
        for case in ElementTree.parse(report).iter("testcase")
    }


FAULTS = [
    ("TestHandsOutTwice", "test_a_leased_job_is_not_leased_again"),
    ("TestHandsOutTwiceAtOnce", "test_many_claims_of_one_driver_share_the_jobs"),
    ("TestHandsOutTwiceAtOnce", "test_many_drivers_share_the_jobs"),
    ("TestIgnoresTokens", "test_a_stale_token_cannot_settle"),
    ("TestIgnoresTokens", "test_a_token_that_was_never_given_settles_nothing"),
    ("TestRenewsAnything", "test_a_stale_token_is_not_renewed[30000]"),
    ("TestRenewsAnything", "test_a_stale_token_is_not_renewed[None]"),
    ("TestLosesMemos", "test_a_retry_waits_for_its_instant"),
    ("TestLosesMemos", "test_each_settlement_replaces_the_memo"),
    ("TestIgnoresPriorities", "test_a_higher_priority_is_served_first"),
    ("TestIgnoresPriorities", "test_a_priority_survives_a_retry"),
    ("TestIgnoresIds", "test_a_known_id_is_existing_and_replaces_nothing"),
    ("TestIgnoresIds", "test_an_id_twice_in_one_batch_is_one_job"),
    ("TestForgetsTurns", "test_a_claim_repeated_returns_its_leases_and_takes_no_others"),
    ("TestForgetsTurns", "test_a_lost_claim_is_found_again_with_a_limit_of_0"),
    ("TestFiresTwice", "test_a_change_that_lost_stores_no_jobs"),
    ("TestFiresTwice", "test_many_runners_that_fire_one_instant_store_one_set_of_jobs"),
    ("TestForgetsLapses", "test_each_lapse_counts_one_delivery"),
    ("TestForgetsLapses", "test_deliveries_survive_settlements"),
    ("TestNeverWaits", "test_an_enqueue_wakes_a_waiting_claim"),
]


@pytest.mark.parametrize(("driver", "test"), FAULTS)
def test_a_broken_driver_fails_the_test_that_names_its_fault(verdicts: Verdicts, driver: str, test: str) -> None:
    verdict = verdicts[driver, test]
    assert verdict is not None and verdict.tag == "failure"
    assert "AssertionError" in verdict.attrib["message"], "it is the guarantee that fails, not the suite"


@pytest.mark.parametrize("driver", sorted({driver for driver, _ in FAULTS}))
def test_a_broken_driver_passes_tests_of_what_it_does_not_break(verdicts: Verdicts, driver: str) -> None:
    assert [test for (name, test), verdict in verdicts.items() if name == driver and verdict is None]


@pytest.mark.parametrize("driver", sorted({driver for driver, _ in FAULTS}))
def test_a_broken_driver_ends_no_test_in_an_error_of_the_suite(verdicts: Verdicts, driver: str) -> None:
    tags = {verdict.tag for (name, _), verdict in verdicts.items() if name == driver and verdict is not None}
    assert tags == {"failure"}


def test_a_failure_says_the_guarantee_and_what_was_compared(verdicts: Verdicts) -> None:
    verdict = verdicts["TestIgnoresPriorities", "test_a_higher_priority_is_served_first"]
    assert verdict is not None
    assert "an urgent job passes everything less urgent" in verdict.attrib["message"]
    assert "['low', 'top', 'mid', 'one'] == ['top', 'mid', 'one', 'low']" in verdict.attrib["message"]


def test_a_deviation_is_an_expected_failure_with_its_reason(verdicts: Verdicts) -> None:
    verdict = verdicts["TestWithDeviations", "test_a_higher_priority_is_served_first"]
    assert verdict is not None
    assert (verdict.tag, verdict.attrib["type"]) == ("skipped", "pytest.xfail")
    assert "this store has no priorities" in verdict.attrib["message"]


def test_a_deviation_that_passes_fails_the_run(verdicts: Verdicts) -> None:
    verdict = verdicts["TestWithDeviations", "test_a_queue_that_is_not_named_is_not_served"]
    assert verdict is not None
    assert verdict.tag == "failure" and "XPASS(strict)" in verdict.attrib["message"]


def test_a_deviation_leaves_the_tests_of_other_classes_alone(verdicts: Verdicts) -> None:
    verdict = verdicts["TestIgnoresPriorities", "test_a_higher_priority_is_served_first"]
    assert verdict is not None and verdict.tag == "failure"
