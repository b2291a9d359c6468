"""The table of moves: what is not in it raises, and what is over stays over."""

from __future__ import annotations

from itertools import product

import pytest

from flowli.driver import State
from flowli.lifecycle import MOVES, Move, after

LEGAL = {
    "scheduled": {"promote": "queued", "cancel": "cancelled"},
    "queued": {"claim": "active", "cancel": "cancelled"},
    "active": {
        "complete": "completed",
        "retry": "scheduled",
        "snooze": "scheduled",
        "park": "scheduled",
        "fail": "failed",
        "cancel": "cancelled",
        "release": "queued",
        "lapse": "queued",
    },
    "completed": {"replay": "queued"},
    "failed": {"replay": "queued"},
    "cancelled": {"replay": "queued"},
}


def expected(state: State, move: Move) -> str | None:
    return LEGAL[state].get(move.value)


@pytest.mark.parametrize(("state", "move"), list(product(State, Move)))
def test_a_move_is_legal_exactly_where_it_is_listed(state: State, move: Move) -> None:
    wanted = expected(state, move)

    if wanted is None:
        with pytest.raises(LookupError):
            after(state, move)
    else:
        assert after(state, move) == wanted


@pytest.mark.parametrize("state", State)
def test_a_state_is_terminal_exactly_where_only_an_operator_leads_out_of_it(state: State) -> None:
    assert state.is_terminal == ({move for known, move in MOVES if known is state} == {Move.REPLAY})


def test_every_state_is_reached_and_every_move_is_used() -> None:
    assert set(MOVES.values()) == set(State)
    assert {move for _, move in MOVES} == set(Move)


def test_the_states_are_the_words_of_the_documentation() -> None:
    assert [str(state) for state in State] == ["scheduled", "queued", "active", "completed", "failed", "cancelled"]
