"""Knows what the last turn of each sender was answered. Refuses to know what a turn is about."""

from __future__ import annotations

from typing import Generic, TypeVar

from flowli.driver import Turn

__all__ = ["Turns"]

T = TypeVar("T")

_KEPT_FOR = 600_000


class Turns(Generic[T]):
    """The answer to the last turn of each sender, for ten minutes."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, int, T]] = {}

    def answer(self, turn: Turn, now: int) -> T | None:
        """What this very turn was answered, if it was the last of its sender."""
        number, until, answer = self._last.get(turn.sender, (None, 0, None))
        return answer if number == turn.number and now < until else None

    def is_past(self, turn: Turn, now: int) -> bool:
        """Whether its sender has gone on to a later turn, so that nobody waits for the answer to this one."""
        number, until, _ = self._last.get(turn.sender, (turn.number, 0, None))
        return number > turn.number and now < until

    def remember(self, turn: Turn, answer: T, now: int) -> None:
        """Keep an answer, and forget those whose time has passed."""
        last = self._last
        last.pop(turn.sender, None)
        last[turn.sender] = (turn.number, now + _KEPT_FOR, answer)
        while last:
            sender = next(iter(last))
            if last[sender][1] > now:
                break
            del last[sender]
