"""Schedules: what is read and refused, and the instants they mean, with every rule about clocks that change."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import FrameType
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowli.cron import Interval, Recurrence, parse_when
from flowli.driver import Millis
from flowli.durations import instant_to_millis, millis_to_instant
from flowli.errors import SchedulingError

ANCHOR = Millis(0)
START = datetime(2026, 1, 1, tzinfo=UTC)


def at(text: str) -> Millis:
    """The instant that an ISO text with an offset says."""
    return instant_to_millis(datetime.fromisoformat(text))


def following(recurrence: Recurrence, after: Millis, count: int) -> list[str]:
    """The next instants, as ISO texts in UTC."""
    found: list[str] = []
    for _ in range(count):
        after = recurrence.next_after(after, anchor=ANCHOR)
        found.append(millis_to_instant(after).strftime("%Y-%m-%dT%H:%M:%SZ"))
    return found


@pytest.mark.parametrize(
    ("when", "after", "expected"),
    [
        ("* * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"),
        ("* * * * *", "2026-01-01T00:00:59.999Z", "2026-01-01T00:01:00Z"),
        ("* * * * * *", "2026-01-01T00:00:00.001Z", "2026-01-01T00:00:01Z"),
        ("30 5 * * * *", "2026-01-01T00:05:29Z", "2026-01-01T00:05:30Z"),
        ("*/15 0 * * * *", "2026-01-01T00:00:45Z", "2026-01-01T01:00:00Z"),
        ("0 8 * * MON-FRI", "2026-01-02T08:00:00Z", "2026-01-05T08:00:00Z"),
        ("0 8 * * mon-fri", "2026-01-02T08:00:00Z", "2026-01-05T08:00:00Z"),
        ("  0   8 *  * 1-5 ", "2026-01-02T08:00:00Z", "2026-01-05T08:00:00Z"),
        ("0 0 * * 7", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
        ("0 22-2/2 * * *", "2026-01-01T22:00:00Z", "2026-01-02T00:00:00Z"),
        ("0 0 31 * *", "2026-01-31T00:00:00Z", "2026-03-31T00:00:00Z"),
        ("0 0 L * *", "2026-02-01T00:00:00Z", "2026-02-28T00:00:00Z"),
        ("0 0 * * FRI#2", "2026-01-10T00:00:00Z", "2026-02-13T00:00:00Z"),
        ("0 0 * * L5", "2026-01-01T00:00:00Z", "2026-01-30T00:00:00Z"),
        ("0 0 29 2 *", "2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("0 0 29 2 *", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"),
        ("@yearly", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("@annually", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("@monthly", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        ("@weekly", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
        ("@daily", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        ("@midnight", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        ("@HOURLY", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"),
    ],
)
def test_the_next_instant_is_the_first_that_the_fields_match(when: str, after: str, expected: str) -> None:
    assert following(parse_when(when), at(after), 1) == [expected]


def test_a_day_of_month_and_a_day_of_week_each_suffice() -> None:
    friday_or_13th = parse_when("0 0 13 * FRI")

    assert following(friday_or_13th, at("2026-01-08T00:00:00Z"), 4) == [
        "2026-01-09T00:00:00Z",
        "2026-01-13T00:00:00Z",
        "2026-01-16T00:00:00Z",
        "2026-01-23T00:00:00Z",
    ]


@pytest.mark.parametrize(
    ("when", "tz", "after", "expected"),
    [
        # Skipped: 02:00 to 03:00 on 2026-03-29 in Berlin, on 2026-03-08 in New York.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),
        ("30 2 * * *", "America/New_York", "2026-03-07T12:00Z", ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"]),
        ("0 3 * * *", "Europe/Berlin", "2026-03-28T12:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"]),
        ("*/20 * * * *", "Europe/Berlin", "2026-03-29T00:40Z", ["2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z"]),
        ("30 1,2 * * *", "Europe/Berlin", "2026-03-29T00:00Z", ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"]),
        # Repeated: 02:00 to 03:00 on 2026-10-25 in Berlin, 01:00 to 02:00 on 2026-11-01 in New York.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z", ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
        ("30 1 * * *", "America/New_York", "2026-10-31T12:00Z", ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]),
        ("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00Z", ["2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"]),
        ("0 3 * * *", "Europe/Berlin", "2026-10-25T00:30Z", ["2026-10-25T02:00:00Z", "2026-10-26T02:00:00Z"]),
        # Midnight is what Santiago skips and repeats.
        ("0 0 * * *", "America/Santiago", "2026-09-05T12:00Z", ["2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"]),
        ("30 23 * * *", "America/Santiago", "2026-04-04T12:00Z", ["2026-04-05T02:30:00Z", "2026-04-06T03:30:00Z"]),
        # Half an hour in Lord Howe: 02:00 to 02:30 is skipped, 01:30 to 02:00 repeated.
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00Z", ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-03T20:00Z", ["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"]),
        # Apia left out 2011-12-30.
        ("0 8 * * *", "Pacific/Apia", "2011-12-29T12:00Z", ["2011-12-29T18:00:00Z", "2011-12-30T10:00:00Z"]),
        ("0 8 * * *", "Pacific/Apia", "2011-12-30T10:00Z", ["2011-12-30T18:00:00Z", "2011-12-31T18:00:00Z"]),
        ("* * * * *", "Pacific/Apia", "2011-12-30T09:59Z", ["2011-12-30T10:00:00Z", "2011-12-30T10:01:00Z"]),
        ("0 12 30 12 *", "Pacific/Apia", "2011-01-01T00:00Z", ["2011-12-30T10:00:00Z", "2012-12-29T22:00:00Z"]),
    ],
)
def test_a_skipped_time_fires_at_the_end_of_the_gap_and_a_repeated_one_first(
    when: str, tz: str, after: str, expected: list[str]
) -> None:
    assert following(parse_when(when, tz), at(after), len(expected)) == expected


ZONES = ("Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Africa/Casablanca")
MINUTE_CRONS = ("*/15 * * * *", "30 2 * * *", "5,35 1-3 * * *", "0 0 * * *", "45 23 * * *")


def transitions(zone: ZoneInfo) -> Iterator[datetime]:
    """The hours in 2024 to 2030 after which the zone's offset is another."""
    hour, end, step = datetime(2024, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC), timedelta(hours=6)
    while hour < end:
        if hour.astimezone(zone).utcoffset() != (hour + step).astimezone(zone).utcoffset():
            yield hour
        hour += step


def matches(when: str, wall: datetime) -> bool:
    """Minute and hour fields alone, read in the slowest and plainest way."""
    minute, hour = when.split()[:2]
    return _one_of(minute, wall.minute) and _one_of(hour, wall.hour)


def _one_of(field: str, value: int) -> bool:
    for part in field.split(","):
        first, _, last = part.partition("-")
        if part == "*" or (part.startswith("*/") and value % int(part[2:]) == 0):
            return True
        if not part.startswith("*") and int(first) <= value <= int(last or first):
            return True
    return False


def by_brute_force(when: str, zone: ZoneInfo, start: datetime, minutes: int) -> list[Millis]:
    """Looks at every wall minute: it means the first UTC minute that shows it, or the first that shows a later one."""
    shown: dict[datetime, datetime] = {}
    for minute in (start + timedelta(minutes=number) for number in range(minutes + 1)):
        shown.setdefault(minute.astimezone(zone).replace(tzinfo=None, fold=0), minute)
    means: set[Millis] = set()
    wall, last = min(shown), max(shown)
    pending = False
    while wall <= last:
        pending = pending or matches(when, wall)
        if pending and wall in shown:
            means.add(instant_to_millis(shown[wall]))
            pending = False
        wall += timedelta(minutes=1)
    return sorted(means)


@pytest.mark.parametrize("name", ZONES)
def test_around_every_change_of_the_clocks_the_instants_are_those_of_a_brute_force_search(name: str) -> None:
    zone = ZoneInfo(name)
    seen = 0
    for number, start in enumerate(transitions(zone)):
        when = MINUTE_CRONS[number % len(MINUTE_CRONS)]
        minutes = 12 * 60
        expected = by_brute_force(when, zone, start, minutes)
        cron, instant, found = parse_when(when, name), instant_to_millis(start - timedelta(seconds=1)), list[Millis]()
        while (instant := cron.next_after(instant, anchor=ANCHOR)) <= instant_to_millis(start) + minutes * 60_000:
            found.append(instant)
        assert found == expected, f"{when} from {start}"
        seen += 1
    assert seen >= 13


@given(
    zone=st.sampled_from((*ZONES, "UTC", "Asia/Kathmandu", "Pacific/Apia")),
    when=st.sampled_from((*MINUTE_CRONS, "* * * * * *", "0 0 29 2 *", "0 9 * * MON")),
    second=st.integers(min_value=0, max_value=4_000_000_000),
)
@settings(max_examples=60, deadline=None)
def test_the_next_instant_is_later_and_every_moment_until_it_leads_to_it(zone: str, when: str, second: int) -> None:
    cron, after = parse_when(when, zone), Millis(second * 1000)

    found = cron.next_after(after, anchor=ANCHOR)

    assert found > after
    assert cron.next_after(Millis(found - 1), anchor=ANCHOR) == found
    assert cron.next_after(Millis((found + after) // 2), anchor=ANCHOR) in (
        found,
        cron.next_after(found, anchor=ANCHOR),
    )


def test_a_cron_of_every_second_leaves_the_repeated_hour_in_one_step() -> None:
    cron = parse_when("* * * * * *", "Europe/Berlin")
    cron.next_after(ANCHOR, anchor=ANCHOR)
    calls = 0

    def count(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        found = following(cron, at("2026-10-25T01:00:00Z"), 1)
    finally:
        sys.setprofile(None)

    assert found == ["2026-10-25T02:00:00Z"]
    assert calls < 1000


@pytest.mark.parametrize(
    ("when", "tz", "now", "since", "expected"),
    [
        ("* * * * *", "UTC", "2026-01-01T00:00:30Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("* * * * *", "UTC", "2026-01-01T00:01:00Z", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"),
        ("* * * * *", "UTC", "2026-01-01T00:00:59.999Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("0 8 * * *", "UTC", "2026-02-01T07:59:59Z", "2026-01-01T08:00:00Z", "2026-01-31T08:00:00Z"),
        ("0 0 1 1 *", "UTC", "2030-06-01T00:00:00Z", "2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-01T01:30:00Z", "2026-03-29T01:00:00Z"),
        ("*/30 * * * *", "Europe/Berlin", "2026-10-25T01:45:00Z", "2026-10-01T00:00:00Z", "2026-10-25T00:30:00Z"),
        # Not an instant itself, as after an edit: nothing before it is taken.
        ("55 5 * * *", "UTC", "2026-01-01T07:00:00Z", "2026-01-01T06:00:00Z", "2026-01-01T06:00:00Z"),
        ("10s", "UTC", "2026-01-01T00:00:29.999Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:20Z"),
        ("10s", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
    ],
)
def test_the_latest_instant_is_the_last_that_is_not_after_now(
    when: str, tz: str, now: str, since: str, expected: str
) -> None:
    assert parse_when(when, tz).latest_at(at(now), since=at(since)) == at(expected)


def test_the_latest_instant_agrees_with_walking_there_one_by_one() -> None:
    dice = random.Random(4)
    cron = parse_when("7,41 */3 * * *", "America/New_York")
    since = cron.next_after(at("2026-10-30T00:00:00Z"), anchor=ANCHOR)
    for _ in range(20):
        now = Millis(since + dice.randrange(5 * 86_400_000))
        walked = since
        while (following_one := cron.next_after(walked, anchor=ANCHOR)) <= now:
            walked = following_one
        assert cron.latest_at(now, since=since) == walked


@pytest.mark.parametrize(
    ("after", "anchor", "expected"),
    [(0, 0, 90), (89, 0, 90), (90, 0, 180), (1000, 5, 1085), (0, 5, 95), (5, 5, 95), (-500, 5, 95)],
)
def test_an_interval_counts_from_its_anchor_and_never_comes_at_it(after: int, anchor: int, expected: int) -> None:
    minute_and_a_half = parse_when(timedelta(seconds=90))

    found = minute_and_a_half.next_after(Millis(after * 1000), anchor=Millis(anchor * 1000))

    assert found == expected * 1000


@pytest.mark.parametrize(
    ("when", "canonical"),
    [
        ("90m", "1h30m"),
        (timedelta(hours=24), "1d"),
        (" 10s ", "10s"),
        ("100ms", "100ms"),
        ("@daily", "0 0 * * *"),
        (" 0  8 * * mon", "0 8 * * MON"),
    ],
)
def test_the_canonical_text_is_one_for_all_ways_to_write_it_and_is_read_back(
    when: str | timedelta, canonical: str
) -> None:
    assert parse_when(when).canonical == canonical
    assert parse_when(canonical).canonical == canonical


def test_intervals_of_one_length_are_equal() -> None:
    assert parse_when("1m") == parse_when(timedelta(seconds=60)) == Interval(Millis(60_000))


@pytest.mark.parametrize(
    "when",
    [
        *("0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 29 2 *#1", "0 0 * *", "0 0 1 1 * 2026 0", "60 * * * *", "* 24 * * *"),
        *("0 0 0 * *", "0 0 * 13 *", "0 0 * * 8", "*/0 * * * *", "*/90 * * * *", "5-5 * * * *", "-1 * * * *"),
        *("H * * * *", "R * * * *", "H(0-5) * * * *", "0 0 15W * *", "0 0 ? * *", "0 0 * FOO *", "@reboot", "@"),
        *("\u0661 * * * *", "a b c d e", "", " ", "hello", "10", "-10s", "99ms", "20y", "5000d", "*" * 129),
    ],
)
def test_what_cannot_be_read_or_never_comes_is_refused(when: str) -> None:
    with pytest.raises(SchedulingError) as refused:
        parse_when(when)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    "when", ["canary", "dear canary", "a canary is not a cron", "@canary", "4711 4711 4711 4711", "* " * 70 + "canary"]
)
def test_what_stands_in_the_place_of_a_when_may_be_a_payload_and_is_not_shown(when: str) -> None:
    with pytest.raises(SchedulingError) as refused:
        parse_when(when)
    assert "canary" not in str(refused.value).lower() and "4711" not in str(refused.value)


def test_an_expression_that_never_comes_says_so() -> None:
    with pytest.raises(SchedulingError, match=r"'0 0 30 2 \*' never comes"):
        parse_when("0 0 30 2 *")


def test_a_field_that_cannot_be_read_is_named() -> None:
    with pytest.raises(SchedulingError, match="its hour, '25', is out of range"):
        parse_when("0 25 * * *")
    with pytest.raises(SchedulingError, match="its second, '61', is out of range"):
        parse_when("61 0 25 * * *")


def test_a_step_over_the_whole_field_is_refused_and_an_interval_advised() -> None:
    with pytest.raises(SchedulingError, match="write an interval"):
        parse_when("*/90 * * * *")


@pytest.mark.parametrize("when", [10, 1.5, None, b"10s", ["* * * * *"]])
def test_what_is_neither_text_nor_timedelta_is_refused_by_its_type(when: object) -> None:
    with pytest.raises(SchedulingError, match=type(when).__name__):
        parse_when(when)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("tz", "advice"),
    [
        ("Europe/Berln", "did you mean 'Europe/Berlin'"),
        ("europe/berlin", "did you mean 'Europe/Berlin'"),
        ("Nowhere/At_All", "write one such as"),
        ("", "write one such as"),
        ("../UTC", "no IANA zone"),
        ("/etc/localtime", "no IANA zone"),
        ("localtime", "no IANA zone"),
        ("UTC\0", "no IANA zone"),
        ("Z" * 500, "no IANA zone"),
    ],
)
def test_an_unknown_zone_is_refused_with_the_nearest_one(tz: str, advice: str) -> None:
    with pytest.raises(SchedulingError, match=advice) as refused:
        parse_when("@daily", tz)
    assert len(str(refused.value)) < 200


def test_a_zone_that_is_no_text_is_refused_by_its_type() -> None:
    with pytest.raises(SchedulingError, match="not ZoneInfo"):
        parse_when("@daily", ZoneInfo("UTC"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_cron_at_the_end_of_the_calendar_says_that_nothing_follows() -> None:
    with pytest.raises(SchedulingError, match="no instant after"):
        parse_when("@yearly").next_after(at("9999-06-01T00:00:00Z"), anchor=ANCHOR)
