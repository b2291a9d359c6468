"""One lease from its bytes to a verdict: decode, validate, call the handler, judge what came of it.

It knows which records are not for this runner. It refuses to know the store, concurrency and why a task is cancelled:
it lets cancellation pass.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import ValidationError as PydanticError

from flowli import instruments
from flowli.attempt import Attempt, Cancel, Snooze, current
from flowli.children import Children
from flowli.core import Core
from flowli.driver import Hold, Lease, Millis, StoredJob
from flowli.durations import LONGEST_SPAN, millis_to_instant, to_millis
from flowli.errors import FlowliError
from flowli.handler import call_handler
from flowli.ids import parent_ids
from flowli.inheritance import Broken, How, inherit
from flowli.job import Job
from flowli.records import FailureReason
from flowli.schema import Unwritable, dump_json, issues_of, refuse
from flowli.sealed import seal_result
from flowli.settle import Case, Verdict, cancel, complete, expire, fail, give_up, park, snooze, wait_for_parents
from flowli.wire import Gather, Head, Memo, Unreadable, decode_head, decode_memo, split_body

__all__ = ["Execution", "Ready"]

_LONGEST = to_millis(LONGEST_SPAN)
_NOT_YET = 1 << 52
"""Milliseconds, some 140,000 years after the epoch."""


_NOTHING = Memo()


class Ready:
    """A lease that this runner can execute; one with ``gather``, once `Execution.gather` has given it its input."""

    __slots__ = (
        "_attempt",
        "_execution",
        "bounded_from",
        "case",
        "gather",
        "heard_at",
        "input",
        "job",
        "meta",
        "parents",
    )

    def __init__(self, job: Job[Any, Any, Any, Any], case: Case, input: Any, meta: Any, execution: Execution) -> None:
        self.job: Job[Any, Any, Any, Any] = job
        self.case: Case = case
        self.input: Any = input
        self.meta: Any = meta
        self.bounded_from: Millis = case.started_at
        """What the timeout counts from."""
        self.heard_at: float = 0.0
        """When it last said how far it is, or began, by `time.monotonic`."""
        self._execution = execution
        self._attempt: Attempt | None = None
        self.gather: Gather | None = None
        self.parents: int = 0

    def attempt(self) -> Attempt:
        """What the handler can know of this; made when somebody asks."""
        if self._attempt is None:
            lease, timeout = self.case.lease, self.case.options.timeout
            self._attempt = Attempt(
                job_id=lease.id,
                name=lease.name,
                number=self.case.number,
                token=lease.token,
                deadline=None if timeout is None else millis_to_instant(Millis(self.bounded_from + timeout)),
                flowli=self._execution.core.flowli,
                _report=self.report,
            )
        return self._attempt

    def report(self, note: bytes) -> None:
        """Say how far the handler is, from any thread."""
        self.heard_at = time.monotonic()
        lease = self.case.lease
        self._execution.report(Hold(lease.queue, lease.id, lease.token), note)


@dataclass(frozen=True, slots=True)
class Execution:
    """How one runner executes leases. ``now`` is the store's clock as the runner knows it; ``report`` takes what a
    handler says of its progress, from any thread."""

    core: Core
    threads: Executor
    children: Children
    now: Callable[[], Millis]
    read: Callable[[Sequence[str]], Awaitable[Sequence[StoredJob | None]]]
    """Jobs by id, repeated while the store is away."""
    report: Callable[[Hold, bytes], None]
    random: Callable[[], float] = random.random

    def prepare(self, lease: Lease) -> Ready | Verdict:
        """What the handler will get, or the verdict on a record that is not for it: no handler was called, no attempt
        counted."""
        now, memo = self.now(), _recall(lease.memo)
        try:
            head = _read_head(lease.head)
            options = head.options
        except Unreadable as exc:
            return park(Case(lease, self.core.defaults, memo, now), f"unreadable: {exc}", FailureReason.UNREADABLE, now)
        case = Case(lease, options, memo, now, self.core.limits.traceback)
        if memo.result is not None:
            return park(case, "unreadable: its memo is damaged", FailureReason.UNREADABLE, now)
        if lease.deliveries >= options.max_deliveries:
            lost = FlowliError(
                f"{lease.deliveries} runners were lost under this job. Look at what it does to the process."
            )
            return give_up(case, lost, FailureReason.POISON, now, started=False)
        if options.expires_in is not None and (expired := expire(case, now)) is not None:
            return expired
        job = self.core.jobs.get(lease.name)
        if job is None:
            return park(case, f"no job {lease.name!r} is registered on {self.core.name}", FailureReason.UNKNOWN, now)
        input_json, meta_json = split_body(lease.body)
        if head.gather is None:
            return self._validated(job, case, input_json, meta_json)
        ready = Ready(job, case, None, None, self)
        ready.gather, ready.parents = head.gather, head.parents
        return ready

    async def gather(self, ready: Ready) -> Verdict | None:
        """Give a step of a chain its input, of what its parents left; the verdict where it cannot be executed."""
        case, ids = ready.case, parent_ids(ready.case.lease.id, ready.parents)
        assert ready.gather is not None
        found = inherit(ready.gather, ids, await self.read(ids))
        if not isinstance(found, Broken):
            validated = self._validated(ready.job, case, found, split_body(case.lease.body)[1])
            if isinstance(validated, Verdict):
                return validated
            ready.input, ready.meta, ready.gather = validated.input, validated.meta, None
            return None
        if found.how is How.RUNNING:
            return wait_for_parents(case)
        if found.how is How.CANCELLED:
            return cancel(case, self.now(), Cancel(found.why), started=False)
        return give_up(case, FlowliError(found.why), FailureReason.PARENT, self.now(), started=False)

    def _validated(
        self, job: Job[Any, Any, Any, Any], case: Case, input_json: bytes, meta_json: bytes | None
    ) -> Ready | Verdict:
        what, input, meta, now = "input", None, None, case.started_at
        try:
            input = job.input_adapter.validator.validate_json(input_json)
            if job.meta_adapter is not None:
                what = "meta"
                meta = job.meta_adapter.validator.validate_json(meta_json or b"null")
        except PydanticError as exc:
            issues = issues_of(exc, what, adapter=job.input_adapter if what == "input" else job.meta_adapter)
            if issues[0]["type"] == "json_invalid":
                return park(case, f"unreadable: its {what} is no JSON", FailureReason.UNREADABLE, now)
            error = refuse(job.name, f"stored {what}", issues)
            return give_up(case, error, FailureReason.VALIDATION, now, started=False)
        except FlowliError as exc:  # the definition itself is wrong here; another runner's may not be
            return park(case, str(exc), FailureReason.UNKNOWN, now)
        except Exception as exc:  # a validator's own, on the way to the handler: a failure as any other
            return self.fail(job, case, exc)
        return Ready(job, case, input, meta, self)

    def execute(self, ready: Ready, threads: Executor | None = None) -> Coroutine[Any, Any, Verdict]:
        """Call the handler and judge the outcome. Cancellation passes through. A ``def`` handler gets one of
        ``threads``, by default the runner's."""
        return self._seen(ready, threads) if instruments.active else self._execute(ready, threads)

    async def _seen(self, ready: Ready, threads: Executor | None) -> Verdict:
        with instruments.executing(self._moment(ready)) as tell:
            verdict = await self._execute(ready, threads)
            tell(verdict)
        return verdict

    def _moment(self, ready: Ready) -> instruments.Executing:
        case, head = ready.case, _read_head(ready.case.lease.head)
        lease = case.lease
        return instruments.Executing(
            job=lease.name,
            id=lease.id,
            queue=lease.queue,
            store=self.core.driver_name or "",
            attempt=case.number,
            max_attempts=case.options.max_attempts,
            wait_s=max(0, case.started_at - lease.ready_at) / 1000 if lease.ready_at else 0.0,
            trace=head.trace,
            schedule_key=head.schedule_key,
        )

    async def _execute(self, ready: Ready, threads: Executor | None) -> Verdict:
        job, case = ready.job, ready.case
        current.set(ready.attempt)
        try:
            value = await self._call(ready, threads or self.pool_of(job))
        except Cancel as exc:
            return cancel(case, self.now(), exc)
        except Snooze as exc:
            return snooze(case, exc, self.now())
        except (Exception, SystemExit) as exc:
            return self.fail(job, case, exc)
        return self._completed(job, case, value)

    def pool_of(self, job: Job[Any, Any, Any, Any]) -> Executor:
        """The threads in which the ``def`` handler of a job is called, or waited for."""
        return self.threads if job.executor == "thread" else self.children.threads

    def _call(self, ready: Ready, threads: Executor) -> Awaitable[Any]:
        job = ready.job
        if job.executor == "thread":
            return call_handler(job, ready.input, ready.meta, context=self.core.context, threads=threads)
        return self.children.call(job, ready.input, ready.meta, ready.attempt(), ready.report, threads)

    def fail(self, job: Job[Any, Any, Any, Any], case: Case, error: BaseException) -> Verdict:
        """The verdict on an attempt that failed, by the job's own rules."""
        return fail(case, error, self.random, self.now(), self.core.plan(job).options.retries)

    def _completed(self, job: Job[Any, Any, Any, Any], case: Case, value: Any) -> Verdict:
        if case.options.result_ttl == 0:
            return complete(case, b"", self.now())
        try:
            result = dump_json(job.result_adapter, value, warnings="error", most=self.core.limits.result_bytes)
        except Unwritable as exc:
            wrong = FlowliError(
                f"Job {job.name!r}: its result, a {type(value).__name__}, cannot be serialised by the return "
                f"annotation ({exc}). Return what is annotated, or None."
            )
            return give_up(case, wrong, FailureReason.VALIDATION, self.now())
        if self.core.codec is not None:
            try:
                result = seal_result(self.core.codec, job.name, case.lease.id, result)
            except Exception as exc:  # its text may hold the result
                wrong = FlowliError(f"Job {job.name!r}: the codec cannot encode its result ({type(exc).__name__}).")
                return self.fail(job, case, wrong)
        return complete(case, result, self.now())


@lru_cache(maxsize=1024)
def _read_head(head: bytes) -> Head:
    read = decode_head(head)
    options = read.options
    bounds = (options.timeout or 0, options.heartbeat or 0, options.expires_in or 0)
    kept = (options.result_ttl, options.failed_ttl, options.unknown_ttl)
    if not _are_counts(options.max_attempts, options.max_deliveries, *bounds, *kept, below=_LONGEST + 1):
        raise Unreadable("its head is damaged")
    return read


def _recall(memo: bytes) -> Memo:
    """The memo; where it cannot be read, what parking left of it, with the bytes themselves as its result."""
    if not memo:
        return _NOTHING
    try:
        read = _read_memo(memo)
    except Unreadable:
        return Memo(result=memo)
    if read.result is None:
        return read
    try:
        return _read_memo(read.result)  # parked by a runner that could not read it
    except Unreadable:
        return read


def _read_memo(memo: bytes) -> Memo:
    read = decode_memo(memo)
    instants = (read.parked_since or 0, read.started_at or 0, read.finished_at or 0, read.start_by or 0)
    if not _are_counts(read.attempts, read.failures, read.crashes, read.parked_times, *instants, below=_NOT_YET):
        raise Unreadable("its memo is damaged")
    return read


def _are_counts(*values: object, below: int) -> bool:
    return all(type(value) is int and 0 <= value < below for value in values)
