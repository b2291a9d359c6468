"""The states of a record and every legal change of them, as one table. Core alone reads it; a driver is told the next
state.

It refuses to know why a change happens (`flowli.settle`) and how it is written (`flowli.driver`).
"""

from __future__ import annotations

from enum import Enum

from flowli.driver import State

__all__ = ["MOVES", "Move", "after"]


class Move(Enum):
    """What happens to a record."""

    CLAIM = "claim"
    COMPLETE = "complete"
    RETRY = "retry"
    SNOOZE = "snooze"
    PARK = "park"
    FAIL = "fail"
    CANCEL = "cancel"
    RELEASE = "release"
    LAPSE = "lapse"
    PROMOTE = "promote"
    REPLAY = "replay"


MOVES: dict[tuple[State, Move], State] = {
    (State.SCHEDULED, Move.PROMOTE): State.QUEUED,
    (State.SCHEDULED, Move.CANCEL): State.CANCELLED,
    (State.QUEUED, Move.CLAIM): State.ACTIVE,
    (State.QUEUED, Move.CANCEL): State.CANCELLED,
    (State.ACTIVE, Move.COMPLETE): State.COMPLETED,
    (State.ACTIVE, Move.RETRY): State.SCHEDULED,
    (State.ACTIVE, Move.SNOOZE): State.SCHEDULED,
    (State.ACTIVE, Move.PARK): State.SCHEDULED,
    (State.ACTIVE, Move.FAIL): State.FAILED,
    (State.ACTIVE, Move.CANCEL): State.CANCELLED,
    (State.ACTIVE, Move.RELEASE): State.QUEUED,
    (State.ACTIVE, Move.LAPSE): State.QUEUED,
    (State.COMPLETED, Move.REPLAY): State.QUEUED,
    (State.FAILED, Move.REPLAY): State.QUEUED,
    (State.CANCELLED, Move.REPLAY): State.QUEUED,
}
"""A pair that is not here never happens. A record is born SCHEDULED or QUEUED; COMPLETED, FAILED and CANCELLED are
ends, unless an operator replays it (SCHEDULED where that is to wait)."""


def after(state: State, move: Move) -> State:
    """The state that follows; LookupError for an illegal move."""
    return MOVES[state, move]
