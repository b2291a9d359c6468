"""What a settlement of `Driver.exchange` promises for each state, for repeats, and for records that expire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import pytest

from flowli.driver import Settled, Settlement, State
from flowli_conformance.bench import DAY, HOUR, MINUTE, SECOND, Bench, new_job, new_jobs, settlement
from flowli_conformance.suite import Suite

__all__ = ["SettleSuite"]

_TERMINAL = [State.COMPLETED, State.FAILED, State.CANCELLED]
_HOLDS = "the holder of a lease decides what becomes of its job: otherwise its work is lost"
WRITTEN, REPEATED, LOST, GONE = Settled.WRITTEN, Settled.REPEATED, Settled.LOST, Settled.GONE


async def _is_not_found(bench: Bench, state: State) -> bool:
    return await bench.find("a") is None


async def _is_not_listed(bench: Bench, state: State) -> bool:
    return not (await bench.driver.list_jobs(state, limit=10, now=bench.now)).items


async def _is_not_counted(bench: Bench, state: State) -> bool:
    view = (await bench.overview("mail")).queues["mail"]
    return (view.completed, view.failed, view.cancelled) == (0, 0, 0)


async def _is_not_awaited(bench: Bench, state: State) -> bool:
    return await bench.outcomes("a") == {"a": None}


_GONE: Mapping[str, Callable[[Bench, State], Awaitable[bool]]] = {
    "get_jobs": _is_not_found,
    "list_jobs": _is_not_listed,
    "overview": _is_not_counted,
    "outcomes": _is_not_awaited,
}
"""For each verb that reads, whether it sees nothing of a job."""


class SettleSuite(Suite):
    """A settlement is written once, under the token of its lease, and decides what becomes of the job."""

    @pytest.mark.parametrize("state", _TERMINAL)
    async def test_a_terminal_job_is_kept_with_its_memo(self, bench: Bench, state: State) -> None:
        (lease,) = await bench.start(new_job("a", head=b"h", body=b"b", priority=4))
        assert await bench.settle(settlement(lease, state, memo=b"result", keep_for=HOUR)) == [WRITTEN], _HOLDS
        job = await bench.get("a")
        assert (job.state, job.due, job.memo) == (state, bench.at(HOUR), b"result"), (
            "how the job ended is kept for keep_for from now, with what core left"
        )
        assert (job.id, job.queue, job.name, job.head, job.body, job.priority, job.token) == (
            "a",
            "mail",
            "send",
            b"h",
            b"b",
            4,
            lease.token,
        ), "a settlement changes nothing of what was enqueued"

    @pytest.mark.parametrize("state", _TERMINAL)
    async def test_a_terminal_job_is_not_leased_again(self, bench: Bench, state: State) -> None:
        await bench.bring(state, new_job("a"))
        bench.advance(2 * DAY)
        found = await bench.exchange(bench.claim())
        assert (list(found.leases), list(found.recovered)) == ([], []), "what has ended never runs again by itself"

    @pytest.mark.parametrize("state", _TERMINAL)
    async def test_a_terminal_job_with_nothing_to_keep_leaves_nothing(self, bench: Bench, state: State) -> None:
        (lease,) = await bench.start(new_job("a"))
        assert await bench.settle(settlement(lease, state, keep_for=0)) == [WRITTEN], _HOLDS
        assert await bench.find("a") is None, "keep_for of 0 leaves no record"
        view = (await bench.overview("mail")).queues["mail"]
        assert (view.active, view.completed, view.failed, view.cancelled) == (0, 0, 0, 0), "and is counted nowhere"

    @pytest.mark.parametrize("state", _TERMINAL)
    async def test_a_record_is_seen_until_its_expiry(self, bench: Bench, state: State) -> None:
        await bench.bring(state, new_job("a"), keep_for=HOUR)
        bench.advance(HOUR - 1)
        assert (await bench.get("a")).state is state, "a result can be fetched for as long as it was to be kept"

    @pytest.mark.parametrize("state", _TERMINAL)
    @pytest.mark.parametrize("reader", list(_GONE))
    async def test_a_record_kept_until_now_is_gone_for_every_reader(
        self, bench: Bench, reader: str, state: State
    ) -> None:
        await bench.bring(state, new_job("a"), keep_for=HOUR)
        bench.advance(HOUR)
        assert await _GONE[reader](bench, state), (
            f"what has expired is not seen by {reader}, swept or not: data that had to go must not be shown"
        )

    async def test_an_expired_record_is_not_seen_after_its_sweep(self, bench: Bench) -> None:
        await bench.bring(State.COMPLETED, *new_jobs(1_500, prefix="old"), keep_for=MINUTE)
        await bench.bring(State.COMPLETED, new_job("young"), keep_for=HOUR)
        bench.advance(MINUTE)
        while (await bench.keep_house()).more:
            pass
        listed = await bench.driver.list_jobs(State.COMPLETED, limit=10, now=bench.now)
        assert [job.id for job in listed.items] == ["young"], "a sweep takes what has expired and nothing else"

    async def test_a_retry_waits_for_its_instant(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        retry = settlement(lease, State.SCHEDULED, memo=b"1", due=bench.at(MINUTE))
        assert await bench.settle(retry) == [WRITTEN], _HOLDS
        job = await bench.get("a")
        assert (job.state, job.due, job.memo) == (State.SCHEDULED, bench.at(MINUTE), b"1"), "the record says when"
        bench.advance(MINUTE - 1)
        assert await bench.lease_ids() == [], "a retry never starts before its backoff has passed"
        due = bench.advance(1)
        again = await bench.lease_one("a")
        assert (again.memo, again.ready_at, again.deliveries) == (b"1", due, 0), (
            "the next attempt sees what the last one left, and is ready since it was due"
        )

    async def test_the_delay_of_a_retry_counts_from_now(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        bench.advance(SECOND)
        await bench.settle(settlement(lease, State.SCHEDULED, delay=MINUTE))
        assert (await bench.get("a")).due == bench.at(MINUTE), "a delay counts from the store's clock"

    @pytest.mark.parametrize("offset", [0, -HOUR])
    async def test_a_retry_that_is_due_is_scheduled_until_a_later_claim(self, bench: Bench, offset: int) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.settle(settlement(lease, State.SCHEDULED, due=bench.at(offset)))
        job = await bench.get("a")
        assert job.state is State.SCHEDULED, "a settlement as scheduled is never queued by itself"
        assert job.due in (bench.now, bench.at(offset)), "an instant that has passed counts as now or as itself"
        assert await bench.lease_ids() == ["a"], "a later claim promotes and leases it"

    async def test_a_job_handed_back_is_ready_at_the_front(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        bench.advance(MINUTE)
        assert await bench.settle(settlement(lease, State.QUEUED, memo=b"released")) == [WRITTEN], _HOLDS
        job = await bench.get("a")
        assert (job.state, job.due, job.memo, job.deliveries) == (State.QUEUED, 0, b"released", 0), (
            "handed back means queued, with 0 for its instant"
        )
        again = await bench.lease_one("a")
        assert (again.ready_at, again.memo) == (0, b"released"), "the next runner sees the memo, and 0 for its instant"

    async def test_each_settlement_replaces_the_memo(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))
        memos: list[bytes] = []
        for memo in (b"a long first memo", b"", b"2"):
            lease = await bench.lease_one("a")
            memos.append(lease.memo)
            await bench.settle(settlement(lease, State.QUEUED, memo=memo))
        assert [*memos, (await bench.get("a")).memo] == [b"", b"a long first memo", b"", b"2"], (
            "the memo is what the last settlement left, whole, also when that was nothing"
        )

    @pytest.mark.parametrize("state", [*_TERMINAL, State.SCHEDULED, State.QUEUED])
    async def test_a_settlement_repeated_is_known_and_changes_nothing(self, bench: Bench, state: State) -> None:
        (lease,) = await bench.start(new_job("a"))
        call = settlement(lease, state, delay=MINUTE if state is State.SCHEDULED else None)
        assert await bench.settle(call) == [WRITTEN], _HOLDS
        before = await bench.get("a")
        bench.advance(SECOND)
        assert await bench.settle(call) == [REPEATED], "after a lost reply the runner learns that it was written"
        assert await bench.get("a") == before, "a repeat has the effect of one: instants and expiry stay"

    async def test_a_second_settlement_under_one_token_changes_nothing(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.settle(settlement(lease, State.COMPLETED, memo=b"result"))
        before = await bench.get("a")
        assert await bench.settle(settlement(lease, State.FAILED, memo=b"late")) == [REPEATED], (
            "a token settles once: the first settlement decides"
        )
        assert await bench.get("a") == before, "a job that completed does not fail afterwards"

    async def test_a_settlement_repeated_while_the_next_attempt_runs_changes_nothing(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        call = settlement(lease, State.QUEUED)
        await bench.settle(call)
        await bench.lease_one("a")
        before = await bench.get("a")
        assert (await bench.settle(call))[0] in (REPEATED, LOST), (
            "a late repeat must not end the attempt of another runner; whether it is known or lost is left open"
        )
        assert await bench.get("a") == before, "a refused settlement leaves the record as it was, byte for byte"

    async def test_a_settlement_that_kept_nothing_is_gone_when_repeated(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        call = settlement(lease, keep_for=0)
        assert await bench.settle(call) == [WRITTEN], _HOLDS
        assert await bench.settle(call) == [GONE], "no such record: what success looks like after a lost reply"

    async def test_a_settlement_repeated_after_the_retention_is_gone(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        call = settlement(lease, keep_for=HOUR)
        await bench.settle(call)
        bench.advance(HOUR)
        assert await bench.settle(call) == [GONE], "what has expired is not seen, swept or not"

    async def test_an_unknown_job_is_gone(self, bench: Bench) -> None:
        call = Settlement(id="nobody", queue="mail", token=7, state=State.COMPLETED, memo=b"")
        assert await bench.settle(call) == [GONE], "a settlement makes no record"
        assert await bench.find("nobody") is None, "a settlement makes no record"

    @pytest.mark.parametrize("state", [State.QUEUED, State.SCHEDULED])
    async def test_a_job_that_was_never_leased_cannot_be_settled(self, bench: Bench, state: State) -> None:
        await bench.bring(state, new_job("a"))
        before = await bench.get("a")
        for token in (0, 1, 2**50):
            call = Settlement(id="a", queue="mail", token=token, state=State.COMPLETED, memo=b"")
            assert await bench.settle(call) == [LOST], "only a lease gives the right to settle, and 0 is no token"
        assert await bench.get("a") == before, "a refused settlement leaves the record as it was, byte for byte"

    async def test_a_job_cancelled_after_it_was_handed_back_cannot_be_settled(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"), lease_for=MINUTE)
        bench.advance(MINUTE)
        await bench.keep_house()
        await bench.cancel("a", memo=b"by an operator")
        before = await bench.get("a")
        assert await bench.settle(settlement(lease)) == [LOST], "an operator came between"
        assert await bench.get("a") == before, "a refused settlement leaves the record as it was, byte for byte"

    async def test_a_cancellation_asked_for_does_not_refuse_a_result(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.cancel("a", memo=b"asked")
        assert await bench.settle(settlement(lease, State.COMPLETED, memo=b"result")) == [WRITTEN], (
            "a handler that finished before it could be stopped has finished"
        )
        job = await bench.get("a")
        assert (job.state, job.memo) == (State.COMPLETED, b"result"), "its result is kept"

    async def test_settlements_are_answered_in_order(self, bench: Bench) -> None:
        one, two, three = await bench.start(new_job("one"), new_job("two"), new_job("three"))
        await bench.settle(settlement(one))
        settled = await bench.settle(
            settlement(three, State.FAILED),
            settlement(one),
            settlement(two._replace(id="nobody")),
            settlement(two._replace(token=two.token - 1)),
            settlement(two),
            settlement(two),
        )
        assert settled == [WRITTEN, REPEATED, GONE, LOST, WRITTEN, REPEATED], (
            "each answer belongs to the settlement at its place, and one that is refused stops no other"
        )

    async def test_settlements_of_several_queues_go_together(self, bench: Bench) -> None:
        leases = await bench.start(new_job("a", queue="one"), new_job("b", queue="two"), new_job("c", queue="three"))
        assert await bench.settle(*(settlement(lease) for lease in leases)) == [WRITTEN] * 3, (
            "a runner serves many queues"
        )
        views = (await bench.overview("one", "two", "three")).queues
        assert [view.completed for view in views.values()] == [1, 1, 1], "each queue counts its own"

    async def test_many_settlements_are_written_each(self, bench: Bench) -> None:
        leases = await bench.start(*new_jobs(2_500))
        assert await bench.settle(*(settlement(lease) for lease in leases)) == [WRITTEN] * 2_500, "a batch may be large"
        view = (await bench.overview("mail")).queues["mail"]
        assert (view.active, view.completed) == (0, 2_500), "and every one of it counts"

    async def test_a_record_is_kept_for_a_very_long_time(self, bench: Bench) -> None:
        await bench.bring(State.FAILED, new_job("a"), keep_for=100 * 365 * DAY)
        bench.advance(99 * 365 * DAY)
        assert (await bench.get("a")).state is State.FAILED, "nothing hangs on a server's own expiry"
