"""`Bonds.after`, for drivers that declare it: a child waits for its parents, and finds what they left."""

from __future__ import annotations

from typing import Any

import pytest

from flowli.driver import MOST_PARENTS, Ability, Acted, Bonds, Disposition, Enqueued, NewJob, Settled, Severity, State
from flowli_conformance.bench import (
    DAY,
    HOUR,
    LEASE,
    MINUTE,
    Bench,
    background,
    new_job,
    new_jobs,
    promptly,
    settlement,
)
from flowli_conformance.suite import Suite

__all__ = ["WorkflowSuite"]

_TERMINAL = [State.COMPLETED, State.FAILED, State.CANCELLED]
_KEPT = "a child has its input from the records of its parents: they are kept until it is terminal"
_READY = "the step that ends the last parent queues the child: nothing else would"


def _step(id: str, *, queue: str = "mail") -> NewJob:
    """A job that may be a parent."""
    return new_job(id, queue=queue)._replace(bonds=Bonds())


def _steps(number: int) -> list[NewJob]:
    return [job._replace(bonds=Bonds()) for job in new_jobs(number)]


def _child(id: str, *parents: str, queue: str = "mail", priority: int = 0) -> NewJob:
    return new_job(id, queue=queue, priority=priority)._replace(bonds=Bonds(after=parents))


def _declares(bench: Bench) -> Bench:
    if Ability.WORKFLOWS not in bench.driver.abilities:
        pytest.skip("the driver does not declare the ability `workflows`")
    return bench


async def _end(bench: Bench, *ids: str, state: State = State.COMPLETED, keep_for: int = HOUR) -> list[Settled]:
    """Lease these jobs, which are next in their queue, and settle them."""
    leases = await bench.lease(len(ids))
    assert sorted(lease.id for lease in leases) == sorted(ids), "what is ready is leased"
    return await bench.settle(*(settlement(lease, state, keep_for=keep_for) for lease in leases))


class WorkflowSuite(Suite):
    """A child is queued by the end of its last parent, whatever it was, once; its parents are kept for it."""

    @pytest.fixture
    async def family(self, bench: Bench) -> Bench:
        return _declares(bench)

    async def test_a_child_waits_for_its_parent(self, family: Bench) -> None:
        created = await family.enqueue(_step("parent"), _child("child", "parent"))
        assert created[1] == Enqueued(Disposition.CREATED, "child", State.SCHEDULED, family.at(-family.now)), (
            "a child is scheduled, and nobody knows for when"
        )
        found = await family.exchange(family.claim(10))
        assert [lease.id for lease in found.leases] == ["parent"], "a child has no input before its parent has ended"
        family.advance(DAY)
        child = await family.get("child")
        assert (child.state, child.due) == (State.SCHEDULED, None), "it waits for no instant, however long"

    async def test_a_waiting_child_is_counted_and_listed_as_scheduled(self, family: Bench) -> None:
        await family.start(_step("parent"), lease_for=DAY)
        await family.enqueue(_child("child", "parent"))
        view = (await family.overview("mail")).queues["mail"]
        assert (view.scheduled, view.queued) == (1, 0), "it is scheduled, so it is counted there"
        listed = await family.driver.list_jobs(State.SCHEDULED, limit=10, now=family.clock)
        assert [(job.id, job.due) for job in listed.items] == [("child", None)], "and listed there"

    async def test_a_runner_is_not_told_to_come_again_for_a_waiting_child(self, family: Bench) -> None:
        await family.bring(State.COMPLETED, _step("parent"))
        await family.enqueue(_step("other", queue="elsewhere"), _child("child", "other"))
        found = await family.exchange(family.claim(1))
        assert (found.next_at, found.more) == (None, False), "nothing is known to come: an idle runner sleeps"

    @pytest.mark.parametrize("keep_for", [0, HOUR])
    @pytest.mark.parametrize("state", _TERMINAL)
    async def test_a_parent_that_ends_queues_its_child(self, family: Bench, state: State, keep_for: int) -> None:
        (lease,) = await family.start(_step("parent"))
        await family.enqueue(_child("child", "parent"))
        family.advance(LEASE // 2)
        await family.settle(settlement(lease, state, keep_for=keep_for))
        child = await family.get("child")
        assert (child.state, child.due) == (State.QUEUED, family.now), _READY
        assert await family.lease_ids() == ["child"], "whatever the outcome: core decides what it means for the child"

    @pytest.mark.parametrize("keep_for", [0, HOUR])
    async def test_a_parent_that_is_cancelled_before_it_ran_queues_its_child(
        self, family: Bench, keep_for: int
    ) -> None:
        await family.enqueue(_step("parent"), _child("child", "parent"))
        await family.cancel("parent", keep_for=keep_for)
        assert (await family.get("parent")).state is State.CANCELLED, _KEPT
        assert await family.lease_ids() == ["child"], _READY

    async def test_a_child_waits_for_all_its_parents(self, family: Bench) -> None:
        await family.enqueue(*_steps(3), _child("child", "job-0000", "job-0001", "job-0002"))
        leases = await family.lease()
        for lease in leases[:2]:
            await family.settle(settlement(lease))
            assert await family.lease_ids() == [], "a child that is called too early gathers too little"
        await family.settle(settlement(leases[2], State.FAILED))
        assert await family.lease_ids() == ["child"], _READY

    async def test_parents_that_end_in_one_call_queue_a_child_once(self, family: Bench) -> None:
        parents = _steps(3)
        leases = await family.start(*parents)
        await family.enqueue(_child("child", *(job.id for job in parents)))
        await family.settle(*map(settlement, leases))
        view = (await family.overview("mail")).queues["mail"]
        assert (view.queued, view.scheduled) == (1, 0), "it has one place"
        assert await family.lease_ids() == ["child"], _READY

    async def test_several_children_of_a_parent_are_queued_each(self, family: Bench) -> None:
        await family.enqueue(_step("parent"), _child("one", "parent"), _child("two", "parent"))
        await _end(family, "parent", keep_for=0)
        assert sorted(await family.lease_ids()) == ["one", "two"], _READY

    async def test_a_child_in_another_queue_is_found_there(self, family: Bench) -> None:
        await family.enqueue(_step("parent"), _child("child", "parent", queue="other", priority=5))
        await family.enqueue(_step("plain", queue="other"))
        await _end(family, "parent")
        assert await family.lease_ids(queues=["other"]) == ["child", "plain"], "in its own queue, by its own priority"

    async def test_a_parent_in_another_queue_that_is_cancelled_queues_its_child(self, family: Bench) -> None:
        await family.enqueue(_step("parent", queue="other"), _child("child", "parent"))
        await family.cancel("parent", keep_for=0)
        assert await family.lease_ids() == ["child"], _READY

    async def test_the_steps_of_a_chain_are_queued_one_after_the_other(self, family: Bench) -> None:
        await family.enqueue(_step("a"), _child("b", "a", queue="other"), _child("c", "b"))
        for id, queue in [("a", "mail"), ("b", "other"), ("c", "mail")]:
            leases = await family.lease(queues=["mail", "other"])
            assert [(lease.id, lease.queue) for lease in leases] == [(id, queue)], "each after the one before it"
            await family.settle(settlement(leases[0]))
        assert await family.lease_ids(queues=None) == [], "and each once"

    async def test_a_child_wakes_a_runner(self, live: Bench) -> None:
        family = _declares(live)
        await family.start(_step("other", queue="other"))
        (parent,) = await family.start(_step("parent"))
        await family.enqueue(_child("child", "parent", queue="other"))
        sleeper = await family.second_driver()
        async with background(family.work(driver=sleeper, queues=["other"])) as waiting:
            await family.under_way()
            await family.settle(settlement(parent))
            found = await promptly(waiting, "A child that is ready has to wake a runner of its queue.")
        assert [lease.id for lease in found.leases] == ["child"], "and be what it gets"

    async def test_an_unknown_parent_counts_as_ended(self, family: Bench) -> None:
        (answer,) = await family.enqueue(_child("child", "nobody"))
        assert (answer.state, answer.due) == (State.QUEUED, family.now), "nothing will ever end what is not there"
        assert await family.lease_ids() == ["child"], "so the child is for core to judge"

    async def test_an_expired_parent_counts_as_ended(self, family: Bench) -> None:
        await family.bring(State.COMPLETED, _step("parent"), keep_for=HOUR)
        family.advance(HOUR)
        await family.enqueue(_child("child", "parent"))
        assert await family.lease_ids() == ["child"], "what has expired is not seen"

    async def test_a_child_without_parents_is_queued_at_once(self, family: Bench) -> None:
        (answer,) = await family.enqueue(_child("child"))
        assert answer == Enqueued(Disposition.CREATED, "child", State.QUEUED, family.now), "a group may be empty"
        assert await family.lease_ids() == ["child"], "and is gathered all the same"

    @pytest.mark.parametrize("state", _TERMINAL)
    async def test_a_parent_that_has_ended_before_is_kept_from_then_on(self, family: Bench, state: State) -> None:
        await family.bring(state, _step("parent"), keep_for=HOUR)
        (answer,) = await family.enqueue(_child("child", "parent"))
        assert answer.state is State.QUEUED, "it has nothing to wait for"
        family.advance(DAY)
        await family.keep_house()
        assert (await family.get("parent")).state is state, _KEPT

    async def test_a_parent_that_keeps_nothing_is_kept_for_its_child(self, family: Bench) -> None:
        await family.enqueue(_step("parent"), _child("child", "parent"))
        await _end(family, "parent", keep_for=0)
        (lease,) = await family.lease(lease_for=2 * DAY)
        family.advance(DAY)
        await family.keep_house()
        parent = await family.get("parent")
        assert (parent.state, parent.memo, parent.due) == (State.COMPLETED, b"memo", None), _KEPT
        await family.settle(settlement(lease))
        assert await family.find("parent") is None, "and no longer"

    async def test_a_parent_is_kept_while_its_child_waits_for_others(self, family: Bench) -> None:
        await family.enqueue(_step("early"), _step("late", queue="other"), _child("child", "early", "late"))
        await _end(family, "early", keep_for=HOUR)
        for _ in range(3):
            family.advance(HOUR)
            await family.keep_house()
        assert (await family.get("early")).state is State.COMPLETED, _KEPT
        (answer,) = await family.enqueue(_step("early"))
        assert answer.disposition is Disposition.EXISTING, "what is kept is known by its id"

    @pytest.mark.parametrize("move", ["retry", "release", "lapse"])
    async def test_a_parent_is_kept_while_its_child_is_tried_again(self, family: Bench, move: str) -> None:
        await family.enqueue(_step("parent"), _child("child", "parent"))
        await _end(family, "parent", keep_for=0)
        (lease,) = await family.lease()
        if move == "retry":
            await family.settle(settlement(lease, State.SCHEDULED, delay=MINUTE))
        elif move == "release":
            await family.settle(settlement(lease, State.QUEUED))
        family.advance(MINUTE)
        (again,) = await family.lease()
        assert again.id == "child", "what was not finished is tried again"
        assert (await family.get("parent")).state is State.COMPLETED, _KEPT
        await family.settle(settlement(again, keep_for=0))
        assert await family.find("parent") is None, "and no longer"

    @pytest.mark.parametrize("keep_for", [0, HOUR])
    @pytest.mark.parametrize("state", _TERMINAL)
    async def test_a_child_that_ends_gives_its_parents_free(self, family: Bench, state: State, keep_for: int) -> None:
        await family.enqueue(*_steps(2), _child("child", "job-0000", "job-0001"))
        await _end(family, "job-0000", "job-0001", keep_for=0)
        await _end(family, "child", state=state, keep_for=keep_for)
        assert [await family.find(id) for id in ("job-0000", "job-0001")] == [None, None], "nothing stays for ever"

    async def test_a_parent_that_keeps_longer_expires_when_it_would_have(self, family: Bench) -> None:
        await family.enqueue(_step("parent"), _child("child", "parent"))
        await _end(family, "parent", keep_for=HOUR)
        await _end(family, "child")
        family.advance(HOUR - 1)
        assert (await family.get("parent")).state is State.COMPLETED, "its own retention counts from its own end"
        family.advance(1)
        assert await family.find("parent") is None, "and ends as it would have without a child"

    async def test_a_released_parent_is_swept(self, family: Bench) -> None:
        await family.enqueue(_step("parent"), _child("child", "parent"))
        await _end(family, "parent", keep_for=0)
        await _end(family, "child", keep_for=0)
        family.advance(HOUR)
        await family.keep_house()
        view = (await family.overview("mail")).queues["mail"]
        assert (view.completed, view.scheduled, view.queued) == (0, 0, 0), "nothing is counted that is not there"
        (answer,) = await family.enqueue(_step("parent"))
        assert answer.disposition is Disposition.CREATED, "and its id is free"

    async def test_a_waiting_child_that_is_cancelled_says_whom_it_waited_for(self, family: Bench) -> None:
        await family.enqueue(_step("parent"), _child("child", "parent"))
        assert await family.cancel("child") == [Acted(State.SCHEDULED, True, ("parent",))], (
            "core cancels those that nobody needs any more"
        )
        assert (await family.get("child")).state is State.CANCELLED, "what waits is cancelled at once"
        await _end(family, "parent", keep_for=0)
        assert await family.find("parent") is None, "nobody needs its record any more"
        assert await family.lease_ids() == [], "and the child never runs"

    async def test_a_child_that_is_ready_is_cancelled_as_any_job(self, family: Bench) -> None:
        await family.enqueue(_step("parent"), _child("child", "parent"))
        await _end(family, "parent", keep_for=0)
        assert await family.cancel("child", keep_for=0) == [Acted(State.QUEUED, True)], "it waits for nobody"
        assert await family.find("parent") is None, "and its parent is given free"

    async def test_a_child_that_is_stored_again_stands(self, family: Bench) -> None:
        jobs = [_step("parent"), _child("child", "parent")]
        await family.enqueue(*jobs)
        again = await family.enqueue(*jobs)
        assert [(one.disposition, one.state) for one in again] == [
            (Disposition.EXISTING, State.QUEUED),
            (Disposition.EXISTING, State.SCHEDULED),
        ], "a call that is repeated makes no second chain"
        await _end(family, "parent")
        assert await family.lease_ids() == ["child"], "and nothing waits twice for one parent"

    async def test_a_turn_that_is_repeated_makes_no_second_chain(self, family: Bench) -> None:
        jobs, turn = [_step("parent"), _child("child", "parent")], family.turn()
        first = await family.enqueue(*jobs, turn=turn)
        await _end(family, "parent", keep_for=0)
        await _end(family, "child", keep_for=0)
        assert await family.enqueue(*jobs, turn=turn) == first, "a lost reply is asked for again"
        assert await family.lease_ids() == [], "and nothing runs again"

    async def test_a_settlement_that_is_repeated_counts_once(self, family: Bench) -> None:
        await family.enqueue(*_steps(2), _child("child", "job-0000", "job-0001"))
        first, second = await family.lease()
        for keep_for in (0, 0):
            await family.settle(settlement(first, keep_for=keep_for))
        assert await family.lease_ids() == [], "a parent ends once, however often that is said"
        await family.settle(settlement(second))
        assert await family.lease_ids() == ["child"], _READY

    async def test_a_settlement_that_is_refused_does_not_count(self, family: Bench) -> None:
        (stale,) = await family.start(_step("parent"))
        await family.enqueue(_child("child", "parent"))
        family.advance(LEASE)
        await family.lease_one("parent")
        assert await family.settle(settlement(stale)) == [Settled.LOST], "another runner has it"
        assert (await family.get("child")).state is State.SCHEDULED, "its parent has not ended"

    @pytest.mark.parametrize("state", [State.SCHEDULED, State.QUEUED])
    async def test_a_parent_that_is_tried_again_has_not_ended(self, family: Bench, state: State) -> None:
        (lease,) = await family.start(_step("parent"))
        await family.enqueue(_child("child", "parent"))
        await family.settle(settlement(lease, state))
        assert (await family.get("child")).state is State.SCHEDULED, "only a terminal state is an end"

    async def test_whoever_waits_for_a_parent_hears_of_its_end(self, family: Bench) -> None:
        await family.enqueue(_step("parent"), _child("child", "parent"))
        await _end(family, "parent", keep_for=0)
        found = await family.outcomes("parent", "child")
        assert {id: job and job.state for id, job in found.items()} == {"parent": State.COMPLETED}, (
            "an end that is kept for a child is an end for everybody"
        )

    async def test_a_thousand_parents_are_gathered(self, family: Bench) -> None:
        parents = _steps(1_000)
        await family.enqueue(*parents, _child("child", *(job.id for job in parents)))
        for _ in range(4):
            leases = await family.lease(250)
            assert [lease.id for lease in leases if lease.id == "child"] == [], "not before the last of them"
            await family.settle(*(settlement(lease, keep_for=0) for lease in leases))
        found = await family.driver.get_jobs([job.id for job in parents], now=family.clock)
        assert sum(job is not None for job in found) == 1_000, _KEPT
        await _end(family, "child")
        found = await family.driver.get_jobs([job.id for job in parents], now=family.clock)
        assert [job for job in found if job is not None] == [], "nothing stays for ever"

    async def test_a_large_group_is_stored_by_one_call(self, family: Bench) -> None:
        parents = _steps(2_500)
        answers = await family.enqueue(*parents, _child("child", *(job.id for job in parents)))
        assert answers[-1].state is State.SCHEDULED, f"up to {MOST_PARENTS} parents, in a batch of any size"
        assert len(await family.lease(2_500)) == 2_500, "and none of them waits"

    async def test_a_store_with_families_is_sound(self, family: Bench) -> None:
        driver: Any = family.driver
        if Ability.EXAMINE not in driver.abilities:
            pytest.skip("the driver does not declare the ability `examine`")
        await family.enqueue(_step("a"), _step("b"), _child("c", "a", "b"), _child("d", "c", queue="other"))
        await _end(family, "a", "b", keep_for=0)
        await family.enqueue(_step("e"), _child("f", "e"), _child("g", "f"), _child("h", "nobody"))
        family.advance(HOUR)
        await family.keep_house(queues=None)
        found = await driver.examine(now=family.clock)
        assert [one for one in found.findings if one.severity is Severity.ERROR] == [], (
            "what waits for a parent, and what is kept for a child, is no damage"
        )

    @pytest.mark.parametrize("state", [State.QUEUED, *_TERMINAL])
    async def test_what_a_child_needs_is_neither_replayed_nor_deleted(self, family: Bench, state: State) -> None:
        await family.bring(state, _step("parent"), _step("other"))
        await family.start(_step("running", queue="other"), lease_for=DAY)
        await family.enqueue(_child("child", "parent", "running"))
        before = await family.get("parent")
        assert await family.delete("parent") == [Acted(state, False)], _KEPT
        assert await family.replay("parent") == [Acted(state, False)], "its child would find a parent that is not over"
        assert await family.get("parent") == before, "nothing of it is changed"
        assert (await family.delete("other"))[0].done, "what nobody waits for is deleted"

    async def test_a_child_that_is_deleted_lets_its_parents_go(self, family: Bench) -> None:
        await family.bring(State.FAILED, _step("parent"))
        await family.start(_step("running", queue="other"), lease_for=DAY)
        await family.enqueue(_child("child", "parent", "running"))
        assert await family.delete("child") == [Acted(State.SCHEDULED, True, ("parent", "running"))], (
            "and it is said which jobs go on without it"
        )
        assert await family.replay("parent") == [Acted(State.FAILED, True)], "nobody needs it any more"
