"""What the persisting strategies do: validate, encode, hand to the driver. This is where a job's journey begins.

It knows options, ids and the driver's `enqueue`. It refuses to know how a call looks to a user (`flowli.bound`) and who
executes it.
"""

from __future__ import annotations

import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from flowli import instruments
from flowli.coalescing import store
from flowli.core import Core
from flowli.driver import Bonds, Disposition, Enqueued, Millis, NewJob, OnConflict
from flowli.durations import Delay
from flowli.errors import JobExistsError, LimitExceeded, ValidationError
from flowli.handler import validate, validate_meta
from flowli.handles import JobHandle, Receipt
from flowli.ids import check_id, made_at, make_id
from flowli.job import Job
from flowli.options import Options, resolve_call
from flowli.reading import read_memo
from flowli.repeat import repeat
from flowli.schema import Unwritable, dump_json
from flowli.traces import Trace, with_trace
from flowli.unique import Unique, need_unique_keys, unique_key
from flowli.wire import encode_body, encode_head

__all__ = [
    "Payload",
    "Prepared",
    "encode_meta",
    "handles_of",
    "needs_turn",
    "persist",
    "persist_many",
    "prepare",
    "take_all",
    "take_payload",
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


class Payload(NamedTuple):
    """Input and meta, validated, and the body of a job that they make."""

    input: Any
    meta: Any
    body: bytes
    bonds: Bonds | None = None
    """What the job draws on by them, and whose turn it takes."""


def take_payload(core: Core, job: Job[Any, Any, Any, Any], input: Any, meta: Any, *, at: int | None = None) -> Payload:
    """Input and meta, validated and serialised, within the limits of the runtime. ``at`` is an index in a batch."""
    data, checked = validate(job, input, meta, at=at)
    meta_adapter = job.meta_adapter
    try:
        meta_json = None if meta_adapter is None else dump_json(meta_adapter, checked)
        body = encode_body(dump_json(job.input_adapter, data), meta_json)
    except Unwritable as exc:
        raise _unwritable(job, exc) from None
    bonds = job.bonding.bonds(data, checked) if job.bonding else None
    return Payload(data, checked, core.limits.check_payload(job.name, body), bonds)


def encode_meta(core: Core, job: Job[Any, Any, Any, Any], meta: Any) -> Payload:
    """The payload of a job that has its input from others: meta alone, as `take_payload` has it."""
    checked = validate_meta(job, meta)
    bonds = job.bonding.bonds_without_input(checked) if job.bonding else None
    if job.meta_adapter is None:
        return Payload(None, checked, b"", bonds)
    try:
        body = encode_body(b"", dump_json(job.meta_adapter, checked))
    except Unwritable as exc:
        raise _unwritable(job, exc) from None
    return Payload(None, checked, core.limits.check_payload(job.name, body), bonds)


def _unwritable(job: Job[Any, Any, Any, Any], why: Unwritable) -> ValidationError:
    return ValidationError(
        f"Job {job.name!r}: its input or meta validates but cannot be serialised ({why}). Use types and values that "
        f"pydantic can write as JSON."
    )


def _new_job(job: Job[Any, Any, Any, Any], ready: Prepared, id: str | None, payload: Payload, when: Delay) -> NewJob:
    options, head = ready.options, ready.head
    if options.unique is not None:
        return _bound_job(job, options, options.unique, id, payload, when)
    bonds = payload.bonds
    if id is None:
        id = make_id() if bonds is None else make_id(route=0)
    elif made_at(id) is None:
        head = encode_head(options, created_at=_wall_clock())
    return NewJob(id, options.queue, job.name, head, payload.body, options.priority, when.due, when.delay, bonds)


def _bound_job(
    job: Job[Any, Any, Any, Any], options: Options, unique: Unique, id: str | None, payload: Payload, when: Delay
) -> NewJob:
    key = unique.key_of(payload.input)
    bond = unique_key(unique, job.name, key)
    is_replaceable = bond.on_conflict is OnConflict.REPLACE  # then it may be stored under another id than this one
    created_at = _wall_clock() if is_replaceable or (id is not None and made_at(id) is None) else None
    head = encode_head(options, created_at=created_at, unique_key=key, is_replaceable=is_replaceable)
    return NewJob(
        make_id(route=0) if id is None else id,
        options.queue,
        job.name,
        head,
        payload.body,
        options.priority,
        when.due,
        when.delay,
        replace(payload.bonds or Bonds(), unique=bond),
    )


def _traced(new: NewJob, carrier: Mapping[str, str], *, at_once: bool) -> NewJob:
    trace = Trace(carrier.get("traceparent", ""), carrier.get("tracestate", ""), at_once)
    return new._replace(head=with_trace(new.head, trace))


def _wall_clock() -> Millis:
    return Millis(time.time_ns() // 1_000_000)


def persist(
    core: Core,
    job: Job[Any, Any, Any, Any],
    input: Any,
    meta: Any,
    given: Mapping[str, Any],
    *,
    strategy: str,
    when: Delay = _AT_ONCE,
) -> Coroutine[Any, Any, JobHandle[Any]]:
    """Store one job; the handle says what stands for it."""
    if not instruments.active:
        return _persist(core, job, input, meta, given, {}, strategy=strategy, when=when)
    moment = instruments.Sending(strategy=strategy, job=job.name, store=core.driver_name or "", id=given.get("id"))

    async def seen() -> JobHandle[Any]:
        with instruments.sending(moment) as carrier:
            return await _persist(core, job, input, meta, given, carrier, strategy=strategy, when=when)

    return seen()


async def _persist(
    core: Core,
    job: Job[Any, Any, Any, Any],
    input: Any,
    meta: Any,
    given: Mapping[str, Any],
    carrier: Mapping[str, str],
    *,
    strategy: str,
    when: Delay,
) -> JobHandle[Any]:
    core.need_hub(f"Job {job.name!r} cannot use {strategy}()")
    ready = prepare(core, job, given)
    new = _new_job(job, ready, ready.id, take_payload(core, job, input, meta), when)
    if carrier:
        new = _traced(new, carrier, at_once=when is _AT_ONCE)
    driver = await core.driver(strategy)
    if ready.options.unique is not None:
        need_unique_keys(driver, job.name)
    outcome = await core.coalescers.here().enqueue(driver, new, with_turn=needs_turn(ready.options))
    _refuse_existing(job, ready.options, [new], [outcome])
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
    items = list(inputs)
    if not instruments.active:
        return await _persist_many(core, job, items, meta, ids, given, {})
    store = core.driver_name or ""
    moment = instruments.Sending(strategy="enqueue_many", job=job.name, store=store, count=len(items))
    with instruments.sending(moment) as carrier:
        return await _persist_many(core, job, items, meta, ids, given, carrier)


async def _persist_many(
    core: Core,
    job: Job[Any, Any, Any, Any],
    items: Sequence[Any],
    meta: Any,
    ids: Sequence[str] | None,
    given: Mapping[str, Any],
    carrier: Mapping[str, str],
) -> list[JobHandle[Any]]:
    core.need_hub(f"Job {job.name!r} cannot use enqueue_many()")
    if "id" in given:
        raise ValidationError("enqueue_many() takes ids=, one for each input, instead of id=.")
    ready = prepare(core, job, given)
    if isinstance(ids, str):
        raise ValidationError("enqueue_many() got one str as ids. Pass a list with one id for each input.")
    if ids is not None and len(ids) != len(items):
        raise ValidationError(f"enqueue_many() got {len(items)} inputs and {len(ids)} ids. Pass one id for each input.")
    core.limits.check_batch(job.name, len(items))
    payloads = take_all(core, job, items, meta)
    names: Sequence[str | None] = [None] * len(items) if ids is None else [check_id(id) for id in ids]
    jobs = [_new_job(job, ready, id, one, _AT_ONCE) for id, one in zip(names, payloads, strict=True)]
    if carrier:
        jobs = [_traced(one, carrier, at_once=True) for one in jobs]
    if not jobs:
        return []
    driver = await core.driver("enqueue_many")
    if ready.options.unique is not None:
        need_unique_keys(driver, job.name)
    outcomes = await store(driver, jobs, core.turns, with_turn=needs_turn(ready.options))
    _refuse_existing(job, ready.options, jobs, outcomes)
    return await handles_of(core, job, outcomes)


def take_all(core: Core, job: Job[Any, Any, Any, Any], items: Sequence[Any], meta: Any) -> list[Payload]:
    """The payloads, or one ValidationError with the issues of every item that is wrong."""
    payloads: list[Payload] = []
    issues: list[Mapping[str, Any]] = []
    first: ValidationError | None = None
    for at, item in enumerate(items):
        try:
            payloads.append(take_payload(core, job, item, meta, at=at))
        except ValidationError as exc:
            first = first or exc
            issues.extend(exc.issues)
    if isinstance(first, LimitExceeded):
        raise LimitExceeded(f"Nothing of the batch was stored. {first}", limit=first.limit, size=first.size)
    if first is not None:
        raise ValidationError(f"Nothing of the batch was stored. {first}", issues=issues)
    return payloads


def needs_turn(options: Options) -> bool:
    """Whether a job may have run and left nothing behind, or another have stood for it, before a lost reply is asked
    for again."""
    return options.result_ttl == 0 or options.failed_ttl == 0 or options.unique is not None


def _refuse_existing(
    job: Job[Any, Any, Any, Any], options: Options, jobs: Sequence[NewJob], outcomes: Sequence[Enqueued]
) -> None:
    """JobExistsError for keys that other jobs hold, if that is asked for. A job with the id of the call is its own."""
    if options.unique is None or options.unique.on_conflict != "raise":
        return
    others = [one.id for new, one in zip(jobs, outcomes, strict=True) if one.id != new.id]
    if others:
        count = "" if len(jobs) == 1 else f"{len(others)} of {len(jobs)} inputs, the others of which are stored: "
        raise JobExistsError(
            f"Job {job.name!r}: {count}another job holds its unique key ({', '.join(others[:3])}). Wait for that one, "
            f"or choose what becomes of it with on_conflict=.",
            job_ids=others,
        )


async def handles_of(core: Core, job: Job[Any, Any, Any, Any], outcomes: Sequence[Enqueued]) -> list[JobHandle[Any]]:
    """A handle for each outcome of an enqueue."""
    known = [one.id for one in outcomes if one.disposition in (Disposition.EXISTING, Disposition.RESCHEDULED)]
    attempts = await _attempts_made(core, known) if known else {}
    return [
        JobHandle(
            core,
            job,
            one.id,
            Receipt(one.state, one.due, attempts.get(one.id, 0), one.disposition),
        )
        for one in outcomes
    ]


async def _attempts_made(core: Core, ids: list[str]) -> dict[str, int]:
    driver = await core.driver("enqueue")
    found = await repeat(lambda: driver.get_jobs(ids))
    return {stored.id: read_memo(stored).attempts for stored in found if stored is not None}
