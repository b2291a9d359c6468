"""The invariants that hold after every trouble, over the ledger and the store's records: one checker for all tests.

It knows what was intended, executed, disturbed and kept. It refuses to know drivers and how a store lays out its keys
(`tests.faults.integrity` looks at those).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import inf

from flowli.records import JobRecord, State
from tests.support.ledger import History, Run, Window

__all__ = ["UNKEPT", "Account", "check", "findings"]

UNKEPT = "unkept-"
"""What the ids of jobs begin with that leave nothing when they are done."""

_PIDS = re.compile(r"\d+(,\d+)*")
"""The target of trouble that meets some runners only; every other may meet every lease."""

_TOKEN = re.compile(r"token (\d+)")


@dataclass(frozen=True)
class Account:
    """What a test has to account for."""

    history: History
    records: Mapping[str, JobRecord]
    """By id: all that the store still has of what was intended or executed."""
    lease_s: float
    max_deliveries: int = 5
    made_by_schedule: str | None = None
    """What begins the ids of jobs that nobody enqueued."""
    lossy: bool = False
    """Whether the server may have lost what it acknowledged (no persistence, fsync each second)."""

    @cached_property
    def runs(self) -> Mapping[str, Sequence[Run]]:
        """By job, in the order of their leases: one that was paused may begin after its successor."""
        found: dict[str, list[Run]] = defaultdict(list)
        for run in sorted(self.history.runs, key=lambda run: run.token):
            found[run.job].append(run)
        return found

    def windows_over(self, run: Run) -> list[Window]:
        """The troubles that may have cost this run its lease."""
        until = inf if run.ended is None else run.ended + self.lease_s
        return [
            window
            for window in self.history.windows
            if window.began <= until
            and run.began <= window.ended + self.lease_s
            and (not _PIDS.fullmatch(window.target) or str(run.pid) in window.target.split(","))
        ]


def check(account: Account) -> None:
    """AssertionError that names every finding."""
    found = list(findings(account))
    assert not found, "\n".join([f"{len(found)} findings", *found[:20]])


def findings(account: Account) -> Iterator[str]:
    """What contradicts the invariants."""
    yield from _lost(account)
    yield from _unexpected(account)
    for job, runs in account.runs.items():
        yield from _twice(account, job, runs)
        yield from _fenced(account, job, runs)
        yield from _overlapping(account, job, runs)
        yield from _counted(account, job, runs)


def _lost(account: Account) -> Iterator[str]:
    history, records = account.history, account.records
    gone: frozenset[str] = frozenset() if account.lossy else history.acknowledged - records.keys()
    for job in gone:
        done = any(run.outcome == "done" for run in account.runs.get(job, ()))
        if not (done and job.startswith(UNKEPT)):
            yield f"I1: {job} was acknowledged, and is gone"
    for job, record in records.items():
        if not record.state.is_terminal:
            yield f"I1: {job} is {record.state} ({record.waiting_for}), where everything should be over"
        if record.state is State.FAILED and record.reason is None:
            yield f"I1: {job} failed without a reason"


def _unexpected(account: Account) -> Iterator[str]:
    known = account.history.intended
    for job in account.runs:
        by_schedule = account.made_by_schedule is not None and job.startswith(account.made_by_schedule)
        if job not in known and not by_schedule:
            yield f"I2: {job} was executed, and nobody enqueued it"


def _twice(account: Account, job: str, runs: Sequence[Run]) -> Iterator[str]:
    """A run that neither raised nor was stopped is the last one, unless trouble met it."""
    for run in runs[:-1]:
        if run.outcome not in ("raised", "stopped") and not account.windows_over(run):
            yield f"I3: {job} was executed again after {run}, and no trouble explains it"


def _fenced(account: Account, job: str, runs: Sequence[Run]) -> Iterator[str]:
    tokens = [run.token for run in runs]
    if len(set(tokens)) != len(tokens):
        yield f"I4: {job} got a token twice: {tokens}"
    for run, following in pairwise(runs):
        if following.began < run.began and not account.windows_over(run):
            yield f"I4: {job} was given a token that is smaller than one before, and no trouble explains it: {tokens}"
    record = account.records.get(job)
    won = None if record is None else _winner(record)
    if won is not None and won < max(tokens):
        yield f"I4: {job} has the outcome of token {won}, and {max(tokens)} was granted: a stale write was accepted"


def _winner(record: JobRecord) -> int | None:
    """The token of the run whose outcome is kept: every handler returns its own, or says it when it raises."""
    if record.state is State.COMPLETED and record.result_json is not None:
        return int(record.result_json)
    said = _TOKEN.search(record.error.message) if record.state is State.FAILED and record.error else None
    return int(said[1]) if said else None


def _overlapping(account: Account, job: str, runs: Sequence[Run]) -> Iterator[str]:
    for run, following in pairwise(runs):
        if run.ended is not None and following.began < run.ended and not account.windows_over(run):
            yield f"I5: {job} was executed by two at once: {run} and {following}"


def _counted(account: Account, job: str, runs: Sequence[Run]) -> Iterator[str]:
    record = account.records.get(job)
    if record is None:
        return
    raised = sum(run.outcome == "raised" for run in runs)
    if record.failures > raised:
        yield f"I12: {job} has {record.failures} failures, and its handler raised {raised} times"
    if record.deliveries > account.max_deliveries:
        yield f"I12: {job} was delivered {record.deliveries} times after crashes, at most {account.max_deliveries}"
