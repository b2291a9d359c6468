"""What the persisting strategies do: validate, encode, hand to the driver. This is where a job's journey begins.

It knows options, ids and the driver's `enqueue`. It refuses to know how a call looks to a user (`flowli.bound`) and who
executes it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from flowli.coalescing import store
from flowli.core import Core
from flowli.driver import Disposition, Enqueued, Millis, NewJob
from flowli.durations import Delay
from flowli.errors import LimitExceeded, ValidationError
from flowli.handler import validate, validate_meta
from flowli.handles import JobHandle, Receipt
from flowli.ids import check_id, made_at, make_id
from flowli.job import Job
from flowli.options import Options, resolve_call
from flowli.reading import read_memo
from flowli.repeat import repeat
from flowli.schema import Unwritable, dump_json
from flowli.wire import encode_body, encode_head

__all__ = [
    "Prepared",
    "encode_all",
    "encode_meta",
    "encode_payload",
    "handles_of",
    "keeps_nothing",
    "persist",
    "persist_many",
    "prepare",
]

_AT_ONCE = Delay()


class Prepared(NamedTuple):
    """Options of one call, resolved."""

    options: Options
    head: bytes
    id: str | None


def prepare(core: Core, job: Job[Any, Any, Any, Any], given: Mapping[str, Any]) -> Prepared:
    """The call's options over the job's over the runtime's."""
    plan = core.plan(job)
    if not given:
        return Prepared(plan.options, plan.head, None)
    rest = dict(given)
    id = rest.pop("id", None)
    if id is not None:
        check_id(id)
    if not rest:
        return Prepared(plan.options, plan.head, id)
    options = resolve_call(plan.options, rest)
    return Prepared(options, encode_head(options), id)


def encode_payload(core: Core, job: Job[Any, Any, Any, Any], input: Any, meta: Any, *, at: int | None = None) -> bytes:
    """The body of a job: input and meta, validated and serialised, within the limits of the runtime."""
    data, checked = validate(job, input, meta, at=at)
    meta_adapter = job.meta_adapter
    try:
        meta_json = None if meta_adapter is None else dump_json(meta_adapter, checked)
        body = encode_body(dump_json(job.input_adapter, data), meta_json)
    except Unwritable as exc:
        raise _unwritable(job, exc) from None
    return core.limits.check_payload(job.name, body)


def encode_meta(core: Core, job: Job[Any, Any, Any, Any], meta: Any) -> bytes:
    """The body of a job that has its input from others: meta alone, as `encode_payload` has it."""
    checked = validate_meta(job, meta)
    if job.meta_adapter is None:
        return b""
    try:
        body = encode_body(b"", dump_json(job.meta_adapter, checked))
    except Unwritable as exc:
        raise _unwritable(job, exc) from None
    return core.limits.check_payload(job.name, body)


def _unwritable(job: Job[Any, Any, Any, Any], why: Unwritable) -> ValidationError:
    return ValidationError(
        f"Job {job.name!r}: its input or meta validates but cannot be serialised ({why}). Use types and values that "
        f"pydantic can write as JSON."
    )


def _new_job(job: Job[Any, Any, Any, Any], ready: Prepared, id: str | None, body: bytes, when: Delay) -> NewJob:
    options, head = ready.options, ready.head
    if id is None:
        id = make_id()
    elif made_at(id) is None:
        head = encode_head(options, created_at=Millis(time.time_ns() // 1_000_000))
    return NewJob(id, options.queue, job.name, head, body, options.priority, when.due, when.delay)


async def persist(
    core: Core,
    job: Job[Any, Any, Any, Any],
    input: Any,
    meta: Any,
    given: Mapping[str, Any],
    *,
    strategy: str,
    when: Delay = _AT_ONCE,
) -> JobHandle[Any]:
    """Store one job; the handle says what stands for it."""
    core.need_hub(f"Job {job.name!r} cannot use {strategy}()")
    ready = prepare(core, job, given)
    new = _new_job(job, ready, ready.id, encode_payload(core, job, input, meta), when)
    driver = await core.driver(strategy)
    outcome = await core.coalescers.here().enqueue(driver, new, keeps_nothing=keeps_nothing(ready.options))
    return (await handles_of(core, job, [outcome]))[0]


async def persist_many(
    core: Core,
    job: Job[Any, Any, Any, Any],
    inputs: Iterable[Any],
    meta: Any,
    ids: Sequence[str] | None,
    given: Mapping[str, Any],
) -> list[JobHandle[Any]]:
    """Store a batch. One invalid item refuses the whole of it, before anything is written."""
    core.need_hub(f"Job {job.name!r} cannot use enqueue_many()")
    if "id" in given:
        raise ValidationError("enqueue_many() takes ids=, one for each input, instead of id=.")
    ready = prepare(core, job, given)
    items = list(inputs)
    if isinstance(ids, str):
        raise ValidationError("enqueue_many() got one str as ids. Pass a list with one id for each input.")
    if ids is not None and len(ids) != len(items):
        raise ValidationError(f"enqueue_many() got {len(items)} inputs and {len(ids)} ids. Pass one id for each input.")
    core.limits.check_batch(job.name, len(items))
    bodies = encode_all(core, job, items, meta)
    names: Sequence[str | None] = [None] * len(items) if ids is None else [check_id(id) for id in ids]
    jobs = [_new_job(job, ready, id, body, _AT_ONCE) for id, body in zip(names, bodies, strict=True)]
    if not jobs:
        return []
    driver = await core.driver("enqueue_many")
    outcomes = await store(driver, jobs, core.turns, keeps_nothing=keeps_nothing(ready.options))
    return await handles_of(core, job, outcomes)


def encode_all(core: Core, job: Job[Any, Any, Any, Any], items: Sequence[Any], meta: Any) -> list[bytes]:
    """The bodies, or one ValidationError with the issues of every item that is wrong."""
    bodies: list[bytes] = []
    issues: list[Mapping[str, Any]] = []
    first: ValidationError | None = None
    for at, item in enumerate(items):
        try:
            bodies.append(encode_payload(core, job, item, meta, at=at))
        except ValidationError as exc:
            first = first or exc
            issues.extend(exc.issues)
    if isinstance(first, LimitExceeded):
        raise LimitExceeded(f"Nothing of the batch was stored. {first}", limit=first.limit, size=first.size)
    if first is not None:
        raise ValidationError(f"Nothing of the batch was stored. {first}", issues=issues)
    return bodies


def keeps_nothing(options: Options) -> bool:
    """Whether a job may have run and left nothing behind before a lost reply is asked for again."""
    return options.result_ttl == 0 or options.failed_ttl == 0


async def handles_of(core: Core, job: Job[Any, Any, Any, Any], outcomes: Sequence[Enqueued]) -> list[JobHandle[Any]]:
    """A handle for each outcome of an enqueue."""
    known = [one.id for one in outcomes if one.disposition is Disposition.EXISTING]
    attempts = await _attempts_made(core, known) if known else {}
    return [
        JobHandle(
            core,
            job,
            one.id,
            Receipt(one.state, one.due, attempts.get(one.id, 0), one.disposition is Disposition.EXISTING),
        )
        for one in outcomes
    ]


async def _attempts_made(core: Core, ids: list[str]) -> dict[str, int]:
    driver = await core.driver("enqueue")
    found = await repeat(lambda: driver.get_jobs(ids))
    return {stored.id: read_memo(stored).attempts for stored in found if stored is not None}
