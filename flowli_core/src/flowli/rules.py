"""When the instants of a schedule make jobs: its bounds, its jitter, and what becomes of missed and overlapping ones.

It knows names, bounds and defaults. It refuses to know the row of instants (`flowli.cron`), and clocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from flowli.driver import Millis
from flowli.durations import instant_to_millis, parse_span, to_millis
from flowli.errors import ValidationError
from flowli.options import CallOptions, Span

__all__ = ["EVERY_INSTANT", "GRACE_MS", "Misfire", "Overlap", "Rules", "ScheduleOptions", "take_rules"]

Misfire: TypeAlias = Literal["skip", "once", "all"]
"""What becomes of instants that came while nobody could fire them: none, one job for the latest, or one for each."""

Overlap: TypeAlias = Literal["allow", "skip", "queue"]
"""What becomes of an instant that comes while the schedule's last job is not settled: a job beside it, none, or one
after it."""

GRACE_MS = 60_000
"""An instant that is fired later than this is a missed one to the policy ``skip``."""

_MOST_RUNS = 1_000_000_000
_MOST_MISSED = 500


class ScheduleOptions(CallOptions, total=False):
    """What ``schedule`` may say beside the options of the jobs that it makes."""

    jitter: Span
    """Each job is due up to this long after its instant; for one instant always the same."""
    start: datetime
    """No instant before this one, aware; an interval begins with it."""
    end: datetime
    """No instant after this one, aware."""
    limit: int
    """How many jobs the schedule makes before it ends."""
    misfire: Misfire
    """``"once"`` by default. ``"skip"`` leaves out what is fired more than a minute late."""
    misfire_cap: int
    """How many of the missed instants, the latest ones, ``"all"`` makes up for; 100 by default, 500 at most."""
    overlap: Overlap
    """``"allow"`` by default. What ``"queue"`` keeps waiting is looked at each second, and bounded by the cap."""


class Rules(NamedTuple):
    """Checked rules; instants and spans in milliseconds."""

    jitter: Millis = Millis(0)
    start: Millis | None = None
    end: Millis | None = None
    limit: int | None = None
    misfire: Misfire = "once"
    misfire_cap: int = 100
    overlap: Overlap = "allow"


EVERY_INSTANT = Rules()
"""The rules of a schedule that names none. What a stored schedule leaves out has these values."""


def take_rules(given: Mapping[str, Any]) -> tuple[Rules, dict[str, Any]]:
    """The rules among the options of a call, and the other options. ValidationError for what is out of bounds."""
    rest, values = dict(given), dict[str, Any]()
    for name, check in _CHECKS.items():
        if name in rest:
            values[name] = check(name, rest.pop(name))
    rules = EVERY_INSTANT._replace(**values)
    if rules.start is not None and rules.end is not None and rules.end < rules.start:
        raise ValidationError("end= lies before start=, so that no instant is left. Exchange them.")
    return rules, rest


def _span(name: str, value: Any) -> Millis:
    return to_millis(parse_span(value, what=name))


def _instant(name: str, value: object) -> Millis:
    if not isinstance(value, datetime):
        raise ValidationError(f"{name} is an aware datetime, not {type(value).__name__}.")
    return instant_to_millis(value, what=name)


def _number(most: int) -> Callable[[str, object], int]:
    def check(name: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            shown = repr(value) if isinstance(value, int) else type(value).__name__
            raise ValidationError(f"{name} is a whole number from 1 to {most}; got {shown}.")
        return value

    return check


def _one_of(choices: tuple[str, ...]) -> Callable[[str, object], str]:
    def check(name: str, value: object) -> str:
        if value not in choices:
            raise ValidationError(f"{name} is one of {', '.join(choices)}.")
        return str(value)

    return check


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "jitter": _span,
    "start": _instant,
    "end": _instant,
    "limit": _number(_MOST_RUNS),
    "misfire": _one_of(get_args(Misfire)),
    "misfire_cap": _number(_MOST_MISSED),
    "overlap": _one_of(get_args(Overlap)),
}
