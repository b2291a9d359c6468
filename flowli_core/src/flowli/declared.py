"""Schedules that are declared in code: what they say, and making the store say the same when a runtime starts.

It knows which definition in code a stored one was last made the same as. It refuses to undo what an operator changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Generic, TypeVar, overload

from typing_extensions import Unpack

from flowli.core import Core
from flowli.cron import parse_when
from flowli.errors import DefinitionError
from flowli.job import Job
from flowli.repeat import repeat
from flowli.rules import ScheduleOptions, take_rules
from flowli.schedules import check_key, definition_of, put_definition
from flowli.wire import ScheduleBody, Unreadable, decode_schedule, encode_schedule

__all__ = ["Schedule", "check_declared", "reconcile"]

_C_contra = TypeVar("_C_contra", contravariant=True)
_I = TypeVar("_I")
_M = TypeVar("_M")


class Schedule(Generic[_C_contra]):
    """A recurring definition in code, for ``schedules=`` of a runtime; the arguments are those of ``.schedule()``.

    Raises SchedulingError for what cannot be understood or never comes, and ValidationError for its options.
    """

    __slots__ = ("given", "input", "job", "key", "meta", "tz", "when")

    @overload
    def __init__(
        self,
        job: Job[_C_contra, None, None, Any],
        when: str | timedelta,
        /,
        *,
        key: str,
        tz: str = "UTC",
        **options: Unpack[ScheduleOptions],
    ) -> None: ...
    @overload
    def __init__(
        self,
        job: Job[_C_contra, None, _M, Any],
        when: str | timedelta,
        /,
        *,
        meta: _M,
        key: str,
        tz: str = "UTC",
        **options: Unpack[ScheduleOptions],
    ) -> None: ...
    @overload
    def __init__(
        self,
        job: Job[_C_contra, _I, None, Any],
        when: str | timedelta,
        input: _I,
        /,
        *,
        key: str,
        tz: str = "UTC",
        **options: Unpack[ScheduleOptions],
    ) -> None: ...
    @overload
    def __init__(
        self,
        job: Job[_C_contra, _I, _M, Any],
        when: str | timedelta,
        input: _I,
        /,
        *,
        meta: _M,
        key: str,
        tz: str = "UTC",
        **options: Unpack[ScheduleOptions],
    ) -> None: ...
    def __init__(
        self,
        job: Job[_C_contra, Any, Any, Any],
        when: str | timedelta,
        input: Any = None,
        /,
        *,
        meta: Any = None,
        key: str,
        tz: str = "UTC",
        **options: Unpack[ScheduleOptions],
    ) -> None:
        parse_when(when, tz)
        take_rules(options)
        self.job: Job[Any, Any, Any, Any] = job
        self.when: str | timedelta = when
        self.input: Any = input
        self.meta: Any = meta
        self.key: str = check_key(key)
        self.tz: str = tz
        self.given: dict[str, Any] = dict(options)

    def __repr__(self) -> str:
        return f"<Schedule {self.key!r} of {self.job.name!r}, {self.when!r} {self.tz}>"


def check_declared(schedules: Iterable[Schedule[Any]], jobs: Any, where: str) -> tuple[Schedule[Any], ...]:
    """The schedules, if each has a key of its own and a job of this runtime; otherwise DefinitionError."""
    found: dict[str, Schedule[Any]] = {}
    for one in schedules:
        if jobs.get(one.job.name) is not one.job:
            raise DefinitionError(
                f"Schedule {one.key!r} is of job {one.job.name!r}, which is not registered on {where}. Register it."
            )
        if one.key in found:
            raise DefinitionError(f"{where} declares two schedules with the key {one.key!r}. Give one another.")
        found[one.key] = one
    return tuple(found.values())


async def reconcile(core: Core) -> None:
    """Write each declared schedule whose definition in code is another than the one that was written last.

    What was changed in the store since then stays as it is: a pause, or a definition that was put under the same key.
    One that was deleted comes back.
    """
    if not core.schedules:
        return
    wanted = {one.key: _definition(core, one) for one in core.schedules}
    driver = await core.driver("schedules=")
    stored = await repeat(lambda: driver.get_schedules(list(wanted)))
    for (key, definition), stands in zip(wanted.items(), stored, strict=True):
        if stands is None or _declared(stands.body) != definition.declared:
            await put_definition(core, key, definition)


def _definition(core: Core, one: Schedule[Any]) -> ScheduleBody:
    body = definition_of(core, one.job, one.when, one.input, one.meta, tz=one.tz, given=one.given)
    return replace(body, declared=hashlib.sha256(encode_schedule(body)).hexdigest()[:16])


def _declared(body: bytes) -> str | None:
    try:
        return decode_schedule(body).declared
    except Unreadable:
        return None
