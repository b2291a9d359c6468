"""The checker finds what it is there for: one history for each invariant that breaks it, and one that breaks none."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flowli.records import FailureReason, JobError, JobRecord, State
from tests.faults.checker import Account, check, findings
from tests.support.ledger import History, Ledger, Run, Window

ONE = Run("a", 1, 10, 7, 100.0, 101.0, "done")


def record(id: str = "a", *, token: int = 10, **changes: object) -> JobRecord:
    values: dict[str, object] = {
        "id": id,
        "name": "quick",
        "queue": "default",
        "state": State.COMPLETED,
        "priority": 0,
        "attempts_made": 1,
        "failures": 0,
        "deliveries": 0,
        "max_attempts": 1,
        "token": token,
        "created_at": datetime.now(UTC),
        "result_json": b"%d" % token,
        **changes,
    }
    return JobRecord(**values)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def account(
    *runs: Run, windows: tuple[Window, ...] = (), records: Mapping[str, JobRecord] | None = None, known: str = "a"
) -> Account:
    ids = frozenset(known)
    history = History(ids, ids, frozenset(), runs or (ONE,), windows)
    return Account(history, {"a": record()} if records is None else records, lease_s=1.0)


def codes(given: Account) -> list[str]:
    return sorted({finding.split(":")[0] for finding in findings(given)})


def test_a_history_without_a_fault_has_no_finding() -> None:
    check(account())


LATER = Run("a", 2, 20, 8, 110.0, 111.0, "done")
KILLED = ONE._replace(ended=None, outcome="")
WON = {"a": record(token=20)}

BROKEN: dict[str, tuple[Account, str]] = {
    "acknowledged and gone": (account(records={}), "I1"),
    "not over": (account(records={"a": record(state=State.ACTIVE, result_json=None)}), "I1"),
    "failed for no reason": (account(records={"a": record(state=State.FAILED, result_json=None)}), "I1"),
    "executed from nowhere": (account(ONE, ONE._replace(job="b")), "I2"),
    "executed twice": (account(ONE, LATER, records=WON), "I3"),
    "died unexplained": (account(KILLED, LATER, records=WON), "I3"),
    "killed by another's kill": (
        account(KILLED, LATER, records=WON, windows=(Window("kill", "99", 100.5, 100.6),)),
        "I3",
    ),
    "killed by a kill long after": (
        account(ONE, LATER, records=WON, windows=(Window("kill", "7", 200.0, 200.1),)),
        "I3",
    ),
    "the same token twice": (account(ONE._replace(outcome="raised"), LATER._replace(token=10)), "I4"),
    "a smaller token later": (account(ONE._replace(outcome="raised", token=30), LATER, records=WON), "I4"),
    "began after its successor": (account(ONE._replace(began=120.0, ended=121.0), LATER, records=WON), "I4"),
    "a stale outcome": (account(ONE._replace(outcome="raised"), LATER), "I4"),
    "two at once": (account(ONE._replace(ended=115.0, outcome="stopped"), LATER, records=WON), "I5"),
    "failures from nowhere": (account(records={"a": record(failures=1)}), "I12"),
    "too many deliveries": (account(records={"a": record(deliveries=6)}), "I12"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_each_broken_invariant_is_found(case: str) -> None:
    given, code = BROKEN[case]
    assert code in codes(given)
    with pytest.raises(AssertionError, match=code):
        check(given)


EXPLAINED: dict[str, Account] = {
    "its runner was killed": account(KILLED, LATER, records=WON, windows=(Window("kill", "7", 100.5, 100.6),)),
    "one of two runners behind a proxy": account(
        ONE, LATER, records=WON, windows=(Window("blackhole", "5,7", 100.5, 104.0),)
    ),
    "the server went down before it was settled": account(
        ONE, LATER, records=WON, windows=(Window("server", "kill", 100.9, 105.0),)
    ),
    "began after its successor, for it was paused": account(
        ONE._replace(began=120.0, ended=121.0), LATER, records=WON, windows=(Window("stop", "7", 105.0, 119.9),)
    ),
    "a failure and its retry": account(
        ONE._replace(outcome="raised"), LATER, records={"a": record(token=20, failures=1)}
    ),
    "failed, and says with which token": account(
        ONE._replace(outcome="raised"),
        records={
            "a": record(
                state=State.FAILED,
                failures=1,
                result_json=None,
                reason=FailureReason.ATTEMPTS,
                error=JobError(type="RuntimeError", message="token 10"),
            )
        },
    ),
}


@pytest.mark.parametrize("case", EXPLAINED)
def test_what_a_trouble_explains_is_no_finding(case: str) -> None:
    assert codes(EXPLAINED[case]) == []


def test_the_ledger_reads_what_it_wrote(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.intends("a", "b", "c")
    ledger.stored("a")
    ledger.unsure("b", "a")
    ledger.started("a", 1, 10)
    ledger.started("b", 1, 11)
    ledger.ended("a", 10, "done")
    with ledger.trouble("kill", 7):
        pass
    with ledger.path.open("a", encoding="utf-8") as file:
        file.write("A 12")
    found = ledger.read()
    assert [sorted(ids) for ids in found[:3]] == [["a", "b", "c"], ["a"], ["b"]]
    assert [(run.job, run.token, run.outcome) for run in found.runs] == [("a", 10, "done"), ("b", 11, "")]
    [window] = found.windows
    assert (window.kind, window.target) == ("kill", "7")
    assert found.runs[1].began <= window.began <= window.ended
