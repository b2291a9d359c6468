"""Sequences that once failed, be it on a driver that was broken on purpose, as the state machine printed them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flowli.driver import Millis, OnConflict, State, UniqueKey, Until
from flowli_conformance.model.machine import DriverMachine
from flowli_conformance.model.steps import Ending, Firing, Wish

__all__ = ["KEPT"]


def _a_lapse_that_is_forgotten(state: DriverMachine) -> None:
    state.enqueue(wishes=[Wish("a")], has_turn=False)
    state.claim(runner="one", queues=None, limit=1, lease_for=1)
    state.advance_to_what_comes(short_of=0)
    state.claim(runner="one", queues=None, limit=1, lease_for=1)
    state.settle(endings=[Ending(0, State.QUEUED)])
    state.claim(runner="two", queues=None, limit=1, lease_for=1)


def _a_repeat_that_takes_what_came_later(state: DriverMachine) -> None:
    state.enqueue(wishes=[Wish("a")], has_turn=False)
    state.claim(runner="one", queues=("mail",), limit=10, lease_for=1)
    state.enqueue(wishes=[Wish("b")], has_turn=False)
    state.claim_again(runner="one", looks_only=False)


def _a_late_settlement_of_a_job_whose_id_returned(state: DriverMachine) -> None:
    state.enqueue(wishes=[Wish("a")], has_turn=False)
    state.claim(runner="one", queues=None, limit=1, lease_for=1_000)
    state.settle(endings=[Ending(0)])
    state.enqueue(wishes=[Wish("a", "post")], has_turn=False)
    state.claim(runner="two", queues=None, limit=1, lease_for=1_000)
    state.settle(endings=[Ending(1, State.FAILED, keep_for=1_000)])


def _a_place_that_was_given_up(state: DriverMachine) -> None:
    state.enqueue(wishes=[Wish("a"), Wish("b")], has_turn=False)
    state.cancel(ids=["a"], has_memo=False, keep_for=0)
    state.enqueue(wishes=[Wish("a", priority=5)], has_turn=False)
    state.look_at_jobs(state=State.QUEUED, queue="mail")
    state.claim(runner="one", queues=("mail",), limit=10, lease_for=1_000)


def _an_id_that_comes_back_at_once(state: DriverMachine) -> None:
    state.begin(ids=["ж\x00", "a", "a{b}:c"])
    state.cancel(has_memo=True, ids=["a", "a{b}:c"], keep_for=0)
    state.enqueue_at_once(ids=["01JD8X7Q2N5V9ZC3KWB4T6YHRM", "A", "a{b}:c", "ж\x00"], queue="mail")
    state.advance(span=3)
    state.enqueue_at_once(ids=["A", "a{b}:c", "b"], queue="mail")
    state.look_at_jobs(queue=None, state=State.QUEUED)


def _a_purge_of_what_was_replayed(state: DriverMachine) -> None:
    state.enqueue(wishes=[Wish("a"), Wish("b", priority=5)], has_turn=False)
    state.claim(runner="one", queues=None, limit=10, lease_for=1_000)
    state.settle(endings=[Ending(0, State.FAILED, keep_for=60_000), Ending(1, State.FAILED, keep_for=60_000)])
    state.replay(ids=["a", "b"], ahead=0, edits=True, delay=0)
    state.replay_again()
    state.delete(ids=["a"], ahead=1)
    state.look_at_jobs(state=State.QUEUED, queue="mail")
    state.claim(runner="two", queues=None, limit=10, lease_for=1_000)
    state.replay_again()


def _a_schedule_that_fires_twice(state: DriverMachine) -> None:
    state.change_schedules(firings=[Firing("daily", next_run_at=0)])
    state.change_schedules(firings=[Firing("daily", jobs=(Wish("a"),)), Firing("daily", ahead=-1, jobs=(Wish("b"),))])
    state.aside(what="look", runner="one")


def _a_schedule_that_returns(state: DriverMachine) -> None:
    state.change_schedules(firings=[Firing("daily", next_run_at=0)])
    state.change_schedules(firings=[Firing("daily", delete=True), Firing("daily", next_run_at=0)])


def _two_leases_of_one_job_settled_in_one_call(state: DriverMachine) -> None:
    state.enqueue(wishes=[Wish("a")], has_turn=False)
    state.claim(runner="one", queues=None, limit=1, lease_for=1)
    state.advance(span=1)
    state.claim(runner="one", queues=None, limit=1, lease_for=1)
    state.settle(endings=[Ending(1, State.QUEUED), Ending(0)])


def _a_replay_that_holds_a_key_again(state: DriverMachine) -> None:
    key = UniqueKey("key", Until.LAPSED, OnConflict.KEEP, Millis(60_000))
    state.enqueue(wishes=[Wish("a", unique=key)], has_turn=False)
    state.claim(runner="one", queues=None, limit=10, lease_for=1_000)
    state.settle(endings=[Ending(0, State.FAILED, keep_for=60_000)])
    state.replay(ids=["a"], ahead=0, edits=False, delay=0)
    state.cancel(ids=["a"], has_memo=False, keep_for=60_000)
    state.enqueue(wishes=[Wish("b", unique=key)], has_turn=False)


def _a_key_of_a_job_that_was_replaced_under_another(state: DriverMachine) -> None:
    lapsing = UniqueKey("key", Until.LAPSED, OnConflict.REPLACE, Millis(60_000))
    state.enqueue(wishes=[Wish("a", unique=lapsing)], has_turn=False)
    state.claim(runner="one", queues=None, limit=10, lease_for=1_000)
    state.settle(endings=[Ending(0)])
    state.enqueue(wishes=[Wish("a", unique=UniqueKey("other"))], has_turn=False)
    state.enqueue(wishes=[Wish("b", unique=lapsing)], has_turn=False)
    state.enqueue(wishes=[Wish("c", unique=UniqueKey("other"))], has_turn=False)


KEPT: Mapping[str, Callable[[DriverMachine], None]] = {
    "a key of a job that was replaced under another": _a_key_of_a_job_that_was_replaced_under_another,
    "a lapse that is forgotten": _a_lapse_that_is_forgotten,
    "a late settlement of a job whose id returned": _a_late_settlement_of_a_job_whose_id_returned,
    "a place that was given up": _a_place_that_was_given_up,
    "a purge of what was replayed": _a_purge_of_what_was_replayed,
    "a repeat that takes what came later": _a_repeat_that_takes_what_came_later,
    "an id that comes back at once": _an_id_that_comes_back_at_once,
    "a replay that holds a key again": _a_replay_that_holds_a_key_again,
    "a schedule that fires twice": _a_schedule_that_fires_twice,
    "a schedule that returns under the version that it had": _a_schedule_that_returns,
    "two leases of one job settled in one call": _two_leases_of_one_job_settled_in_one_call,
}
