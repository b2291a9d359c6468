"""Spans and instants, as users write them and as stores keep them. It refuses to know what is waited for.

A span is a text such as ``"1h30m"`` or a `timedelta`, never a bare number. A message echoes a text only where it is
made of numbers and words for units: whatever else stands in the place of a span may be somebody's payload.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from flowli.driver import Millis
from flowli.errors import ValidationError

__all__ = [
    "LONGEST_SPAN",
    "Delay",
    "format_span",
    "from_millis",
    "instant_to_millis",
    "millis_to_instant",
    "parse_delay",
    "parse_span",
    "parse_timeout",
    "to_millis",
]

LONGEST_SPAN = timedelta(days=3653)
"""Ten years: longer spans are refused as mistakes."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_DUE = datetime(2200, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MOST_CHARACTERS = 64

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_SPAN = re.compile("".join(f"(?:([0-9]+){unit})?" for unit in _UNITS))
_BARE_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)\s*")
_WORDS = "ms|millis(?:econds?)?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?|months?|y|years?"
_SPAN_LIKE = re.compile(rf"[+-]?(?:\s?[+-]?[0-9]+(?:[.,][0-9]+)?\s?(?:{_WORDS}))+", re.IGNORECASE | re.ASCII)


class Delay(NamedTuple):
    """When a delayed job is ready. One of both is set: ``delay`` counts from the store's clock, ``due`` is absolute."""

    delay: Millis | None = None
    due: Millis | None = None


def parse_span(value: str | timedelta, *, what: str = "a duration") -> timedelta:
    """The span that ``value`` says: ``"250ms"``, ``"10s"``, ``"5m"``, ``"2h"``, ``"1d"``, ``"1h30m"`` or a timedelta.

    ``what`` begins the message of the ValidationError that a bare number, a negative span, one above ten years or
    anything else raises.
    """
    return _read_span(value, what)


def format_span(span: timedelta) -> str:
    """The text that `parse_span` reads as the same span: ``"1h30m"``. What is below a millisecond is rounded up."""
    left = int(to_millis(span))
    text = ""
    for unit, size in _UNITS.items():
        number, left = divmod(left, size)
        text += f"{number}{unit}" if number else ""
    return text or "0s"


def to_millis(span: timedelta) -> Millis:
    """Whole milliseconds, rounded up: what waits for a span never waits less."""
    return Millis(-(-span // _MILLISECOND))


def from_millis(millis: int) -> timedelta:
    """The span of so many milliseconds."""
    return timedelta(milliseconds=millis)


def instant_to_millis(instant: datetime, *, what: str = "an instant") -> Millis:
    """Milliseconds since the epoch, rounded up. A naive datetime raises ValidationError: nobody can say when it is."""
    if instant.utcoffset() is None:
        raise ValidationError(
            f"{what} must be an aware datetime, and this one has no time zone: write "
            "datetime.now(UTC) + ..., or datetime(..., tzinfo=ZoneInfo('Europe/Berlin'))."
        )
    return to_millis(instant - _EPOCH)


def millis_to_instant(millis: int) -> datetime:
    """The aware datetime, in UTC, of so many milliseconds since the epoch."""
    return _EPOCH + timedelta(milliseconds=millis)


def parse_delay(value: str | timedelta | datetime) -> Delay:
    """What the first argument of ``delay()`` says. An instant in the past is due at once.

    Anything but a span or an aware datetime raises ValidationError, which names the type alone: it may be the input.
    """
    return _read_delay(value)


def parse_timeout(value: str | timedelta | float | None, *, what: str = "timeout") -> float | None:
    """Seconds to wait, None for no bound. Here alone a number is taken, as seconds."""
    if value is None:
        return None
    if isinstance(value, str | timedelta):
        return parse_span(value, what=what).total_seconds()
    return _read_seconds(value, what)


def _read_span(value: object, what: str) -> timedelta:
    if isinstance(value, timedelta):
        return _bounded(value, what)
    if isinstance(value, str):
        return _parse_text(value, what)
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise _bare_number(what)
    raise ValidationError(f"{what} must be a str such as '10s' or a timedelta, not {type(value).__name__}.")


def _read_delay(value: object) -> Delay:
    if isinstance(value, datetime):
        return Delay(due=_parse_due(value))
    if isinstance(value, timedelta) or (isinstance(value, str) and _means_a_span(value)):
        return Delay(delay=to_millis(_read_span(value, "the delay")))
    raise ValidationError(
        "delay() takes the delay first, as '10m', a timedelta or an aware datetime; "
        f"got {type(value).__name__}. To run as soon as possible call enqueue()."
    )


def _read_seconds(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValidationError(
            f"{what} must be seconds, a str such as '10s', or a timedelta; not {type(value).__name__}."
        )
    if not 0 <= value < math.inf:
        raise ValidationError(f"{what} must be zero or more seconds; to wait without a bound write None.")
    if value > LONGEST_SPAN.total_seconds():
        raise _too_long(what)
    return float(value)


def _means_a_span(text: str) -> bool:
    if len(text) > _MOST_CHARACTERS:
        return False
    return bool(_SPAN_LIKE.fullmatch(text) or _BARE_NUMBER.fullmatch(text))


def _parse_text(text: str, what: str) -> timedelta:
    short = text if len(text) <= _MOST_CHARACTERS else ""
    if _BARE_NUMBER.fullmatch(short):
        raise _bare_number(what)
    found = _SPAN.fullmatch(short) if short else None
    if found is None:
        raise _not_a_span(short, what)
    millis = sum(int(number) * size for number, size in zip(found.groups("0"), _UNITS.values(), strict=True))
    if millis > LONGEST_SPAN // _MILLISECOND:
        raise _too_long(what)
    return timedelta(milliseconds=millis)


def _parse_due(instant: datetime) -> Millis:
    due = instant_to_millis(instant, what="the delay's datetime")
    if instant > _LAST_DUE:
        raise ValidationError("the delay's datetime lies after the year 2199: write an earlier one.")
    return Millis(max(0, due))


def _bounded(span: timedelta, what: str) -> timedelta:
    if span < timedelta(0):
        raise _negative(what)
    if span > LONGEST_SPAN:
        raise _too_long(what)
    return span


def _bare_number(what: str) -> ValidationError:
    return ValidationError(f"{what} is a bare number, which has no unit: write '10s' or timedelta(seconds=10).")


def _negative(what: str) -> ValidationError:
    return ValidationError(f"{what} is negative, and nothing can wait less than nothing: write '0s' or more.")


def _too_long(what: str) -> ValidationError:
    return ValidationError(f"{what} is longer than 10 years (3653 days): write a shorter one.")


def _not_a_span(text: str, what: str) -> ValidationError:
    if not _SPAN_LIKE.fullmatch(text):
        return ValidationError(f"{what} is a str that says no duration: write '250ms', '10s', '1h30m' or a timedelta.")
    if text.startswith("-"):
        return _negative(what)
    return ValidationError(
        f"{what} cannot be read from {text!r}: write whole numbers and the units d, h, m, s and ms, each once and in "
        "this order, without spaces, as in '1h30m'; or a timedelta."
    )
