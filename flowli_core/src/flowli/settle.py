"""From what happened in an attempt to what is written: the arithmetic of attempts, failures, retries and retention.

It knows `flowli.lifecycle` and makes `Settlement`s. It refuses to call a handler, to log and to speak to a store.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from pydantic import ValidationError as PydanticError

from flowli.attempt import Cancel, Retry, Snooze
from flowli.driver import Lease, Millis, Settlement, State
from flowli.durations import format_span, from_millis, to_millis
from flowli.errors import FlowliError
from flowli.lifecycle import Move, after
from flowli.options import Options
from flowli.records import FailureReason, JobError, WaitingFor
from flowli.retrying import Retries
from flowli.wire import FORMAT, Memo, Unreadable, decode_head, decode_memo, encode_memo

__all__ = [
    "Case",
    "Verdict",
    "cancel",
    "complete",
    "describe",
    "expire",
    "fail",
    "give_up",
    "hand_back",
    "message_of",
    "name_of",
    "park",
    "release",
    "set_aside",
    "snooze",
    "start_by",
    "wait_for_parents",
]

_MOST_MESSAGE, _MOST_TRACEBACK = 2_000, 16_000
_FIRST_PARK, _LONGEST_PARK = 1_000, 60_000
# Looked up once: reading a member of an enumeration takes Python 3.11 several times as long as reading a name.
_COMPLETE = Move.COMPLETE
_COMPLETED = after(State.ACTIVE, _COMPLETE)


class Case(NamedTuple):
    """An attempt as far as its outcome depends on it. Instants, ``now`` of the functions below too, are the store's."""

    lease: Lease
    options: Options
    memo: Memo
    started_at: Millis
    most_traceback: int = _MOST_TRACEBACK
    """Characters of a traceback that is kept; 0 keeps none."""

    @property
    def number(self) -> int:
        """Of this attempt: settled starts, crashes since, and itself."""
        return self.memo.attempts + self.lease.deliveries - self.memo.crashes + 1

    def run_s(self, now: Millis) -> float:
        """Seconds since it began."""
        return max(0, now - self.started_at) / 1000


class Verdict(NamedTuple):
    """What to write, and what to say of it once it is written."""

    settlement: Settlement
    move: Move
    name: str
    number: int = 0
    run_s: float = 0.0
    error: BaseException | None = None
    reason: FailureReason | None = None
    wait: Millis = Millis(0)


def _settlement(case: Case, move: Move, memo: bytes, *, keep_for: int = 0, delay: Millis | None = None) -> Settlement:
    lease = case.lease
    state = after(State.ACTIVE, move)
    return Settlement(lease.id, lease.queue, lease.token, state, memo, None, delay, Millis(keep_for))


def _counted(case: Case, **changes: object) -> Memo:
    """The memo after this start: the attempt is counted, what it waited for is over."""
    values = {
        "attempts": case.number,
        "failures": case.memo.failures,
        "crashes": case.lease.deliveries,
        "started_at": case.started_at,
        "replay": case.memo.replay,
        **changes,
    }
    return Memo(**values)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def complete(case: Case, result: bytes, now: Millis) -> Verdict:
    """The handler returned."""
    lease, keep_for = case.lease, case.options.result_ttl
    memo = b"" if keep_for == 0 else encode_memo(_counted(case, finished_at=now, result=result))
    settlement = Settlement(lease.id, lease.queue, lease.token, _COMPLETED, memo, None, None, keep_for)
    return Verdict(settlement, _COMPLETE, lease.name, case.number, case.run_s(now))


def fail(case: Case, error: BaseException, random: Callable[[], float], now: Millis, retries: Retries) -> Verdict:
    """The handler raised, or its time was over: a retry after the backoff, or the end."""
    failures = case.memo.failures + 1
    if failures >= case.options.max_attempts:
        return give_up(case, error, FailureReason.ATTEMPTS, now, failures=failures)
    if isinstance(error, Retry):
        ruling = True if error.after is None else error.after
    else:
        ruling = retries.rule(error, failures)
    if ruling is False:
        return give_up(case, error, FailureReason.GIVEN_UP, now, failures=failures)
    wait = to_millis(case.options.backoff.wait(failures, random) if ruling is True else ruling)
    memo = _counted(case, failures=failures, waiting_for=WaitingFor.RETRY, error=describe(error, case.most_traceback))
    settlement = _settlement(case, Move.RETRY, encode_memo(memo), delay=wait)
    return Verdict(settlement, Move.RETRY, case.lease.name, case.number, case.run_s(now), error, None, wait)


def give_up(
    case: Case,
    error: BaseException,
    reason: FailureReason,
    now: Millis,
    *,
    failures: int | None = None,
    started: bool = True,
) -> Verdict:
    """The end as ``failed``. ``started`` is False where the handler was never called, and no attempt is counted."""
    changes = {"failures": case.memo.failures if failures is None else failures, "finished_at": now}
    memo = _counted(case, **changes, error=describe(error, case.most_traceback), reason=reason)
    number = case.number
    if not started:
        number -= 1
        memo = _not_started(case, memo)
    settlement = _settlement(case, Move.FAIL, encode_memo(memo), keep_for=case.options.failed_ttl)
    return Verdict(settlement, Move.FAIL, case.lease.name, number, case.run_s(now), error, reason)


def cancel(case: Case, now: Millis, error: Cancel | None = None, *, started: bool = True) -> Verdict:
    """The handler raised `Cancel`, whose reason is kept, or a request to cancel reached it. ``started`` as for
    `give_up`."""
    memo, number = (
        _counted(case, finished_at=now, error=None if error is None else describe(error, case.most_traceback)),
        case.number,
    )
    if not started:
        memo, number = _not_started(case, memo), number - 1
    keep_for = case.options.result_ttl
    settlement = _settlement(case, Move.CANCEL, encode_memo(memo) if keep_for else b"", keep_for=keep_for)
    return Verdict(settlement, Move.CANCEL, case.lease.name, number, case.run_s(now), error)


def snooze(case: Case, error: Snooze, now: Millis) -> Verdict:
    """The handler raised `Snooze`: due again in a while, no failure."""
    wait = to_millis(error.after)
    settlement = _settlement(case, Move.SNOOZE, encode_memo(_counted(case)), delay=wait)
    return Verdict(settlement, Move.SNOOZE, case.lease.name, case.number, case.run_s(now), error, None, wait)


def start_by(options: Options, memo: Memo, deliveries: int, ready_at: int) -> Millis | None:
    """When a job is cancelled that nobody has started; None where nothing bounds it, or it may have been started."""
    if options.expires_in is None or memo.attempts or deliveries:
        return None
    return memo.start_by or (Millis(ready_at + options.expires_in) if ready_at else None)


def expire(case: Case, now: Millis) -> Verdict | None:
    """The end as ``cancelled`` of a job that comes to be started too late; None for one that is in time."""
    by = start_by(case.options, case.memo, case.lease.deliveries, case.lease.ready_at)
    if by is None or now < by:
        return None
    span = format_span(from_millis(case.options.expires_in or 0))
    return cancel(case, now, Cancel(f"it was not started within {span} (expires_in)"), started=False)


def release(case: Case) -> Verdict:
    """Handed back at shutdown, after its handler was started: to the front, no failure."""
    return _handed_back(case.lease, encode_memo(_counted(case)))


def hand_back(lease: Lease) -> Verdict:
    """Handed back as it came: its handler was not started."""
    return _handed_back(lease, lease.memo if lease.head == FORMAT else _with_start(lease))


def _with_start(lease: Lease) -> bytes:
    """The memo, with what the next lease no longer says: since when the job was ready."""
    try:
        options, memo = decode_head(lease.head).options, decode_memo(lease.memo)
    except Unreadable:
        return lease.memo
    by = start_by(options, memo, lease.deliveries, lease.ready_at)
    return lease.memo if by is None else encode_memo(replace(memo, start_by=by))


def _handed_back(lease: Lease, memo: bytes) -> Verdict:
    settlement = Settlement(lease.id, lease.queue, lease.token, after(State.ACTIVE, Move.RELEASE), memo)
    return Verdict(settlement, Move.RELEASE, lease.name)


def set_aside(lease: Lease) -> Verdict:
    """Nothing could be decided about this record: it waits, as it came, and is looked at again."""
    wait = Millis(_LONGEST_PARK)
    state = after(State.ACTIVE, Move.PARK)
    settlement = Settlement(lease.id, lease.queue, lease.token, state, lease.memo, delay=wait)
    error = FlowliError("the runner could not judge it")
    return Verdict(settlement, Move.PARK, lease.name, error=error, wait=wait)


def park(case: Case, why: str, reason: FailureReason, now: Millis) -> Verdict:
    """Not for this runner: wait for one that can, longer each time; after ``unknown_ttl`` the end, with ``reason``.

    A memo that cannot be read is kept as it is, where that of a completed job has the result.
    """
    memo = case.memo
    since = memo.parked_since or now
    error = FlowliError(why)
    if now - since >= case.options.unknown_ttl:
        return give_up(case, error, reason, now, started=False)
    wait = Millis(min(_LONGEST_PARK, _FIRST_PARK << min(memo.parked_times, 16)))
    wait = Millis(min(wait, since + case.options.unknown_ttl - now))
    parked = Memo(
        attempts=memo.attempts,
        failures=memo.failures,
        crashes=memo.crashes,
        error=memo.error,
        started_at=memo.started_at,
        waiting_for=WaitingFor.RUNNER,
        parked_since=since,
        parked_times=memo.parked_times + 1,
        start_by=start_by(case.options, memo, case.lease.deliveries, case.lease.ready_at),
        replay=memo.replay,
        result=memo.result,
    )
    settlement = _settlement(case, Move.PARK, encode_memo(parked), delay=wait)
    return Verdict(settlement, Move.PARK, case.lease.name, error=error, reason=reason, wait=wait)


def wait_for_parents(case: Case) -> Verdict:
    """A step before it is not over, though it was: it is executed again. Look again in a while."""
    memo = case.memo
    wait = Millis(min(_LONGEST_PARK, _FIRST_PARK << min(memo.parked_times, 16)))
    waiting = Memo(
        attempts=memo.attempts,
        failures=memo.failures,
        crashes=memo.crashes,
        error=memo.error,
        started_at=memo.started_at,
        waiting_for=WaitingFor.PARENTS,
        parked_times=memo.parked_times + 1,
        start_by=start_by(case.options, memo, case.lease.deliveries, case.lease.ready_at),
    )
    error = FlowliError("a step before it is executed again")
    settlement = _settlement(case, Move.PARK, encode_memo(waiting), delay=wait)
    return Verdict(settlement, Move.PARK, case.lease.name, error=error, wait=wait)


def _not_started(case: Case, memo: Memo) -> Memo:
    return Memo(
        attempts=case.number - 1,
        failures=memo.failures,
        crashes=memo.crashes,
        error=memo.error,
        reason=memo.reason,
        started_at=case.memo.started_at,
        finished_at=memo.finished_at,
        replay=memo.replay,
        result=case.memo.result,
    )


def describe(error: BaseException, most_traceback: int = _MOST_TRACEBACK) -> JobError:
    """An exception as text: bounded, without locals, and without the inputs that pydantic's own text shows."""
    # What was raised in another process comes with its frames as text.
    text = getattr(error, "__flowli_traceback__", None) or "".join(traceback.format_tb(error.__traceback__))
    frames = _printable(text) if most_traceback else ""
    return JobError(
        type=name_of(type(error)),
        message=message_of(error),
        code=error.code if isinstance(error, FlowliError) else None,
        traceback=frames[-most_traceback:] or None,
    )


def name_of(kind: type[BaseException]) -> str:
    """What a record calls a class of exceptions."""
    return _printable(kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}")


def message_of(error: BaseException) -> str:
    """The exception's text, bounded; of a pydantic error only where and what kind its findings are."""
    try:
        text = _printable(_findings(error) if isinstance(error, PydanticError) else str(error))
    except Exception:
        text = "(its text cannot be made)"
    return text if len(text) <= _MOST_MESSAGE else text[:_MOST_MESSAGE] + "..."


def _findings(error: PydanticError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['type']}" for one in found)


def _printable(text: str) -> str:
    """Without lone surrogates, as names of files may bring them: they can be neither stored nor printed."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
