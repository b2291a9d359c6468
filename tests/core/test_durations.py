"""Spans and instants: what is read, what is refused and why, and that no message holds what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowli.durations import (
    LONGEST_SPAN,
    Delay,
    format_span,
    from_millis,
    instant_to_millis,
    millis_to_instant,
    parse_delay,
    parse_span,
    parse_timeout,
    to_millis,
)
from flowli.errors import ValidationError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("250ms", timedelta(milliseconds=250)),
        ("10s", timedelta(seconds=10)),
        ("5m", timedelta(minutes=5)),
        ("2h", timedelta(hours=2)),
        ("1d", timedelta(days=1)),
        ("1h30m", timedelta(minutes=90)),
        ("1d2h3m4s5ms", timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=5)),
        ("1m5ms", timedelta(minutes=1, milliseconds=5)),
        ("90m", timedelta(minutes=90)),
        ("007s", timedelta(seconds=7)),
        ("0s", timedelta(0)),
        ("3653d", LONGEST_SPAN),
    ],
)
def test_a_text_of_whole_numbers_and_descending_units_is_a_span(text: str, expected: timedelta) -> None:
    assert parse_span(text) == expected


@pytest.mark.parametrize("span", [timedelta(0), timedelta(microseconds=1), timedelta(days=3), LONGEST_SPAN])
def test_a_timedelta_is_taken_as_it_is(span: timedelta) -> None:
    assert parse_span(span) == span


@pytest.mark.parametrize("number", [0, 10, -1, 1.5, float("nan"), "10", "-10", "1.5", " 10 ", ".5"])
def test_a_bare_number_is_refused_with_what_to_write(number: object) -> None:
    with pytest.raises(ValidationError, match=r"bare number.*write '10s' or timedelta\(seconds=10\)"):
        parse_span(number)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("span", ["-5m", "-1h30m", timedelta(seconds=-1), timedelta(microseconds=-1)])
def test_a_negative_span_is_refused_as_negative(span: str | timedelta) -> None:
    with pytest.raises(ValidationError, match="is negative"):
        parse_span(span)


@pytest.mark.parametrize("span", ["3654d", "87673h", "9" * 40 + "s", LONGEST_SPAN + timedelta(microseconds=1)])
def test_a_span_above_ten_years_is_refused(span: str | timedelta) -> None:
    with pytest.raises(ValidationError, match="longer than 10 years"):
        parse_span(span)


@pytest.mark.parametrize("text", ["1.5h", "30m1h", "1h1h", "1h 30m", "10 s", "10S", "+5m", "10sec", "2 weeks", "1y"])
def test_a_text_that_nearly_is_a_span_is_shown_with_the_form_to_write(text: str) -> None:
    with pytest.raises(ValidationError, match="each once and in this order") as refused:
        parse_span(text)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
    "text", ["", "s", "hunter2", "card 4111111111111111", "10s of secrets", "10s\n", "\u0661\u0660s", "a" * 100_000]
)
def test_any_other_text_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValidationError, match="says no duration") as refused:
        parse_span(text)
    assert len(str(refused.value)) < 200
    assert not text or text == "s" or text not in str(refused.value)


@pytest.mark.parametrize("value", [None, True, b"10s", ["10s"], {"password": "hunter2"}, datetime(2026, 1, 1)])
def test_any_other_value_is_refused_by_its_type_without_being_shown(value: object) -> None:
    with pytest.raises(ValidationError, match=f"not {type(value).__name__}") as refused:
        parse_span(value)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert "hunter2" not in str(refused.value)


def test_a_message_begins_with_what_the_span_is() -> None:
    with pytest.raises(ValidationError, match=r"^the lease is a bare number"):
        parse_span("10", what="the lease")


@given(st.integers(min_value=0, max_value=LONGEST_SPAN // timedelta(milliseconds=1)))
@settings(deadline=None)
def test_a_formatted_span_is_read_back_the_same(millis: int) -> None:
    span = from_millis(millis)
    assert parse_span(format_span(span)) == span
    assert to_millis(span) == millis


@pytest.mark.parametrize(
    ("span", "text"),
    [(timedelta(0), "0s"), (timedelta(minutes=90), "1h30m"), (timedelta(days=1, milliseconds=1), "1d1ms")],
)
def test_a_span_is_formatted_in_its_greatest_units(span: timedelta, text: str) -> None:
    assert format_span(span) == text


def test_milliseconds_are_rounded_up() -> None:
    assert to_millis(timedelta(microseconds=1)) == 1
    assert to_millis(timedelta(microseconds=1000)) == 1
    assert to_millis(timedelta(microseconds=1001)) == 2
    assert instant_to_millis(datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)) == 1


def test_an_instant_is_the_same_from_every_zone_and_comes_back_in_utc() -> None:
    in_berlin = datetime(2026, 7, 1, 14, 30, tzinfo=ZoneInfo("Europe/Berlin"))

    back = millis_to_instant(instant_to_millis(in_berlin))

    assert back == in_berlin
    assert back.tzinfo is UTC


def test_a_repeated_hour_has_two_instants() -> None:
    first = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))

    assert instant_to_millis(first.replace(fold=1)) - instant_to_millis(first) == 3_600_000


def test_a_naive_datetime_is_refused_with_advice() -> None:
    with pytest.raises(ValidationError, match=r"no time zone: write datetime\.now\(UTC\)"):
        instant_to_millis(datetime(2026, 1, 1))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("10m", (600_000, None)),
        (timedelta(seconds=1.5), (1500, None)),
        ("0s", (0, None)),
        (datetime(1970, 1, 2, tzinfo=UTC), (None, 86_400_000)),
        (datetime(1969, 1, 1, tzinfo=UTC), (None, 0)),
    ],
)
def test_a_delay_is_a_span_from_now_or_an_instant(
    value: str | timedelta | datetime, expected: tuple[int | None, int | None]
) -> None:
    assert parse_delay(value) == Delay(*expected)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "value", ["hunter2", "", "a" * 1000, {"to": "a@example.com"}, None, 10, 1.5, True, b"10m", ("10m", "hunter2")]
)
def test_an_input_in_the_place_of_the_delay_is_named_by_its_type_alone(value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        parse_delay(value)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert str(refused.value) == (
        "delay() takes the delay first, as '10m', a timedelta or an aware datetime; "
        f"got {type(value).__name__}. To run as soon as possible call enqueue()."
    )


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("10", "the delay is a bare number"),
        ("-10m", "the delay is negative"),
        ("11 years", "the delay cannot be read from '11 years'"),
        (timedelta(days=5000), "the delay is longer than 10 years"),
        (datetime(2026, 1, 1), "the delay's datetime must be an aware datetime"),
        (datetime(2300, 1, 1, tzinfo=UTC), "after the year 2199"),
    ],
)
def test_a_delay_that_was_meant_as_one_is_refused_with_its_own_reason(
    value: str | timedelta | datetime, why: str
) -> None:
    with pytest.raises(ValidationError, match=why):
        parse_delay(value)


@pytest.mark.parametrize(
    ("value", "seconds"), [(None, None), (5, 5.0), (0, 0.0), (0.25, 0.25), ("1m", 60.0), (timedelta(hours=1), 3600.0)]
)
def test_a_timeout_takes_a_number_as_seconds(value: str | timedelta | float | None, seconds: float | None) -> None:
    assert parse_timeout(value) == seconds


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (-1, "zero or more seconds"),
        (float("nan"), "zero or more seconds"),
        (float("inf"), "without a bound write None"),
        (1e9, "longer than 10 years"),
        ("10", "bare number"),
        (timedelta(seconds=-1), "negative"),
        (True, "not bool"),
        (b"10", "not bytes"),
    ],
)
def test_a_timeout_that_cannot_be_waited_for_is_refused(value: object, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        parse_timeout(value)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
