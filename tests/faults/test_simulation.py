"""M2: the runner on a virtual loop, its lines and its processes in trouble, seed by seed.

Of a seed that fails the history is shown; ``python -m tests.faults.simulation SEED`` plays it again.
"""

from __future__ import annotations

import os

import pytest

from flowli.driver import State
from tests.faults.simulation.invariants import violations
from tests.faults.simulation.world import simulate

_SEEDS = 5_000 if os.environ.get("FLOWLI_PROFILE") == "nightly" else 240
_AT_ONCE = 40
_SHOWN = 60


def _wrong(seed: int) -> str:
    """What is wrong with a seed, and how it came; empty for a good one."""
    account = simulate(seed)
    found = violations(account)
    return "\n".join([f"seed {seed}", *found, *account.history.notes[-_SHOWN:]]) if found else ""


@pytest.mark.quick
@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, _SEEDS, _AT_ONCE))
def test_no_seed_breaks_an_invariant(first: int) -> None:
    wrong = [text for seed in range(first, first + _AT_ONCE) if (text := _wrong(seed))]
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.quick
def test_a_seed_plays_the_same_each_time_and_another_one_does_not() -> None:
    first, again, other = simulate(11), simulate(11), simulate(12)
    assert first.history.notes == again.history.notes
    assert first.history.notes != other.history.notes


@pytest.mark.quick
def test_the_seeds_meet_what_they_are_for() -> None:
    """Every kind of trouble and every end of a job comes up; else the invariants would hold of nothing."""
    histories = [simulate(seed).history for seed in range(60)]
    notes = "\n".join(note for history in histories for note in history.notes)
    for trouble in ("killed", "paused", "cancelled", "asked to stop", "is away", "lost", "refused", "broken", "unsure"):
        assert notes.count(trouble) > 5, trouble
    written = [one for history in histories for one in history.written]
    for state in (State.COMPLETED, State.FAILED, State.CANCELLED, State.SCHEDULED, State.QUEUED):
        assert sum(one.state is state for one in written) > 5, state
    assert sum(sum(history.lapses.values()) for history in histories) > 20
    assert sum(len(history.fired) for history in histories) > 100
