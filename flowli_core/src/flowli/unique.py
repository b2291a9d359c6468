"""Which calls mean the same work: a key, for how long it counts, and what becomes of the second call.

It knows names, bounds and how a key is made of an input. It refuses to know how a store holds keys (`flowli.driver`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from typing import Any, Literal, TypeAlias, get_args

from flowli.driver import Ability, Driver, Millis, OnConflict, UniqueKey, Until
from flowli.durations import parse_span, to_millis
from flowli.errors import StrategyError, ValidationError
from flowli.ids import check_id

__all__ = ["Unique", "name_of", "need_unique_keys", "unique_key"]

_Until: TypeAlias = Literal["started", "settled"]
_OnConflict: TypeAlias = Literal["existing", "replace", "reschedule", "raise"]

_POLICIES = {
    "existing": OnConflict.KEEP,
    "replace": OnConflict.REPLACE,
    "reschedule": OnConflict.RESCHEDULE,
    "raise": OnConflict.KEEP,
}


@dataclass(frozen=True, slots=True)
class Unique:
    """At most one job of its name holds a key: a call under a key that is held makes no second one.

    Deduplication is ``Unique("invoice-7")``; a throttle, at most one job in ten minutes, is ``Unique(key,
    within="10m")``; a debounce, one job after the last call of a burst and after five minutes at most, is
    ``delay("30s", ..., unique=Unique(key, until="started", within="5m", on_conflict="replace"))``.
    """

    key: str | Callable[[Any], str]
    """1 to 200 bytes, or a function that makes it of the validated input."""
    _: KW_ONLY
    until: _Until | None = None
    """The key is held until the job is first started, or until it is settled: completed, failed for good or cancelled.
    Left out it is ``"settled"``, or, with ``within``, the span alone counts."""
    within: timedelta | str | None = None
    """From the call that made the job on the key is held no longer than this; and ``replace`` and ``reschedule`` move
    the job no further than to the end of it."""
    on_conflict: _OnConflict = "existing"
    """What a call under a held key does. ``existing``: nothing. ``replace``: a job that waits becomes this call's,
    with its input, options and instant, under the id that it has. ``reschedule``: a job that waits gets this call's
    instant. ``raise``: JobExistsError. A job that has begun is neither replaced nor rescheduled."""

    def __post_init__(self) -> None:
        if not callable(self.key):
            check_id(self.key, what="a unique key")
        for name, choices in (("until", get_args(_Until)), ("on_conflict", get_args(_OnConflict))):
            value = getattr(self, name)
            if value not in choices and not (name == "until" and value is None):
                raise ValidationError(f"{name} of Unique is one of {', '.join(choices)}.")
        if self.span == 0:
            raise ValidationError("within of Unique has to be longer than 0; leave it out for no bound.")

    @property
    def span(self) -> Millis | None:
        """``within`` in milliseconds."""
        return None if self.within is None else to_millis(parse_span(self.within, what="within of Unique"))

    def key_of(self, input: object) -> str:
        """The key of one call. ValidationError where a function made something else than 1 to 200 bytes of text."""
        if not callable(self.key):
            return self.key
        return check_id(self.key(input), what="a unique key that its function made")


def unique_key(unique: Unique, job: str, key: str) -> UniqueKey:
    """What a driver is asked for: the key belongs to the jobs of one name, whose results are of one type."""
    if unique.until is not None:
        until = Until(unique.until)
    else:
        until = Until.SETTLED if unique.within is None else Until.LAPSED
    return UniqueKey(f"{job}\n{key}", until, _POLICIES[unique.on_conflict], unique.span)


def name_of(unique: UniqueKey) -> str:
    """The key as its user knows it."""
    return unique.key.partition("\n")[2]


def need_unique_keys(driver: Driver, job: str) -> None:
    """StrategyError for a driver that has none."""
    if Ability.UNIQUE not in driver.abilities:
        raise StrategyError(
            f"Job {job!r} is to be unique, and {driver} knows no unique keys. Leave unique= out, or take another "
            f"driver."
        )
