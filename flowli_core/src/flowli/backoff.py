"""How long to wait before a retry, as arithmetic. It refuses to know jobs, clocks and where its numbers are stored."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, TypeAlias

from flowli.durations import LONGEST_SPAN, format_span, from_millis, parse_span, to_millis
from flowli.errors import DefinitionError, ValidationError

__all__ = ["Backoff", "WireBackoff"]

WireBackoff: TypeAlias = tuple[str, int, int | None, float, float]
"""``"e"`` or ``"f"``, first wait and longest wait in milliseconds, least and greatest jitter ratio."""

_LETTERS = {"exponential": "e", "fixed": "f"}
_DEFAULT_RATIOS = (0.5, 1.0)
_MOST_DOUBLINGS = 40
"""A millisecond doubled so often is 34 years, above every cap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """The wait before each retry. Two that wait alike are equal, however they were written.

    ``exponential`` waits ``delay``, then twice as long after each further failure; ``fixed`` always waits ``delay``.
    The wait is capped at ``max_delay`` (None: at ten years), multiplied by a ratio drawn from ``jitter``, and capped
    again. ``jitter`` is True for a ratio from 0.5 to 1, False for none, or the two ends of a range of one's own. What
    cannot be meant raises DefinitionError.
    """

    type: Literal["exponential", "fixed"] = field(default="exponential", compare=False)
    delay: str | timedelta = field(default="1s", compare=False)
    max_delay: str | timedelta | None = field(default="10m", compare=False)
    jitter: bool | tuple[float, float] = field(default=True, compare=False)
    _wire: WireBackoff = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.type not in tuple(_LETTERS):
            raise DefinitionError("Backoff.type must be 'exponential' or 'fixed'.")
        first = _millis(self.delay, "Backoff.delay")
        longest = None if self.max_delay is None else _millis(self.max_delay, "Backoff.max_delay")
        if longest is not None and longest < first:
            raise DefinitionError(
                f"Backoff.delay is {format_span(from_millis(first))}, longer than Backoff.max_delay, which is "
                f"{format_span(from_millis(longest))}: write a longer max_delay, or max_delay=None for no cap."
            )
        object.__setattr__(self, "_wire", (_LETTERS[self.type], first, longest, *_ratios(self.jitter)))

    def wait(self, failures: int, random: Callable[[], float]) -> timedelta:
        """The wait after so many failures, in whole milliseconds. ``random`` draws a number from 0 up to 1."""
        letter, first, longest, least, greatest = self._wire
        cap = to_millis(LONGEST_SPAN) if longest is None else longest
        doublings = min(max(failures, 1) - 1, _MOST_DOUBLINGS) if letter == "e" else 0
        ratio = least + (greatest - least) * random()
        return from_millis(math.ceil(min(min(first << doublings, cap) * ratio, cap)))

    def to_wire(self) -> WireBackoff:
        """Five JSON scalars, the same for Backoffs that are equal."""
        return self._wire

    @staticmethod
    def from_wire(wire: Sequence[object]) -> Backoff:
        """The Backoff that `to_wire` wrote. What it could not have written raises ValidationError."""
        match wire:
            case [
                str(letter),
                int(first),
                int() | None as longest,
                int() | float() as low,
                int() | float() as high,
            ] if letter in _LETTERS.values():
                return _restored(letter, first, longest, (low, high))
            case _:
                raise ValidationError("a stored backoff must be a letter, e or f, two waits in ms and two ratios.")


def _restored(letter: str, first: int, longest: int | None, ratios: tuple[float, float]) -> Backoff:
    try:
        return Backoff(
            type="exponential" if letter == "e" else "fixed",
            delay=from_millis(first),
            max_delay=None if longest is None else from_millis(longest),
            jitter=ratios,
        )
    except (DefinitionError, OverflowError) as error:
        raise ValidationError(f"a stored backoff is out of bounds: {error}") from None


def _millis(span: str | timedelta, what: str) -> int:
    try:
        return to_millis(parse_span(span, what=what))
    except ValidationError as error:
        raise DefinitionError(str(error)) from None


def _ratios(jitter: object) -> tuple[float, float]:
    match jitter:
        case True:
            return _DEFAULT_RATIOS
        case False:
            return (1.0, 1.0)
        case (int() | float() as low, int() | float() as high) if 0 <= low <= high < math.inf:
            return (float(low), float(high))
        case _:
            raise DefinitionError(
                "Backoff.jitter must be True, False, or the least and the greatest ratio, as in (0.5, 1.5)."
            )
