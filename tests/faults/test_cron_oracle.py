"""M3: the instants of cron expressions are those that a search finds that looks at every minute.

All zones, every change of their clocks from 2020 to 2040; a sample of them in the gate, all of them at night.
"""

from __future__ import annotations

import calendar as days_of_months
import os
import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, product
from types import FrameType

import pytest

from flowli import SchedulingError
from flowli.cron import Recurrence, parse_when
from flowli.driver import Millis
from flowli.durations import instant_to_millis, millis_to_instant
from tests.faults.oracle import Moment, calendar, draw, expected, transitions, window, zones

pytestmark = [pytest.mark.quick, pytest.mark.timeout(3_600)]

_IS_NIGHT = os.environ.get("FLOWLI_PROFILE") == "nightly"
_EACH = 2
"""Expressions for each transition."""
_SAMPLE = 120
_CALENDARS = 4_000 if _IS_NIGHT else 400
_PARTS = 8
_MOST_STEPS = 1_000
_MOST_CPU_S = 0.001
_NO_ANCHOR = Millis(0)


def _following(cron: Recurrence, after: datetime) -> Iterator[datetime]:
    instant = instant_to_millis(after)
    while True:
        instant = cron.next_after(instant, anchor=_NO_ANCHOR)
        yield millis_to_instant(instant)


def _until(cron: Recurrence, after: datetime, last: datetime) -> list[datetime]:
    found: list[datetime] = []
    for instant in _following(cron, after):
        if instant > last:
            return found
        found.append(instant)
    raise AssertionError("a row of instants never ends")


def _between(dice: random.Random, first: datetime, last: datetime) -> datetime:
    return first + timedelta(milliseconds=dice.randrange(max(1, (last - first) // timedelta(milliseconds=1))))


def _check_moment(moment: Moment, dice: random.Random) -> None:
    shown = window(moment)
    first, last = shown[0][0] + timedelta(seconds=59), shown[-1][0] + timedelta(seconds=59)
    for _ in range(_EACH):
        expression = draw(dice)
        wanted = [instant for instant in expected(expression, shown) if instant > first]
        cron = parse_when(expression.text, moment.zone)
        what = f"{expression.text!r} in {moment.zone} around {moment.at}"
        assert _until(cron, first, last) == wanted, what
        for before, after in pairwise(wanted):
            assert next(_following(cron, _between(dice, before, after))) == after, what
        if wanted:
            now = _between(dice, wanted[0], last)
            latest = cron.latest_at(instant_to_millis(now), since=instant_to_millis(wanted[0]))
            assert millis_to_instant(latest) == max(instant for instant in wanted if instant <= now), what


@pytest.mark.parametrize("part", range(_PARTS))
def test_around_every_change_of_every_clock_the_instants_are_those_of_the_oracle(part: int) -> None:
    dice = random.Random(part)
    mine = zones()[part::_PARTS]
    if not _IS_NIGHT:
        mine = dice.sample(mine, len(mine) // 4)
    moments = [moment for zone in mine for moment in transitions(zone)]
    assert len(moments) > 100
    if not _IS_NIGHT:
        moments = dice.sample(moments, _SAMPLE // _PARTS)
    for moment in moments:
        _check_moment(moment, dice)


def test_in_a_zone_without_changes_the_calendar_decides() -> None:
    """Days of months and of weeks, leap years, names, steps and seconds."""
    dice = random.Random(29)
    met = 0
    for _ in range(_CALENDARS):
        expression = draw(dice, calendar=True)
        start = _between(dice, datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC))
        wanted = list(islice(calendar(expression, start, 9 * 366), 5))
        if not wanted:
            continue
        found = list(islice(_following(parse_when(expression.text), start), len(wanted)))
        assert found == wanted, f"{expression.text!r} after {start}"
        met += 1
    assert met > _CALENDARS * 0.9


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Santiago"])
def test_the_29th_of_february_comes_in_leap_years_alone(zone: str) -> None:
    found = islice(_following(parse_when("0 12 29 2 *", zone), datetime(2020, 1, 1, tzinfo=UTC)), 25)
    years = [year for year in range(2020, 2130) if days_of_months.isleap(year)]
    assert [instant.year for instant in found] == years[:25]


def test_what_never_comes_is_refused_when_it_is_written_and_nothing_else() -> None:
    for day, month in product(range(1, 32), range(1, 13)):
        exists = day <= days_of_months.monthrange(2024, month)[1]
        if exists:
            assert parse_when(f"0 0 {day} {month} *")
            continue
        with pytest.raises(SchedulingError, match="never comes"):
            parse_when(f"0 0 {day} {month} *")
        assert parse_when(f"0 0 {day} {month} MON"), "the day of the week suffices"


def _steps(cron: Recurrence, after: Millis) -> int:
    """How many calls one search makes."""
    calls = 0

    def count(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        cron.next_after(after, anchor=_NO_ANCHOR)
    finally:
        sys.setprofile(None)
    return calls


def test_a_search_is_short_wherever_it_begins() -> None:
    dice = random.Random(7)
    names = zones()
    spent: list[float] = []
    steps: list[int] = []
    for number in range(600):
        rare = ("0 0 29 2 *", "59 59 23 31 12 *", "0 0 31 * *", "0 0 29 FEB SUN", "* * * * * *")
        text = dice.choice(rare) if number % 4 == 0 else draw(dice, calendar=number % 2 == 0).text
        try:
            cron = parse_when(text, dice.choice(names))
        except SchedulingError:
            continue
        after = instant_to_millis(_between(dice, datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)))
        cron.next_after(after, anchor=_NO_ANCHOR)
        began = time.process_time()
        cron.next_after(after, anchor=_NO_ANCHOR)
        spent.append(time.process_time() - began)
        steps.append(_steps(cron, after))
    spent.sort()
    assert max(steps) <= _MOST_STEPS
    assert spent[len(spent) * 99 // 100] <= _MOST_CPU_S
