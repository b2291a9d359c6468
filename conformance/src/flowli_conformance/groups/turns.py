"""What a `Turn` promises: a call whose reply was lost is repeated as it was, and has the effect of one."""

from __future__ import annotations

from dataclasses import replace

from flowli.driver import Disposition, Settled, State, Turn
from flowli_conformance.bench import HOUR, LEASE, MINUTE, Bench, new_job, new_jobs, only, settlement
from flowli_conformance.suite import Suite

__all__ = ["TurnSuite"]


async def _run_all(bench: Bench) -> list[str]:
    """Execute what is ready and leave nothing behind."""
    leases = await bench.lease(5_000)
    await bench.settle(*(settlement(lease, keep_for=0) for lease in leases))
    return [lease.id for lease in leases]


class TurnSuite(Suite):
    """Repeats of `enqueue` and of a claim are answered from memory, and do nothing."""

    async def test_an_enqueue_repeated_after_the_job_left_nothing_makes_no_second_job(self, bench: Bench) -> None:
        turn = bench.turn()
        first = await bench.enqueue(new_job("a"), new_job("b", delay=MINUTE), turn=turn)
        assert await _run_all(bench) == ["a"], "what is ready is executed"
        assert await bench.enqueue(new_job("a"), new_job("b", delay=MINUTE), turn=turn) == first, (
            "a repeat is answered as the call whose reply was lost"
        )
        assert await bench.lease_ids() == [], "a lost reply never makes a second job, also when the job keeps nothing"

    async def test_an_enqueue_repeated_at_once_has_the_same_answer(self, bench: Bench) -> None:
        turn = bench.turn()
        first = await bench.enqueue(new_job("a"), turn=turn)
        assert await bench.enqueue(new_job("a"), turn=turn) == first, "a repeat is answered as the call it repeats"
        assert await bench.lease_ids() == ["a"], "a repeat has the effect of one call"

    async def test_a_large_enqueue_is_repeated_whole(self, bench: Bench) -> None:
        turn, jobs = bench.turn(), new_jobs(2_500)
        first = await bench.enqueue(*jobs, turn=turn)
        assert len(await _run_all(bench)) == 2_500, "every job of a large batch is executed"
        assert await bench.enqueue(*jobs, turn=turn) == first, "a turn covers every part of a batch that was cut"
        assert await bench.lease_ids() == [], "no part of a repeated batch is stored again"

    async def test_an_enqueue_is_remembered_for_ten_minutes(self, bench: Bench) -> None:
        turn = bench.turn()
        first = await bench.enqueue(new_job("a"), turn=turn)
        await _run_all(bench)
        bench.advance(10 * MINUTE - 1)
        assert await bench.enqueue(new_job("a"), turn=turn) == first, "a turn is remembered for ten minutes"

    async def test_the_next_turn_of_a_sender_is_a_call_of_its_own(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"), turn=bench.turn())
        await _run_all(bench)
        (answer,) = await bench.enqueue(new_job("a"), turn=bench.turn())
        assert answer.disposition is Disposition.CREATED, "another turn is another request, not a repeat"

    async def test_the_same_number_of_another_sender_is_a_call_of_its_own(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"), turn=Turn("one", 7))
        await _run_all(bench)
        (answer,) = await bench.enqueue(new_job("a"), turn=Turn("two", 7))
        assert answer.disposition is Disposition.CREATED, "turns belong to their sender: two processes count alike"

    async def test_an_enqueue_without_a_turn_comes_between_and_changes_no_memory(self, bench: Bench) -> None:
        turn = bench.turn()
        first = await bench.enqueue(new_job("a"), turn=turn)
        await bench.enqueue(new_job("b"))
        await _run_all(bench)
        assert await bench.enqueue(new_job("a"), turn=turn) == first, "only the next turn of a sender ends the memory"

    async def test_a_claim_repeated_returns_its_leases_and_takes_no_others(self, bench: Bench) -> None:
        await bench.enqueue(*new_jobs(5))
        claim = bench.claim(2)
        first = await bench.exchange(claim)
        again = await bench.exchange(claim)
        assert list(again.leases) == list(first.leases), "a claim whose reply was lost hands out the same leases again"
        assert (await bench.overview("mail")).queues["mail"].active == 2, "a repeated claim takes nothing more"

    async def test_a_claim_is_remembered_for_ten_minutes(self, bench: Bench) -> None:
        await bench.enqueue(*new_jobs(3))
        claim = bench.claim(2, lease_for=HOUR)
        first = await bench.exchange(claim)
        bench.advance(10 * MINUTE - 1)
        assert list((await bench.exchange(claim)).leases) == list(first.leases), (
            "a turn is remembered for ten minutes: a runner that was cut off for nine finds what it leased"
        )

    async def test_a_claim_repeated_after_new_jobs_came_takes_none_of_them(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))
        claim = bench.claim(5)
        first = await bench.exchange(claim)
        await bench.enqueue(new_job("b"))
        assert list((await bench.exchange(claim)).leases) == list(first.leases), "a repeat takes no others"
        assert await bench.lease_ids() == ["b"], "what came later is left for the next claim"

    async def test_a_claim_repeated_leaves_out_what_was_settled_since(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"), new_job("b"))
        claim = bench.claim(2)
        first, second = (await bench.exchange(claim)).leases
        assert await bench.settle(settlement(first)) == [Settled.WRITTEN], "a lease gives the right to settle"
        assert list((await bench.exchange(claim)).leases) == [second], (
            "a repeat returns only the leases that still hold"
        )

    async def test_a_claim_repeated_leaves_out_what_another_runner_took_over(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))
        claim = bench.claim(1, runner="slow", lease_for=LEASE)
        await bench.exchange(claim)
        bench.advance(LEASE)
        await bench.lease_one("a")
        assert list((await bench.exchange(claim)).leases) == [], (
            "a lease that another runner holds is not handed out again"
        )

    async def test_a_lost_claim_is_found_again_with_a_limit_of_0(self, bench: Bench) -> None:
        await bench.enqueue(*new_jobs(5))
        claim = bench.claim(3)
        lost = await bench.exchange(claim)
        found = await bench.exchange(replace(claim, limit=0))
        assert list(found.leases) == list(lost.leases), (
            "what a cancelled call leased is found by its turn: otherwise it stands still until the leases lapse"
        )

    async def test_what_a_lost_claim_leased_can_be_handed_back(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))
        claim = bench.claim(1)
        await bench.exchange(claim)
        lease = only((await bench.exchange(replace(claim, limit=0))).leases, "a lost claim is found again by its turn")
        assert await bench.settle(settlement(lease, State.QUEUED)) == [Settled.WRITTEN], (
            "a lease found again is a lease"
        )
        assert await bench.lease_ids() == ["a"], "what was handed back is there for the next runner"

    async def test_the_settlements_of_a_repeated_exchange_are_repeated(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.enqueue(new_job("b"))
        claim = bench.claim(1)
        first = await bench.exchange(claim, settlement(lease))
        again = await bench.exchange(claim, settlement(lease))
        assert (list(first.settled), list(again.settled)) == ([Settled.WRITTEN], [Settled.REPEATED]), (
            "an exchange is repeated as it was: its settlements say that they were written before"
        )
        assert list(again.leases) == list(first.leases), "and its claim returns the leases of the first"

    async def test_the_same_number_of_another_runner_is_a_claim_of_its_own(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"), new_job("b"))
        one = await bench.exchange(bench.claim(1, runner="one", turn=Turn("one", 7)))
        two = await bench.exchange(bench.claim(1, runner="two", turn=Turn("two", 7)))
        assert [lease.id for lease in (*one.leases, *two.leases)] == ["a", "b"], (
            "turns belong to their sender: two runners count alike"
        )

    async def test_a_repeated_claim_promises_no_more_time_than_its_leases_have(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))
        claim = bench.claim(1)
        await bench.exchange(claim)
        bench.advance(LEASE // 2)
        again = await bench.exchange(claim)
        deadline = (await bench.get("a")).due
        assert deadline is not None and again.lease_until <= deadline, (
            "a runner that believes in a later deadline than the store runs on while another runner takes over"
        )
