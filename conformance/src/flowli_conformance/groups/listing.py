"""What `list_jobs` promises: the jobs of a state, without bodies, in pieces that survive changes between them."""

from __future__ import annotations

import pytest

from flowli.driver import Slice, State, StoredJob
from flowli_conformance.bench import DAY, HOUR, MINUTE, QUEUE, Bench, new_job, new_jobs, only, raises, settlement
from flowli_conformance.suite import Suite

__all__ = ["ListSuite"]

_TERMINAL = [State.COMPLETED, State.FAILED, State.CANCELLED]
_PLACES = pytest.mark.parametrize("queue", [QUEUE, None], ids=["one-queue", "all-queues"])
_FOREIGN = "A cursor of elsewhere is refused: it would show another page than was asked for"
_STATES = pytest.mark.parametrize("state", list(State))


async def _piece(
    bench: Bench, state: State, *, queue: str | None = None, limit: int = 100, cursor: str | None = None
) -> Slice[StoredJob]:
    return await bench.driver.list_jobs(state, queue=queue, limit=limit, cursor=cursor, now=bench.now)


async def _walk(
    bench: Bench, state: State, *, queue: str | None = None, limit: int = 7, cursor: str | None = None
) -> list[str]:
    found = await _piece(bench, state, queue=queue, limit=limit, cursor=cursor)
    ids = _ids(found)
    while found.cursor is not None:
        found = await _piece(bench, state, queue=queue, limit=limit, cursor=found.cursor)
        ids += _ids(found)
    return ids


def _ids(found: Slice[StoredJob]) -> list[str]:
    return [job.id for job in found.items]


async def _crowd(bench: Bench, state: State, number: int = 40, *, prefix: str = "job") -> list[str]:
    """Jobs of one state, several of them at each instant."""
    jobs = new_jobs(number, prefix=prefix)
    for start in range(0, number, 5):
        await bench.bring(state, *jobs[start : start + 5])
        bench.advance(1)
    return [job.id for job in jobs]


class ListSuite(Suite):
    """Every item that is there throughout is met exactly once."""

    @_STATES
    async def test_a_listing_shows_the_jobs_of_its_state_alone(self, bench: Bench, state: State) -> None:
        for each in (State.ACTIVE, *_TERMINAL, State.SCHEDULED, State.QUEUED):
            await bench.bring(each, new_job(f"{each}-1"), new_job(f"{each}-2"))
        assert sorted(await _walk(bench, state)) == [f"{state}-1", f"{state}-2"], (
            "a job is listed in the state it is in"
        )

    @_STATES
    async def test_a_listing_shows_records_without_their_bodies(self, bench: Bench, state: State) -> None:
        await bench.bring(state, new_job("a", head=b"h", body=b"b", priority=3))
        listed = only((await _piece(bench, state)).items, "a job is listed in the state it is in")
        job = await bench.get("a")
        assert listed.body is None, "a page of jobs stays small, whatever their inputs"
        assert (listed.id, listed.state, listed.head, listed.memo, listed.priority) == (
            "a",
            state,
            b"h",
            job.memo,
            3,
        ), "head and memo are listed: core filters over them"
        assert (listed.queue, listed.name, listed.due, listed.token, listed.deliveries) == (
            job.queue,
            job.name,
            job.due,
            job.token,
            job.deliveries,
        ), "a listing and a read by id agree"

    @_STATES
    async def test_a_listing_of_nothing_ends_at_once(self, bench: Bench, state: State) -> None:
        for queue in (None, "nobody"):
            found = await _piece(bench, state, queue=queue)
            assert (list(found.items), found.cursor) == ([], None), "an empty listing is empty, and has no next piece"

    @_STATES
    async def test_a_listing_of_one_queue_shows_that_queue_alone(self, bench: Bench, state: State) -> None:
        await bench.bring(state, new_job("mine", queue="one"))
        await bench.bring(state, new_job("other", queue="two"))
        assert await _walk(bench, state, queue="one") == ["mine"], "an operator looks at one queue at a time"
        assert sorted(await _walk(bench, state)) == ["mine", "other"], "or at all of them"

    @_STATES
    @_PLACES
    async def test_pieces_make_the_whole(self, bench: Bench, state: State, queue: str | None) -> None:
        ids = await _crowd(bench, state)
        for limit in (1, 7, 40, 100):
            assert sorted(await _walk(bench, state, queue=queue, limit=limit)) == ids, (
                f"in pieces of {limit} every job is met exactly once, also where many share an instant"
            )

    async def test_a_job_that_was_cancelled_and_came_again_at_once_is_listed_once(self, bench: Bench) -> None:
        ids = [job.id for job in new_jobs(6)]
        again = [ids[1], ids[3]]
        await bench.enqueue(*new_jobs(6))
        await bench.cancel(*again, keep_for=0)
        await bench.enqueue(*(new_job(id) for id in again))
        order = [*(id for id in ids if id not in again), *again]
        for limit in (1, 2, 3, 100):
            assert await _walk(bench, State.QUEUED, queue=new_job("a").queue, limit=limit) == order, (
                f"in pieces of {limit}: what a deleted job left behind, at the same instant, is not the job that came"
            )

    @_STATES
    async def test_a_piece_has_no_more_than_its_limit(self, bench: Bench, state: State) -> None:
        await _crowd(bench, state, 10)
        found = await _piece(bench, state, limit=4)
        assert 0 < len(found.items) <= 4, "a page has the size that was asked for"
        assert found.cursor is not None, "and says how to go on"

    @_STATES
    async def test_a_listing_over_several_queues_is_whole(self, bench: Bench, state: State) -> None:
        ids: list[str] = []
        for queue in ("one", "two", "three"):
            jobs = new_jobs(11, prefix=queue, queue=queue)
            await bench.bring(state, *jobs)
            ids += [job.id for job in jobs]
        assert sorted(await _walk(bench, state, limit=4)) == sorted(ids), "going from queue to queue loses nothing"

    @pytest.mark.parametrize("state", [State.SCHEDULED, State.ACTIVE, *_TERMINAL])
    @_PLACES
    async def test_a_listing_survives_what_is_added(self, bench: Bench, state: State, queue: str | None) -> None:
        ids = await _crowd(bench, state, 20)
        first = await _piece(bench, state, queue=queue, limit=7)
        await _crowd(bench, state, 20, prefix="added")
        met = _ids(first) + await _walk(bench, state, queue=queue, cursor=first.cursor)
        assert sorted(id for id in met if not id.startswith("added")) == ids, (
            "what is there throughout is met exactly once, whatever is added between two pieces"
        )
        assert len(set(met)) == len(met), "nor is anything met twice that was added"

    @pytest.mark.parametrize("state", [State.SCHEDULED, State.QUEUED])
    @_PLACES
    async def test_a_listing_survives_what_is_cancelled(self, bench: Bench, state: State, queue: str | None) -> None:
        ids = await _crowd(bench, state)
        first = await _piece(bench, state, queue=queue, limit=7)
        unseen = [id for id in ids if id not in _ids(first)]
        removed = {*_ids(first)[-3:], *unseen[::3]}
        await bench.cancel(*removed, keep_for=0)
        rest = await _walk(bench, state, queue=queue, cursor=first.cursor)
        assert sorted(_ids(first) + rest) == sorted({*_ids(first), *unseen} - (removed - set(_ids(first)))), (
            "what is there throughout is met exactly once, also when the job at the cursor has gone"
        )

    @_PLACES
    async def test_a_listing_of_running_jobs_survives_what_is_settled(self, bench: Bench, queue: str | None) -> None:
        leases = [lease for start in range(8) for lease in await bench.start(*new_jobs(5, prefix=f"job-{start}"))]
        first = await _piece(bench, State.ACTIVE, queue=queue, limit=7)
        seen, gone = _ids(first), {lease.id for lease in leases[::2]}
        await bench.settle(*(settlement(lease, keep_for=0) for lease in leases if lease.id in gone))
        rest = await _walk(bench, State.ACTIVE, queue=queue, cursor=first.cursor)
        assert sorted(id for id in seen + rest if id not in gone) == sorted(
            lease.id for lease in leases if lease.id not in gone
        ), "what is there throughout is met exactly once, whatever ends between two pieces"

    @pytest.mark.parametrize("state", _TERMINAL)
    @_PLACES
    async def test_a_listing_survives_what_expires(self, bench: Bench, state: State, queue: str | None) -> None:
        for index in range(20):
            await bench.bring(state, new_job(f"goes-{index}"), keep_for=MINUTE)
            await bench.bring(state, new_job(f"stays-{index:02}"), keep_for=DAY)
        first = await _piece(bench, state, queue=queue, limit=7)
        bench.advance(HOUR)
        await bench.keep_house()
        rest = await _walk(bench, state, queue=queue, cursor=first.cursor)
        assert sorted(id for id in _ids(first) + rest if id.startswith("stays")) == [
            f"stays-{index:02}" for index in range(20)
        ], "what is there throughout is met exactly once, whatever expires between two pieces"
        assert not [id for id in rest if id.startswith("goes")], "what has expired is not met"

    async def test_queued_jobs_are_listed_in_the_order_of_service(self, bench: Bench) -> None:
        await bench.enqueue(new_job("back", priority=5))
        lease = await bench.lease_one("back")
        for index in range(20):
            await bench.enqueue(new_job(f"job-{index}", priority=(0, 5, 9)[index % 3]))
            bench.advance(1)
        await bench.settle(settlement(lease, State.QUEUED))
        listed = await _walk(bench, State.QUEUED, queue=QUEUE, limit=4)
        assert listed == await bench.lease_ids(100), "an operator sees what is served next, and what after it"

    @_PLACES
    async def test_a_listing_of_a_queue_survives_what_is_leased(self, bench: Bench, queue: str | None) -> None:
        ids = await _crowd(bench, State.QUEUED)
        first = await _piece(bench, State.QUEUED, queue=queue, limit=7)
        leased = await bench.lease_ids(10)
        rest = await _walk(bench, State.QUEUED, queue=queue, cursor=first.cursor)
        assert sorted(id for id in _ids(first) + rest if id not in leased) == ids[10:], (
            "runners take from the head while an operator reads: what still waits is met exactly once"
        )

    @_PLACES
    async def test_a_listing_of_a_queue_survives_what_comes_to_its_front(self, bench: Bench, queue: str | None) -> None:
        leases = await bench.start(*new_jobs(5, prefix="back"))
        ids = await _crowd(bench, State.QUEUED)
        first = await _piece(bench, State.QUEUED, queue=queue, limit=7)
        await bench.settle(*(settlement(lease, State.QUEUED) for lease in leases))
        await bench.enqueue(*(new_job(f"urgent-{index}", priority=9) for index in range(5)))
        await bench.enqueue(*new_jobs(5, prefix="last"))
        met = _ids(first) + await _walk(bench, State.QUEUED, queue=queue, cursor=first.cursor)
        assert sorted(id for id in met if id in ids) == ids, "what waits throughout is met exactly once"
        assert len(set(met)) == len(met), "nor is anything met twice that was added"

    @_STATES
    @pytest.mark.parametrize("cursor", ["nonsense", "\x00", "🦊"])
    async def test_a_foreign_cursor_is_refused(self, bench: Bench, state: State, cursor: str) -> None:
        await bench.bring(state, *new_jobs(3))
        for queue in (None, QUEUE):
            with raises(ValueError, _FOREIGN, says="(?i)cursor"):
                await _piece(bench, state, queue=queue, cursor=cursor)

    @_STATES
    @pytest.mark.parametrize("limit", [0, -1])
    async def test_a_listing_of_less_than_one_is_refused(self, bench: Bench, state: State, limit: int) -> None:
        await bench.bring(state, new_job("a"))
        for queue in (None, QUEUE):
            with raises(ValueError, "A page of nothing never comes to an end: its reader would turn it for ever"):
                await _piece(bench, state, queue=queue, limit=limit)

    async def test_a_cursor_holds_through_another_driver(self, bench: Bench) -> None:
        ids = await _crowd(bench, State.QUEUED)
        first = await _piece(bench, State.QUEUED, queue=QUEUE, limit=7)
        other = await bench.second_driver()
        rest = await other.list_jobs(State.QUEUED, queue=QUEUE, limit=100, cursor=first.cursor, now=bench.now)
        assert sorted(_ids(first) + _ids(rest)) == ids, "the next page may be asked of another process"
