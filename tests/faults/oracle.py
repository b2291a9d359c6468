"""A second opinion on cron: expressions that are drawn with their meaning, and instants found by looking at each one.

It knows the calendar and what `zoneinfo` shows. It refuses to read an expression, and to know `flowli.cron`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

__all__ = ["Expression", "Moment", "calendar", "draw", "expected", "transitions", "window", "zones"]

_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_FIRST, _LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2041, 1, 1, tzinfo=UTC)
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)
_BEFORE, _AFTER = timedelta(hours=4), timedelta(hours=26)


@dataclass(frozen=True)
class Expression:
    """Cron fields as text, and the values that each allows. None for a day field is ``*``."""

    text: str
    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int] | None
    months: frozenset[int]
    weekdays: frozenset[int] | None
    """0 is Sunday."""

    def allows_day(self, day: date) -> bool:
        """Both day fields given: each suffices."""
        if day.month not in self.months:
            return False
        by_day = self.days is not None and day.day in self.days
        by_weekday = self.weekdays is not None and day.isoweekday() % 7 in self.weekdays
        return by_day or by_weekday or (self.days is None and self.weekdays is None)

    def allows(self, wall: datetime) -> bool:
        """Whether a wall time is one of these."""
        return (
            wall.minute in self.minutes
            and wall.hour in self.hours
            and wall.second in self.seconds
            and self.allows_day(wall.date())
        )


@dataclass(frozen=True)
class Moment:
    """A transition: the first second of the new offset, in UTC."""

    zone: str
    at: datetime


def _field(dice: random.Random, low: int, high: int, names: Sequence[str] = ()) -> tuple[str, frozenset[int]]:
    """One restricted field: a value, a list, a range, a range with a step, or every so many."""

    def name(value: int) -> str:
        return names[value - low] if names and dice.random() < 0.5 else str(value)

    first, last = sorted(dice.sample(range(low, high + 1), 2))
    step = dice.randint(2, max(2, (high - low) // 2))
    match dice.choice(("one", "one", "list", "range", "stepped range", "every")):
        case "one":
            return name(first), frozenset({first})
        case "list":
            values = dice.sample(range(low, high + 1), dice.randint(2, min(5, high - low)))
            return ",".join(map(name, values)), frozenset(values)
        case "range":
            return f"{name(first)}-{name(last)}", frozenset(range(first, last + 1))
        case "stepped range":
            return f"{first}-{last}/{step}", frozenset(range(first, last + 1, step))
        case _:
            return f"*/{step}", frozenset(range(low, high + 1, step))


def draw(dice: random.Random, *, calendar: bool = False) -> Expression:
    """A random expression of five or six fields; with ``calendar`` its days are always restricted."""
    every = {"minute": range(60), "hour": range(24), "month": range(1, 13)}
    second = _field(dice, 0, 59) if dice.random() < 0.15 else None
    minute = _field(dice, 0, 59) if dice.random() < 0.8 else ("*", frozenset(every["minute"]))
    hour = _field(dice, 0, 23) if dice.random() < 0.6 else ("*", frozenset(every["hour"]))
    month = _field(dice, 1, 12, _MONTHS) if dice.random() < 0.3 else ("*", frozenset(every["month"]))
    by_day = dice.random() < (0.7 if calendar else 0.2)
    by_weekday = dice.random() < (0.5 if calendar else 0.2)
    day = _field(dice, 1, 31) if by_day else ("*", None)
    weekday = _field(dice, 0, 6, _DAYS) if by_weekday else ("*", None)
    if weekday[1] == frozenset({0}) and dice.random() < 0.5:
        weekday = "7", weekday[1]
    fields = [minute[0], hour[0], day[0], month[0], weekday[0]]
    text = " ".join(fields if second is None else [second[0], *fields])
    seconds = frozenset({0}) if second is None else second[1]
    return Expression(text, seconds, minute[1], hour[1], day[1], month[1], weekday[1])


def zones() -> list[str]:
    """Every zone of the database of this machine."""
    return sorted(available_timezones() - {"localtime"})


@cache
def transitions(zone: str) -> tuple[Moment, ...]:
    """Each change of the zone's offset from 2020 to 2040."""
    return tuple(_transitions(zone))


def _transitions(zone: str) -> Iterator[Moment]:
    info, day = ZoneInfo(zone), _FIRST
    offset = day.astimezone(info).utcoffset()
    while day < _LAST:
        following = day + _DAY
        after = following.astimezone(info).utcoffset()
        if after != offset:
            low, high = day, following
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                middle = middle.replace(microsecond=0)
                low, high = (low, middle) if middle.astimezone(info).utcoffset() == after else (middle, high)
            yield Moment(zone, high)
        day, offset = following, after


def window(moment: Moment) -> list[tuple[datetime, datetime]]:
    """Every UTC minute around a transition, with the wall time that the zone shows then."""
    info, minute = ZoneInfo(moment.zone), moment.at - _BEFORE
    shown: list[tuple[datetime, datetime]] = []
    while minute < moment.at + _AFTER:
        shown.append((minute, minute.astimezone(info).replace(tzinfo=None, fold=0)))
        minute += _MINUTE
    return shown


def expected(expression: Expression, shown: Sequence[tuple[datetime, datetime]]) -> list[datetime]:
    """The instants after the first minute shown. A wall time that comes up again is not new; one that was left out
    counts when the clocks show a later one."""
    found: list[datetime] = []
    seconds = sorted(expression.seconds)
    latest = shown[0][1]
    for minute, wall in shown[1:]:
        if wall <= latest:
            continue
        left_out = latest + _MINUTE
        was_left_out = False
        while left_out < wall:
            was_left_out = was_left_out or any(expression.allows(left_out.replace(second=second)) for second in seconds)
            left_out += _MINUTE
        now = [minute + timedelta(seconds=one) for one in seconds if expression.allows(wall.replace(second=one))]
        if was_left_out and minute not in now:
            now.insert(0, minute)
        found += now
        latest = wall
    return found


def calendar(expression: Expression, start: datetime, days: int) -> Iterator[datetime]:
    """The instants in UTC after ``start``, day by day, hour by hour, minute by minute."""
    day = start.replace(hour=0, minute=0, second=0, microsecond=0)
    for _ in range(days):
        if expression.allows_day(day.date()):
            for hour in sorted(expression.hours):
                for minute in sorted(expression.minutes):
                    for second in sorted(expression.seconds):
                        instant = day.replace(hour=hour, minute=minute, second=second)
                        if instant > start:
                            yield instant
        day += _DAY
