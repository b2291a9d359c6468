"""How a job may be executed: the options of a call over those of its job over those of its runtime.

It knows names, bounds and precedence. It refuses to know how an option is stored (`flowli.wire`) or obeyed
(`flowli.runner`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, NamedTuple

from typing_extensions import TypedDict

from flowli.backoff import Backoff
from flowli.driver import Millis
from flowli.durations import parse_span, to_millis
from flowli.errors import ValidationError
from flowli.ids import check_name
from flowli.retrying import Failures, Retries, RetryWhen, check_failures, check_retry_when
from flowli.unique import Unique

__all__ = ["BUILT_IN", "CallOptions", "Defaults", "JobOptions", "Options", "Span", "resolve", "resolve_call"]

Span = timedelta | str
"""A duration: ``timedelta`` or text such as ``"250ms"``, ``"10s"``, ``"1h30m"``. Bare numbers are refused."""

_MOST_ATTEMPTS = 10_000
_MOST_PRIORITY = 9


class CallOptions(TypedDict, total=False):
    """What every persisting call may say of its job; it wins over the job's and the runtime's own."""

    id: str
    """The job's identity, 1 to 200 bytes. The same id again is the existing job, for as long as its record is kept."""
    queue: str
    priority: int
    """0 to 9, greater first."""
    max_attempts: int
    """How many failures end the job."""
    backoff: Backoff
    timeout: Span
    """Of one attempt."""
    heartbeat: Span
    """How long an attempt may go on without a report of its progress."""
    result_ttl: Span
    """How long a completed job is kept; ``"0s"`` keeps nothing."""
    unique: Unique | None
    """Under which key, for how long and how this call is the same as another; None for not at all."""
    expires_in: Span
    """A job that was not started so long after it was ready is cancelled. It counts by the store's clock: from the
    call, from the end of a delay, from when its schedule was fired."""


class JobOptions(TypedDict, total=False):
    """What ``@job(...)`` may fix for every call of the job; the same keywords as `Defaults`."""

    max_attempts: int
    backoff: Backoff
    timeout: Span | None
    heartbeat: Span | None
    queue: str
    priority: int
    max_deliveries: int
    result_ttl: Span
    failed_ttl: Span
    unknown_ttl: Span
    expires_in: Span | None
    retry_on: Failures
    give_up_on: Failures
    retry_when: RetryWhen | None
    unique: Unique | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What a runtime assumes where neither the call nor the job says otherwise."""

    max_attempts: int = 1
    """How many failures end a job."""
    backoff: Backoff = field(default_factory=Backoff)
    """The wait before a retry."""
    timeout: Span | None = None
    """Of one attempt; None for no bound."""
    heartbeat: Span | None = None
    """How long an attempt may go on without a report of its progress; None for ever."""
    queue: str = "default"
    priority: int = 0
    """0 to 9, greater first."""
    max_deliveries: int = 5
    """How many crashes of a runner under the job end it as poison."""
    result_ttl: Span = "1h"
    """How long a completed or cancelled job is kept."""
    failed_ttl: Span = "7d"
    """How long a failed job is kept."""
    unknown_ttl: Span = "7d"
    """How long a job that no runner can read or knows is parked before it fails."""
    expires_in: Span | None = None
    """How long after it was ready a job may still be started; None for ever."""
    retry_on: Failures = BaseException
    """Failures of these kinds alone are retried; a time-out is a `JobTimeoutError`."""
    give_up_on: Failures = ()
    """Failures of these kinds never are."""
    retry_when: RetryWhen | None = None
    """Has the first word on each failure: True, False, a wait, or None for no opinion."""

    def __post_init__(self) -> None:
        resolve(BUILT_IN, self._given())

    def _given(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def resolved(self) -> Options:
        """These defaults in checked, machine form."""
        return resolve(BUILT_IN, self._given())


class Options(NamedTuple):
    """Resolved options of one job: every value checked, every span in milliseconds."""

    max_attempts: int
    backoff: Backoff
    timeout: Millis | None
    heartbeat: Millis | None
    queue: str
    priority: int
    max_deliveries: int
    result_ttl: Millis
    failed_ttl: Millis
    unknown_ttl: Millis
    expires_in: Millis | None
    retries: Retries
    """Of the definition: it cannot be stored, and a runner takes its own."""
    unique: Unique | None


_DAY = 86_400_000
BUILT_IN = Options(
    max_attempts=1,
    backoff=Backoff(),
    timeout=None,
    heartbeat=None,
    queue="default",
    priority=0,
    max_deliveries=5,
    result_ttl=Millis(3_600_000),
    failed_ttl=Millis(7 * _DAY),
    unknown_ttl=Millis(7 * _DAY),
    expires_in=None,
    retries=Retries(),
    unique=None,
)
"""`Defaults()` resolved. What a record leaves out of its head has these values, for as long as this format is read."""


def resolve(under: Options, given: Mapping[str, Any]) -> Options:
    """`under`, overridden by what `given` names. ValidationError for what is out of bounds or unknown."""
    if not given:
        return under
    values: dict[str, Any] = {}
    for name, value in given.items():
        check = _CHECKS.get(name)
        if check is None:
            raise ValidationError(f"There is no option {name!r}. Known options: {', '.join(sorted(_CHECKS))}.")
        values[name] = check(name, value)
    retries = {name: values.pop(name) for name in Retries._fields if name in values}
    if retries:
        values["retries"] = under.retries._replace(**retries)
    return under._replace(**values)


def resolve_call(under: Options, given: Mapping[str, Any]) -> Options:
    """As `resolve`, for the options of one call: what cannot be stored with a job is refused."""
    for name in Retries._fields:
        if name in given:
            raise ValidationError(f"{name} is of the definition: pass it to @job or Defaults. A call cannot store it.")
    return resolve(under, given)


def _integer(low: int, high: int) -> Any:
    def check(name: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValidationError(f"{name} is a whole number from {low} to {high}; got {_shown(value)}.")
        return value

    return check


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, int | float) else type(value).__name__


def _span(name: str, value: Any) -> Millis:
    return to_millis(parse_span(value, what=name))


def _bound(name: str, value: Any) -> Millis | None:
    if value is None:
        return None
    span = _span(name, value)
    if span == 0:
        raise ValidationError(f"{name} has to be longer than 0; leave it out for no bound.")
    return span


def _backoff(name: str, value: object) -> Backoff:
    if not isinstance(value, Backoff):
        raise ValidationError(f"{name} is a Backoff, such as Backoff(delay='2s'); got {type(value).__name__}.")
    return value


def _unique(name: str, value: object) -> Unique | None:
    if value is not None and not isinstance(value, Unique):
        raise ValidationError(f"{name} is a Unique, such as Unique('key', within='10m'); got {type(value).__name__}.")
    return value


def _queue(name: str, value: Any) -> str:
    return check_name(value, what=name)


_CHECKS: dict[str, Any] = {
    "max_attempts": _integer(1, _MOST_ATTEMPTS),
    "backoff": _backoff,
    "timeout": _bound,
    "heartbeat": _bound,
    "queue": _queue,
    "priority": _integer(0, _MOST_PRIORITY),
    "max_deliveries": _integer(1, _MOST_ATTEMPTS),
    "result_ttl": _span,
    "failed_ttl": _span,
    "unknown_ttl": _span,
    "expires_in": _bound,
    "retry_on": check_failures,
    "give_up_on": check_failures,
    "retry_when": check_retry_when,
    "unique": _unique,
}
