"""Which failures are worth another attempt: exception types, and a function that has the first word.

It knows exceptions and how many came before. It refuses to know waits (`flowli.backoff`) and what is written
(`flowli.settle`).
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple, TypeAlias

from flowli.durations import parse_span
from flowli.errors import ValidationError

__all__ = ["Failures", "Retries", "RetryWhen", "check_failures", "check_retry_when"]

Failures: TypeAlias = type[BaseException] | tuple[type[BaseException], ...]
"""Exception classes, as ``except`` takes them: one, or a tuple."""

RetryWhen: TypeAlias = Callable[[BaseException, int], bool | str | timedelta | None]
"""Gets the exception and the number of this failure, from 1. True: again, after the backoff; a span: again, after it;
False: never; None: no opinion. It is called in the runner's event loop, and must not block."""

_logger = logging.getLogger("flowli.runner")


class Retries(NamedTuple):
    """What decides on another attempt, in this order: ``retry_when``, ``give_up_on``, ``retry_on``."""

    retry_on: tuple[type[BaseException], ...] = (BaseException,)
    give_up_on: tuple[type[BaseException], ...] = ()
    retry_when: RetryWhen | None = None

    def rule(self, error: BaseException, failures: int) -> bool | timedelta:
        """Whether to try again after this failure, or the wait to do so after."""
        opinion = None if self.retry_when is None else _ask(self.retry_when, error, failures)
        if opinion is not None:
            return opinion
        return isinstance(error, self.retry_on) and not isinstance(error, self.give_up_on)


def _ask(retry_when: RetryWhen, error: BaseException, failures: int) -> bool | timedelta | None:
    """What the function says; nothing where it fails itself, so that the job does not hang on it."""
    try:
        opinion = retry_when(error, failures)
        if opinion is None or isinstance(opinion, bool):
            return opinion
        return parse_span(opinion, what="what retry_when returns")
    except Exception as exc:
        _logger.error(  # no text: it may hold what the handler's exception held
            "retry_when of a job failed with %s, and is not heard: it returns True, False, None or a duration",
            type(exc).__qualname__,
        )
        return None


def check_failures(name: str, value: Any) -> tuple[type[BaseException], ...]:
    """Exception classes as a tuple; ValidationError for anything else."""
    kinds: list[Any] = [*value] if isinstance(value, tuple) else [value]
    if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
        raise ValidationError(f"{name} is an exception class or a tuple of them, such as (ConnectionError, OSError).")
    return tuple(kinds)


def check_retry_when(name: str, value: Any) -> RetryWhen | None:
    """The function, or None; ValidationError for what cannot be called at once."""
    found: RetryWhen | None = value
    if value is not None and (not callable(value) or inspect.iscoroutinefunction(value)):
        raise ValidationError(f"{name} is a plain function of the exception and the number of the failure.")
    return found
