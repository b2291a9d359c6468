"""When a schedule is due: cron fields in a time zone, or an interval. It refuses to know what is scheduled, and clocks.

A cron expression speaks of wall times, and `flowli.zones` says what they mean: the first of two instants where the zone
repeats one, the end of the gap where the zone skips it. Several that mean the same instant fire once. croniter finds
the wall times and never sees a zone.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from flowli.driver import Millis
from flowli.durations import format_span, parse_span, to_millis
from flowli.errors import SchedulingError, ValidationError
from flowli.zones import Zone, first_where, parse_zone

if TYPE_CHECKING:
    from croniter import croniter

__all__ = ["SHORTEST_INTERVAL", "Cron", "Interval", "Recurrence", "parse_when"]

SHORTEST_INTERVAL = timedelta(milliseconds=100)

_MOST_CHARACTERS = 128
_ALIASES = {
    "@YEARLY": "0 0 1 1 *",
    "@ANNUALLY": "0 0 1 1 *",
    "@MONTHLY": "0 0 1 * *",
    "@WEEKLY": "0 0 * * 0",
    "@DAILY": "0 0 * * *",
    "@MIDNIGHT": "0 0 * * *",
    "@HOURLY": "0 * * * *",
}
_FIELDS = (
    ("second", 59),
    ("minute", 59),
    ("hour", 23),
    ("day of month", 31),
    ("month", 12),
    ("day of week", 7),
)
_NAMES = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC|SUN|MON|TUE|WED|THU|FRI|SAT"
_FIELD = re.compile(rf"(?:[0-9*,/#-]|L|{_NAMES})+", re.ASCII)
_CRON_LIKE = re.compile(rf"(?:[0-9]{{1,2}}(?![0-9])|[*,/#?()LWHR-]|{_NAMES})+", re.ASCII)
"""What a field may be shown as in a message: anything else in the place of a field may be somebody's payload."""
_RANGE_OF_ONE = re.compile(r"(?<![0-9A-Z])([0-9]+|[A-Z]+)-\1(?![0-9A-Z])", re.ASCII)
_STEP = re.compile(r"/([0-9]+)", re.ASCII)
_FORMS = "write five cron fields ('0 8 * * *'), six with seconds first, '@daily', or an interval ('10s')"

_NEVER_BEFORE = datetime(2000, 1, 1)


class Recurrence(Protocol):
    """An endless row of instants, in milliseconds since the epoch."""

    @property
    def canonical(self) -> str:
        """The text that `parse_when` reads as the same row, in the same zone."""
        ...

    def next_after(self, after: Millis, *, anchor: Millis) -> Millis:
        """The first instant after ``after``. Intervals count from ``anchor``, and their first instant lies after it."""
        ...

    def latest_at(self, now: Millis, *, since: Millis) -> Millis:
        """The last instant not after ``now``, where ``since``, not after ``now`` either, is known to be one.

        Where ``since`` is none after all, nothing before it is returned.
        """
        ...


@dataclass(frozen=True, slots=True)
class Interval:
    """Every so many milliseconds."""

    every: Millis

    @property
    def canonical(self) -> str:
        return format_span(timedelta(milliseconds=self.every))

    def next_after(self, after: Millis, *, anchor: Millis) -> Millis:
        return Millis(anchor + max(1, (after - anchor) // self.every + 1) * self.every)

    def latest_at(self, now: Millis, *, since: Millis) -> Millis:
        return Millis(since + (now - since) // self.every * self.every)


class Cron:
    """A cron expression in a zone. It is made by `parse_when` and may be used by several threads at once."""

    __slots__ = ("_matcher", "_zone", "canonical")

    def __init__(self, canonical: str, zone: Zone) -> None:
        self.canonical: str = canonical
        self._zone = zone
        self._matcher = _matcher_of(canonical)

    def next_after(self, after: Millis, *, anchor: Millis) -> Millis:
        """See `Recurrence`; a cron row has no anchor. Raises SchedulingError where the calendar ends."""
        return self._next_after(after)

    def latest_at(self, now: Millis, *, since: Millis) -> Millis:
        """See `Recurrence`. It costs some forty searches forward, however far ``since`` lies back."""

        def is_past_the_last(second: int) -> bool:
            return self._next_after(second * 1000) > now

        # Searching forward alone keeps both methods of one mind about every instant.
        before, step = now // 1000, 1
        while is_past_the_last(before):
            if before * 1000 <= since:
                return since
            before, step = before - step, step * 2
        last = first_where(is_past_the_last, before, now // 1000)
        return max(since, Millis(last * 1000))

    def _next_after(self, after: int) -> Millis:
        try:
            return Millis(self._next_second(after // 1000) * 1000)
        except (ValueError, OverflowError):
            raise SchedulingError(f"{self.canonical!r} has no instant after the one given.") from None

    def _next_second(self, after: int) -> int:
        wall = self._zone.last_wall_until(after)
        while True:
            # A copy, because croniter keeps where it is; it shares what was parsed.
            wall = copy.copy(self._matcher).get_next(start_time=wall)
            second = self._zone.meaning(wall)
            # Once is enough in every zone known; a schedule that did not move on would fire for ever.
            if second > after:
                return second


def parse_when(when: str | timedelta, tz: str = "UTC") -> Recurrence:
    """The row of instants that a schedule's ``when`` says, its cron fields meant in the IANA zone ``tz``.

    SchedulingError names what cannot be understood, is shorter than a tenth of a second, or never comes.
    """
    return _read_when(when, parse_zone(tz))


def _read_when(when: object, zone: Zone) -> Recurrence:
    if isinstance(when, timedelta):
        return _read_interval(when)
    if not isinstance(when, str):
        raise SchedulingError(f"a schedule's when cannot be a {type(when).__name__}: {_FORMS} or a timedelta.")
    text = when.strip().upper()
    if len(when) > _MOST_CHARACTERS:
        raise SchedulingError(f"a schedule's when has at most {_MOST_CHARACTERS} characters: {_FORMS}.")
    if len(text.split()) == 1 and not text.startswith("@"):
        return _read_interval(when.strip())
    return _read_cron(text, zone)


def _read_interval(when: str | timedelta) -> Interval:
    try:
        span = parse_span(when, what="a schedule's interval")
    except ValidationError as error:
        raise SchedulingError(f"{error} For cron fields, write five, or six with seconds first.") from None
    if span < SHORTEST_INTERVAL:
        raise SchedulingError(
            f"a schedule's interval is at least {format_span(SHORTEST_INTERVAL)}: write a longer one."
        )
    return Interval(to_millis(span))


def _read_cron(text: str, zone: Zone) -> Cron:
    if text.startswith("@") and text not in _ALIASES:
        known = ", ".join(_ALIASES).lower()
        raise SchedulingError(f"a schedule's when begins with @ and is none of {known}: write one, or cron fields.")
    fields = _ALIASES.get(text, text).split()
    strange = [at for at, field in enumerate(fields) if not _CRON_LIKE.fullmatch(field)]
    if len(fields) not in (5, 6):
        shown = "a schedule's when" if strange else repr(text)
        raise SchedulingError(f"{shown} has {len(fields)} fields: {_FORMS}.")
    if strange:
        name, _ = _FIELDS[strange[0] - len(fields)]
        raise SchedulingError(f"a schedule's when cannot be read: its {name} is in another syntax; {_FORMS}.")
    return Cron(" ".join(fields), zone)


@lru_cache(maxsize=512)
def _matcher_of(canonical: str) -> croniter[datetime]:
    fields = canonical.split()
    for at in range(len(fields)):
        _check_field(canonical, fields, at)
    matcher = _compiled(canonical)
    if matcher is None:
        raise SchedulingError(f"{canonical!r} cannot be read: {_FORMS}.")
    try:
        copy.copy(matcher).get_next()
    except ValueError:
        raise SchedulingError(f"{canonical!r} never comes, for there is no such day: write another one.") from None
    return matcher


def _check_field(canonical: str, fields: list[str], at: int) -> None:
    name, greatest = _FIELDS[at - len(fields)]
    field = fields[at]
    subject = f"{canonical!r} cannot be read: its {name}, {field!r},"
    if any(int(step) > greatest for step in _STEP.findall(field)):
        raise SchedulingError(
            f"{subject} steps over the whole field. For a longer period write an interval, as in '90m'."
        )
    if _RANGE_OF_ONE.search(field):
        raise SchedulingError(f"{subject} is a range from a value to itself. Write the value alone.")
    alone = " ".join(field if other == at else "*" for other in range(len(fields)))
    if not _FIELD.fullmatch(field) or _compiled(alone) is None:
        raise SchedulingError(f"{subject} is out of range or in another syntax; {_FORMS}.")


def _compiled(expression: str) -> croniter[datetime] | None:
    # Imported here, because it takes longer than the rest of this package and few processes read a schedule.
    from croniter import CroniterError, croniter

    try:
        return croniter(expression, _NEVER_BEFORE, ret_type=datetime, second_at_beginning=True)
    except CroniterError:
        return None
