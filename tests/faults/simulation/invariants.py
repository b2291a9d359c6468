"""What must be true of every seed, whatever happened in it: the invariants I1, I4 to I6, I9 and I12.

It knows the rules of `docs/how-a-job-travels.md`. I11 is watched while the story goes on, by those who take part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from flowli.driver import State
from flowli.records import FailureReason
from tests.faults.simulation.history import End, Run, Written
from tests.faults.simulation.jobs import DEFAULTS
from tests.faults.simulation.world import Account

__all__ = ["violations"]

_DELIVERIES = {"traceless": 2}
_SOON_S = 0.01


def violations(account: Account) -> list[str]:
    """Everything that is wrong, in words; empty for a good seed."""
    checks = (_losses, _outcomes, _tokens, _overlaps, _failures, _attempts, _residue, _schedule)
    return [*account.complaints, *(found for check in checks for found in check(account))]


def _losses(account: Account) -> Iterator[str]:
    """I1: what was acknowledged ended, what was refused never was."""
    ended = _ends(account)
    for id in sorted(account.promised):
        if id not in ended:
            yield f"I1: {id} was acknowledged and never ended"
    for id, record in account.records.items():
        if not record.state.is_terminal:
            yield f"I1: {id} is left {record.state}"
    started = {run.id for run in account.history.runs}
    for id in sorted(account.refused & ({*account.records} | started)):
        yield f"I1: {id} was refused, and is there"


def _ends(account: Account) -> Counter[str]:
    """How often each job was made terminal."""
    history = account.history
    return Counter([one.id for one in history.written if one.state.is_terminal] + history.cancelled)


def _outcomes(account: Account) -> Iterator[str]:
    """I4: one accepted outcome, which the record shows, and which is told once at most."""
    for id, times in _ends(account).items():
        if times != 1:
            yield f"I4: {id} ended {times} times"
    last = {one.id: one.state for one in account.history.written if one.state.is_terminal}
    last.update(dict.fromkeys(account.history.cancelled, State.CANCELLED))
    for id, record in account.records.items():
        if last.get(id) is not record.state:
            yield f"I4: {id} is {record.state}, and what was accepted is {last.get(id)}"
    for id, times in Counter(account.history.completed).items():
        if times > 1 and id in account.records:  # of a job that left nothing, GONE has to be taken for success
            yield f"I4: {times} runners say that they completed {id}"


def _tokens(account: Account) -> Iterator[str]:
    """I4: tokens grow with each lease, numbers with each start; each handler that starts has a lease of its own."""
    for id, tokens in account.history.tokens.items():
        if tokens != sorted(set(tokens)):
            yield f"I4: the tokens of {id} do not grow: {tokens}"
    runs = account.history.runs
    for (id, token), times in Counter((run.id, run.token) for run in runs).items():
        if times > 1:
            yield f"I4: one lease of {id}, {token}, started {times} handlers"
        if token not in account.history.tokens[id]:
            yield f"I4: {id} was started under {token}, which nobody leased"
    for id in {run.id for run in runs}:
        numbers = [run.number for run in sorted(runs, key=lambda run: run.token) if run.id == id]
        if numbers != sorted(set(numbers)):
            yield f"I12: the attempts of {id} are numbered {numbers}"


def _overlaps(account: Account) -> Iterator[str]:
    """I5: two handlers of one job at the same time only where the first stood still, died, or does not listen."""
    runs = account.history.runs
    for first in runs:
        if first.is_deaf or first.process in account.history.paused or first.ended is None:
            continue
        until = min(first.ended, first.cancelled_at or first.ended)
        for other in runs:
            if other.id == first.id and other.token > first.token and other.began < until - _SOON_S:
                yield f"I5: {first.id} runs under {first.token} until {until:.3f}, and from {other.began:.3f} once more"


def _failures(account: Account) -> Iterator[str]:
    """I12: a failure is counted for each accepted attempt that raised or ran out of time, and for nothing else."""
    runs = {(run.id, run.token): run for run in account.history.runs}
    for one in account.history.written:
        counted = one.after.failures - one.before.failures
        if one.state.is_terminal and one.after.failures == 0 and not one.after.attempts:
            continue  # nothing of it is kept
        if counted != _is_failure(one, runs.get((one.id, one.token))):
            yield f"I12: {one.id}/{one.token} is {one.state}, and {counted} failures were counted for it"
    for id, record in account.records.items():
        if (record.failures >= record.max_attempts) != (record.reason is FailureReason.ATTEMPTS):
            yield f"I12: {id} has {record.failures} failures of {record.max_attempts} and is {record.state}"


def _is_failure(one: Written, run: Run | None) -> bool:
    if run is None:
        return False
    if run.end is End.GAVE_UP:
        return False
    if run.cancelled_at is None:
        return run.end is End.RAISED
    if run.timeout is None or run.cancelled_at + _SOON_S < run.began + run.timeout:
        return False
    return one.state in (State.SCHEDULED, State.FAILED)


def _attempts(account: Account) -> Iterator[str]:
    """I12: crashes are counted apart, are bounded, and are what poison means."""
    for id, record in account.records.items():
        lapses = account.history.lapses[id]
        if lapses != record.deliveries:
            yield f"I12: {id} lapsed {lapses} times, and its record says {record.deliveries}"
        most = _DELIVERIES.get(record.name, DEFAULTS.max_deliveries)
        # The lease under which it is found to be poison may lapse too, before that is written: no handler was called.
        was_executed = record.state in (State.COMPLETED, State.FAILED) and record.reason is not FailureReason.POISON
        if record.deliveries > most and was_executed:
            yield f"I12: {id} was executed after {record.deliveries} crashes"
        if (record.reason is FailureReason.POISON) and record.deliveries < most:
            yield f"I12: {id} is poison after {record.deliveries} crashes"
        last = max((run.number for run in account.history.runs if run.id == id), default=0)
        if record.attempts_made < last:
            yield f"I12: {id} has made {record.attempts_made} attempts, and its last one was number {last}"


def _residue(account: Account) -> Iterator[str]:
    """I6: after their retention nothing is left."""
    if account.left:
        yield f"I6: {account.left} records never expire"


def _schedule(account: Account) -> Iterator[str]:
    """I9: one job for each instant of the schedule, from its first to its last."""
    instants = sorted(int(id.rpartition(":")[2]) for id in account.history.fired)
    expected = list(range(instants[0], instants[-1] + 1, 700)) if instants else []
    if instants != expected:
        missing = sorted(set(expected) - set(instants))
        yield f"I9: the schedule left out {missing}, and fired twice {len(instants) - len(set(instants))} times"
