"""A chain as steps, and what is stored of it: a record for each step, those that others wait for first.

A crash between two records leaves the beginning of a chain, which runs, and nothing that waits for what never comes. It
refuses to know how a user writes a chain (`flowli.chains`) and how a step gets its input (`flowli.inheritance`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from flowli.coalescing import store
from flowli.core import Core
from flowli.driver import MOST_PARENTS, Ability, Bonds, Disposition, Driver, Enqueued, Millis, NewJob
from flowli.errors import EnqueueUnknown, LimitExceeded, NotDurable, StrategyError, ValidationError
from flowli.handles import JobHandle
from flowli.ids import check_id, made_at, make_id, parent_ids
from flowli.options import Options
from flowli.repeat import repeat
from flowli.strategies import Payload, encode_meta, handles_of, needs_turn, prepare, take_all, take_payload
from flowli.wire import Gather, encode_head

if TYPE_CHECKING:
    from flowli.bound import BoundJob

__all__ = ["Members", "Step", "beginning_with", "persist_chain"]

_NO_PAYLOAD = Payload(None, None, b"")

_LEAST_KEPT = Millis(600_000)
"""How long what others wait for is kept at least: by then a producer that wrote it has written them too."""


class Step(NamedTuple):
    """One job of a chain, and what runs before it. One without ``before`` has its input from the call."""

    bound: BoundJob[Any, Any, Any]
    given: Mapping[str, Any]
    meta: Any = None
    gather: Gather | None = None
    before: Step | Members | None = None


class Members(NamedTuple):
    """The same steps for each of many inputs."""

    step: Step
    inputs: Sequence[Any]
    meta: Any


def beginning_with(step: Step, given: Mapping[str, Any]) -> Step:
    """The chain, its first step with these options."""
    if not given:
        return step
    if step.before is None:
        return step._replace(given={**step.given, **given})
    if isinstance(step.before, Members):
        raise ValidationError("The options of a group are given to map() and then(); enqueue() takes id= alone.")
    return step._replace(before=beginning_with(step.before, given))


def _first_of(step: Step) -> Step:
    """The step that everything begins with, or the one that gathers a group."""
    while isinstance(step.before, Step):
        step = step.before
    return step


async def persist_chain(core: Core, step: Step, input: Any, meta: Any, given: Mapping[str, Any]) -> JobHandle[Any]:
    """Store every step; the handle is that of the last one. ``id`` among the options names it."""
    core.need_hub(f"A chain that ends with job {step.bound.job.name!r} cannot use enqueue()")
    rest = dict(given)
    known = rest.pop("id", None)
    id = make_id(route=0) if known is None else check_id(known)
    jobs = list(_Writing(core, id).records(beginning_with(step, rest), input, meta))
    driver = await core.driver("enqueue")
    if Ability.WORKFLOWS not in driver.abilities:
        raise StrategyError(f"{driver} keeps no chains. Enqueue the next job in the handler of the one before it.")
    outcome = None if known is None else await _standing(driver, id)
    if outcome is None:
        outcome = await _store(core, driver, jobs, needs_turn(prepare(core, step.bound.job, step.given).options))
    return (await handles_of(core, step.bound.job, [outcome]))[0]


async def _standing(driver: Driver, id: str) -> Enqueued | None:
    """The last step, if it is stored: then those before it may be over and gone, and must not run again."""
    [stored] = await repeat(lambda: driver.get_jobs([id]))
    if stored is None:
        return None
    due = Millis(0) if stored.due is None or stored.state.is_terminal else stored.due
    return Enqueued(Disposition.EXISTING, id, stored.state, due)


async def _store(core: Core, driver: Driver, jobs: Sequence[NewJob], with_turn: bool) -> Enqueued:
    last = jobs[-1].id
    try:
        return (await store(driver, jobs, core.turns, with_turn=with_turn))[-1]
    except EnqueueUnknown:
        raise EnqueueUnknown(
            f"The reply of the store was lost, and the chain may be stored. Repeat the call with id={last!r} "
            f"(.job_ids): that never makes a second one.",
            job_ids=[last],
        ) from None
    except NotDurable as exc:
        raise exc.part(len(jobs) - 1, len(jobs)) from None


class _Writing:
    """The records of one chain. ``id`` is that of its last step; see `flowli.ids` for the others."""

    def __init__(self, core: Core, id: str) -> None:
        self._core = core
        self._id = id
        self._created_at = None if made_at(id) is not None else Millis(time.time_ns() // 1_000_000)

    def records(self, step: Step, input: Any, meta: Any) -> Iterator[NewJob]:
        """Those that others wait for first. ValidationError for an input, a meta or an option that does not fit."""
        first = _first_of(step)
        known = first.before is None
        payload = take_payload(self._core, first.bound.job, input, meta) if known else _NO_PAYLOAD
        return self._from(step, self._id, payload)

    def _from(self, step: Step, id: str, payload: Payload) -> Iterator[NewJob]:
        before, payloads = step.before, [payload]
        if before is None:
            yield self._record(step, id, payload, ())
            return
        if isinstance(before, Members):
            payloads = self._payloads(before)
            before = before.step
        parents = parent_ids(id, len(payloads))
        for parent, one in zip(parents, payloads, strict=True):
            yield from self._from(before, parent, one)
        yield self._record(step, id, encode_meta(self._core, step.bound.job, step.meta), parents)

    def _payloads(self, members: Members) -> list[Payload]:
        job, number = _first_of(members.step).bound.job, len(members.inputs)
        if number > MOST_PARENTS:
            raise LimitExceeded(
                f"Job {job.name!r}: map() got {number} inputs, and {MOST_PARENTS} are the most. Make several groups, "
                f"and a job that gathers what they gathered.",
                limit=MOST_PARENTS,
                size=number,
            )
        return take_all(self._core, job, members.inputs, members.meta)

    def _record(self, step: Step, id: str, payload: Payload, parents: Sequence[str]) -> NewJob:
        options = self._options_of(step, is_last=id == self._id)
        head = encode_head(options, created_at=self._created_at, gather=step.gather, parents=len(parents))
        bonds = replace(payload.bonds or Bonds(), after=tuple(parents))
        name, body = step.bound.job.name, payload.body
        return NewJob(check_id(id), options.queue, name, head, body, options.priority, bonds=bonds)

    def _options_of(self, step: Step, *, is_last: bool) -> Options:
        options = prepare(self._core, step.bound.job, step.given).options
        if options.unique is not None:
            raise ValidationError(
                f"Job {step.bound.job.name!r} is unique, and a step of a chain cannot be: others wait for it alone. "
                f"Leave the key out of this step with unique=None, and name the chain with id=."
            )
        if is_last:
            return options
        kept = {name: max(getattr(options, name), _LEAST_KEPT) for name in ("result_ttl", "failed_ttl")}
        return options._replace(**kept)
