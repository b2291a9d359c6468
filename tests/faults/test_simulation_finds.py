"""What the simulation is worth: defects that are put into core or the store, each of which some seed has to find."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from flowli.driver import Change, Lease, Millis, Settled, Settlement
from flowli.leases import Leases
from flowli.retrying import Retries
from flowli.settle import Case, Verdict, fail
from flowli_memory.leases import settle
from flowli_memory.schedules import Book
from flowli_memory.store import Store
from tests.faults.simulation.invariants import violations
from tests.faults.simulation.loop import Stuck
from tests.faults.simulation.world import simulate

_MOST_SEEDS = 200


def _shutdowns_count_as_failures(patch: pytest.MonkeyPatch) -> None:
    def release(case: Case) -> Verdict:
        return fail(case, RuntimeError("the runner was stopped"), lambda: 0.5, case.started_at, Retries())

    patch.setattr("flowli.attempts.release", release)


def _leases_are_kept_beyond_their_end(patch: pytest.MonkeyPatch) -> None:
    def is_late(leases: Leases, ends_at: float) -> bool:
        return False

    patch.setattr(Leases, "is_late", is_late)


def _leases_are_not_renewed(patch: pytest.MonkeyPatch) -> None:
    async def look_away(leases: Leases) -> None: ...

    def let_go(leases: Leases) -> None: ...

    patch.setattr(Leases, "_renew_or_look", look_away)
    patch.setattr(Leases, "_fence", let_go)


def _tokens_are_not_compared(patch: pytest.MonkeyPatch) -> None:
    def settle_anyway(store: Store, settlements: Sequence[Settlement], now: Millis) -> Sequence[Settled]:
        jobs = [store.find(one.id, now) for one in settlements]
        forged = [
            one if job is None else one._replace(token=job.token) for one, job in zip(settlements, jobs, strict=True)
        ]
        return settle(store, forged, now)

    patch.setattr("flowli_memory.claims.settle", settle_anyway)


def _schedules_are_not_compared(patch: pytest.MonkeyPatch) -> None:
    compare = Book.apply

    def apply(book: Book, change: Change) -> bool:
        stands = book.get(change.key)
        return compare(book, replace(change, expected=0 if stands is None else stands.version))

    patch.setattr(Book, "apply", apply)


def _lapsed_leases_are_left_lying(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("flowli_memory.claims._RECOVERED", 0)


def _poison_is_delivered_for_ever(patch: pytest.MonkeyPatch) -> None:
    class Forgetful(Lease):
        """Counts no lost runner."""

        def __getattribute__(self, name: str) -> object:
            return 0 if name == "deliveries" else super().__getattribute__(name)

    patch.setattr("flowli_memory.claims.Lease", Forgetful)


@pytest.mark.parametrize(
    ("defect", "invariant"),
    [
        (_shutdowns_count_as_failures, "I12"),
        (_leases_are_kept_beyond_their_end, "I5"),
        (_leases_are_not_renewed, "I5"),
        (_tokens_are_not_compared, "I"),
        (_schedules_are_not_compared, "I9"),
        (_lapsed_leases_are_left_lying, "I1"),
        (_poison_is_delivered_for_ever, "I12"),
    ],
)
def test_a_defect_is_found(
    defect: Callable[[pytest.MonkeyPatch], None], invariant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    defect(monkeypatch)
    seeds = range(_MOST_SEEDS)
    assert any(_finds(seed, invariant) for seed in seeds), f"no seed below {_MOST_SEEDS} finds it"


def _finds(seed: int, invariant: str) -> bool:
    try:
        return any(text.startswith(invariant) for text in violations(simulate(seed)))
    except Stuck:
        return True
