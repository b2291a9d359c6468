"""The dead-letter desk: one act on one job, on many, or on all that match a filter.

It knows what is read before an act, what is written, and how an act whose reply was lost is found out about. It refuses
to decide anything that the store does not compare again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any, NamedTuple, TypeAlias, cast

from pydantic import ValidationError as PydanticError
from pydantic_core import from_json

from flowli.audit import Act as Entry
from flowli.audit import keep
from flowli.core import Core
from flowli.driver import Act, Acted, Deed, Driver, Millis, Seen, StoredJob
from flowli.durations import parse_span
from flowli.errors import ValidationError
from flowli.filters import JobFilter, find_jobs
from flowli.ids import check_id
from flowli.reading import read_job, read_memo
from flowli.records import Tally
from flowli.repeat import repeat
from flowli.schema import Unwritable, dump_json, issues_of, refuse
from flowli.wire import Memo, encode_body, encode_memo, split_body

__all__ = ["Many", "Replay", "Told", "cancel", "delete", "interval_of", "replay"]

Many: TypeAlias = list[str] | tuple[str, ...] | AbstractSet[str] | JobFilter
"""Ids, or a filter that chooses jobs."""

Told: TypeAlias = Callable[[Tally], None] | None
"""Is called with how far an act has come, after each some hundred jobs."""

_AT_ONCE = 500
_MOST_NOT_DONE = 1_000


class _Found(NamedTuple):
    """A job that is meant. ``stored`` is None where it is unknown, or was not looked at."""

    id: str
    stored: StoredJob | None


_Make: TypeAlias = Callable[[_Found], Act | None]
"""What to ask of the store; None where a look is enough to refuse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """How jobs are replayed."""

    input: Any = None
    edit: Callable[[Any], Any] | None = None
    rate: str | None = None

    @property
    def is_edited(self) -> bool:
        return self.input is not None or self.edit is not None


async def cancel(core: Core, which: str | Many, by: str | None, told: Told = None) -> Tally:
    """Cancel what waits, and ask what runs to stop."""

    def make(one: _Found) -> Act | None:
        return Act(id=one.id, deed=Deed.CANCEL, keep_for=core.defaults.result_ttl)

    entry = Entry.begin("cancel", by, **_about(which))
    return await _perform(core, which, entry, make, told, looks=False)


async def delete(core: Core, which: str | Many, by: str | None, told: Told = None) -> Tally:
    """Delete what waits or has ended, as it was seen."""

    def make(one: _Found) -> Act | None:
        return None if one.stored is None else Act(id=one.id, deed=Deed.DELETE, seen=_seen(one.stored))

    return await _perform(core, which, Entry.begin("delete", by, **_about(which)), make, told, looks=True)


async def replay(core: Core, which: str | Many, how: Replay, by: str | None, told: Told = None) -> Tally:
    """Have what has ended run once more. With a rate, the nth job waits n intervals, in the store."""
    interval, place = interval_of(how.rate), count()
    about = {"edited": how.is_edited, "rate": how.rate}
    entry = Entry.begin("replay", by, **_about(which), **about)

    def make(one: _Found) -> Act | None:
        stored = one.stored
        if stored is None or not stored.state.is_terminal:
            return None
        body = _edited(core, stored, how) if how.is_edited else None
        delay = Millis(int(next(place) * interval))
        memo = encode_memo(_once_more(stored, entry.id))
        return Act(id=one.id, deed=Deed.REPLAY, seen=_seen(stored), memo=memo, body=body, delay=delay)

    return await _perform(core, which, entry, make, told, looks=True, bodies=how.is_edited)


def _about(which: str | Many) -> dict[str, Any]:
    return {"where": str(which)} if isinstance(which, JobFilter) else {"ids": _ids(which)}


def _ids(which: Any) -> tuple[str, ...]:
    """The ids that are named, each once."""
    several = isinstance(which, list | tuple | AbstractSet)
    return tuple(dict.fromkeys(map(check_id, cast("Iterable[str]", which if several else [which]))))


def _seen(stored: StoredJob) -> Seen:
    return Seen(stored.state, stored.token)


def _once_more(stored: StoredJob, act: str) -> Memo:
    """Failures count from 0 again, and so does what it waited for a runner; attempts go on."""
    memo = read_memo(stored)
    times = memo.replay[0] if memo.replay else 0
    return Memo(attempts=memo.attempts, error=memo.error, started_at=memo.started_at, replay=(times + 1, act))


def _edited(core: Core, stored: StoredJob, how: Replay) -> bytes:
    """The body with the new input, validated as at a call; the meta stays."""
    job = core.jobs.get(stored.name)
    if job is None:
        raise ValidationError(
            f"Job {stored.name!r} ({stored.id}) is not registered on {core.name}, so its new input cannot be checked. "
            f"Replay it with the runtime that registers it."
        )
    if stored.body is None:
        raise ValidationError(f"Job {stored.name!r} ({stored.id}): its payload is refused by the codec; enqueue anew.")
    if read_job(stored).parents:
        raise ValidationError(f"Job {stored.name!r} ({stored.id}) has its input from the step before it: replay that.")
    input_json, meta_json = split_body(stored.body)
    value = how.input if how.edit is None else how.edit(_read(input_json))
    try:
        value = job.input_adapter.validator.validate_python(value)
        body = encode_body(dump_json(job.input_adapter, value), meta_json)
    except PydanticError as exc:
        raise refuse(job.name, "the new input", issues_of(exc, "input", adapter=job.input_adapter)) from None
    except Unwritable as exc:
        raise ValidationError(f"Job {job.name!r}: its new input cannot be serialised ({exc}).") from None
    return core.limits.check_payload(job.name, body)


def _read(input_json: bytes) -> Any:
    try:
        return from_json(input_json)
    except ValueError:
        return None


def interval_of(rate: str | None) -> float:
    """Milliseconds between two jobs at a rate such as ``"10/s"``, ``"600/m"`` or ``"50/10m"``; 0 without one."""
    if rate is None:
        return 0
    number, _, span = str(rate).partition("/")
    number, span = number.strip(), span.strip()
    millis = 0.0
    if number.isdigit() and span:
        text = span if span[0].isdigit() else f"1{span}"
        millis = parse_span(text, what="the span of rate=").total_seconds() * 1_000
    if millis == 0 or int(number) < 1:
        raise ValidationError("rate= is so many jobs in a span: '10/s', '600/m', '50/10m'.")
    return millis / int(number)


async def _perform(
    core: Core, which: str | Many, entry: Entry, make: _Make, told: Told, *, looks: bool, bodies: bool = False
) -> Tally:
    """Note the act, do it in batches, and note how far it came after each."""
    driver = await core.driver(f"{entry.deed}()")
    asked = done = 0
    not_done: list[str] = []
    await keep(driver, entry)
    async for batch in _batches(core, driver, which, looks=looks, bodies=bodies):
        acts = [(one, act) for one in batch if (act := make(one)) is not None]
        was_done = await _act(driver, [act for _, act in acts], entry.id) if acts else []
        succeeded = {one.id for (one, _), yes in zip(acts, was_done, strict=True) if yes}
        asked, done = asked + len(batch), done + len(succeeded)
        not_done += [one.id for one in batch if one.id not in succeeded]
        await keep(driver, entry.after(asked=asked, done=done, is_over=False))
        if told is not None:
            told(Tally(asked=asked, done=done, not_done=tuple(not_done[:_MOST_NOT_DONE])))
    await keep(driver, entry.after(asked=asked, done=done, is_over=True))
    return Tally(asked=asked, done=done, not_done=tuple(not_done[:_MOST_NOT_DONE]))


async def _batches(
    core: Core, driver: Driver, which: str | Many, *, looks: bool, bodies: bool
) -> AsyncIterator[Sequence[_Found]]:
    """The jobs that are meant, each once, some hundreds at a time."""
    if isinstance(which, JobFilter):
        async for found in _matching(core, driver, which):
            yield await _looked_at(driver, [one.id for one in found]) if bodies else found
        return
    ids = _ids(which)
    for at in range(0, len(ids), _AT_ONCE):
        part = ids[at : at + _AT_ONCE]
        yield await _looked_at(driver, part) if looks else [_Found(id, None) for id in part]


async def _looked_at(driver: Driver, ids: Sequence[str]) -> Sequence[_Found]:
    stored = await repeat(lambda: driver.get_jobs(ids))
    return [_Found(id, one) for id, one in zip(ids, stored, strict=True)]


async def _matching(core: Core, driver: Driver, where: JobFilter) -> AsyncIterator[Sequence[_Found]]:
    """Page by page. A job that was replayed and failed again meanwhile is met again, and left alone."""
    met, cursor = set[str](), None
    while True:
        page = await find_jobs(driver, core.jobs, where, limit=_AT_ONCE, cursor=cursor)
        fresh = [_Found(stored.id, stored) for stored in page.items if stored.id not in met]
        met |= {one.id for one in fresh}
        if fresh:
            yield fresh
        cursor = page.cursor
        if cursor is None:
            return


async def _act(driver: Driver, acts: Sequence[Act], mark: str) -> list[bool]:
    """Which of the acts are done, also where a reply was lost and the repeat finds them done already."""
    tries = list[str]()

    async def once() -> Sequence[Acted]:
        tries.append(mark)
        return await driver.act(acts)

    answers = await repeat(once)
    await _cancel_for(driver, answers, acts[0])
    done = [_is_done(act, answer) for act, answer in zip(acts, answers, strict=True)]
    if len(tries) == 1 or all(done):
        return done
    unsure = [act.id for act, yes in zip(acts, done, strict=True) if not yes]
    stands = dict(zip(unsure, await repeat(lambda: driver.get_jobs(unsure)), strict=True))
    return [yes or _was_done(act, stands[act.id], mark) for act, yes in zip(acts, done, strict=True)]


async def _cancel_for(driver: Driver, answers: Sequence[Acted], like: Act) -> None:
    """Cancel the steps that cancelled steps of chains waited for, and those that these waited for."""
    ids = [parent for one in answers for parent in one.parents] if like.deed is Deed.CANCEL else []
    while ids:
        acts = [replace(like, id=id) for id in dict.fromkeys(ids)]
        ids = [parent for one in await repeat(partial(driver.act, acts)) for parent in one.parents]


def _is_done(act: Act, answer: Acted) -> bool:
    if act.deed is Deed.CANCEL:  # what runs was asked to stop
        return answer.found is not None and not answer.found.is_terminal
    return answer.done


def _was_done(act: Act, stands: StoredJob | None, mark: str) -> bool:
    """Whether what stands now is what this act, or the job after it, left."""
    if act.deed is Deed.CANCEL:
        return stands is not None and stands.state.value == "cancelled"
    if stands is None:  # it was there when the act was made
        return True
    replayed = read_memo(stands).replay
    return act.deed is Deed.REPLAY and replayed is not None and replayed[1] == mark
