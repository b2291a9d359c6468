"""What `get_jobs`, `overview` and `announce` promise: records by id, counts, and who is alive."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import pytest

from flowli.driver import Millis, QueueView, RunnerNote, State, StoredJob
from flowli_conformance.bench import HOUR, LEASE, MINUTE, Bench, new_job, new_jobs, settlement
from flowli_conformance.suite import Suite

__all__ = ["InspectSuite"]

_EMPTY = QueueView(scheduled=0, queued=0, active=0, completed=0, failed=0, cancelled=0, oldest_ready=None)


async def _seconds(bench: Bench) -> float:
    """What an overview takes: the best of many, so that what else the machine does is left out."""
    best = float("inf")
    for _ in range(30):
        began = perf_counter()
        await bench.overview("mail")
        best = min(best, perf_counter() - began)
    return best


class InspectSuite(Suite):
    """Reading shows what is there now, and changes nothing."""

    async def test_records_are_returned_in_the_order_asked(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"), new_job("b", queue="other"))
        found = await bench.driver.get_jobs(["b", "nobody", "a", "b"], now=bench.now)
        assert [job and job.id for job in found] == ["b", None, "a", "b"], "one answer for each id, None for no record"

    async def test_no_ids_have_no_records(self, bench: Bench) -> None:
        assert list(await bench.driver.get_jobs([], now=bench.now)) == [], "one answer for each id, so none for none"

    async def test_many_records_are_read_in_one_call(self, bench: Bench) -> None:
        jobs = new_jobs(2_500)
        await bench.enqueue(*jobs)
        found = await bench.driver.get_jobs([job.id for job in jobs], now=bench.now)
        assert [job and job.id for job in found] == [job.id for job in jobs], "a batch of reads may be large"

    async def test_a_record_is_whole_in_every_state(self, bench: Bench) -> None:
        for state in (State.ACTIVE, State.COMPLETED, State.FAILED, State.CANCELLED, State.SCHEDULED, State.QUEUED):
            await bench.bring(
                state, new_job(state, head=b"h-" + state.encode(), body=b"b-" + state.encode(), priority=2)
            )
        for state in State:
            job = await bench.get(state)
            assert (job.state, job.head, job.body, job.priority, job.name, job.queue) == (
                state,
                b"h-" + state.encode(),
                b"b-" + state.encode(),
                2,
                "send",
                "mail",
            ), f"head, body and the rest are readable while a job is {state}"

    async def test_reading_changes_nothing(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a", delay=MINUTE))
        (lease,) = await bench.start(new_job("b"), lease_for=LEASE)
        before = [await bench.get("a"), await bench.get("b")]
        await bench.overview()
        await bench.outcomes("a", "b")
        await bench.driver.list_jobs(State.ACTIVE, limit=10, now=bench.at(HOUR))
        assert [await bench.get("a"), await bench.get("b")] == before, "looking moves no job"
        assert (await bench.get("b")).token == lease.token, "and gives no lease"

    async def test_a_record_is_immutable_where_it_was_read(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))
        before = await bench.get("a")
        await bench.lease_one("a")
        assert before.state is State.QUEUED, "a record that was read shows what was, whatever becomes of the job"

    async def test_a_queue_counts_its_jobs_by_state(self, bench: Bench) -> None:
        numbers = {
            State.ACTIVE: 1,
            State.COMPLETED: 2,
            State.FAILED: 3,
            State.CANCELLED: 4,
            State.SCHEDULED: 5,
            State.QUEUED: 6,
        }
        for state, number in numbers.items():
            await bench.bring(state, *new_jobs(number, prefix=state))
        assert (await bench.overview("mail")).queues["mail"] == QueueView(
            scheduled=5, queued=6, active=1, completed=2, failed=3, cancelled=4, oldest_ready=bench.now
        ), "each job is counted once, in the state it is in"

    async def test_queues_count_for_themselves(self, bench: Bench) -> None:
        await bench.enqueue(
            new_job("a", queue="one"), new_job("b", queue="two"), new_job("c", queue="two", delay=MINUTE)
        )
        views = (await bench.overview("one", "two")).queues
        assert {queue: (view.queued, view.scheduled) for queue, view in views.items()} == {
            "one": (1, 0),
            "two": (1, 1),
        }, "an operator sees which queue is behind"

    async def test_an_overview_without_names_shows_every_known_queue(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a", queue="one"), new_job("b", queue="two", delay=MINUTE))
        await bench.bring(State.ACTIVE, new_job("c", queue="three"))
        await bench.bring(State.FAILED, new_job("d", queue="four"))
        assert set((await bench.overview()).queues) == {"one", "two", "three", "four"}, (
            "a queue is known while any job of it is kept, in whatever state"
        )

    async def test_an_overview_of_names_shows_those_alone(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a", queue="one"), new_job("b", queue="two"))
        assert set((await bench.overview("two")).queues) == {"two"}, "only what was asked for is counted"

    async def test_an_unknown_queue_that_is_named_is_empty(self, bench: Bench) -> None:
        assert (await bench.overview("nobody")).queues == {"nobody": _EMPTY}, (
            "a queue that was named is in the answer: a dashboard needs no special case before the first job"
        )

    async def test_asking_for_a_queue_does_not_make_it_known(self, bench: Bench) -> None:
        await bench.overview("asked")
        await bench.exchange(bench.claim(queues=["claimed"]))
        assert (await bench.overview()).queues == {}, "a misspelt name does not stay for ever"

    async def test_counts_follow_a_job_through_its_life(self, bench: Bench) -> None:
        async def counts() -> tuple[int, int, int, int]:
            view = (await bench.overview("mail")).queues["mail"]
            return view.scheduled, view.queued, view.active, view.completed

        await bench.enqueue(new_job("a", delay=MINUTE))
        seen = [await counts()]
        bench.advance(MINUTE)
        await bench.keep_house()
        seen.append(await counts())
        lease = await bench.lease_one("a")
        seen.append(await counts())
        await bench.settle(settlement(lease, keep_for=HOUR))
        seen.append(await counts())
        bench.advance(HOUR)
        seen.append(await counts())
        assert seen == [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (0, 0, 0, 0)], (
            "a job is counted in one state at a time, and in none when it is gone"
        )

    async def test_the_age_of_a_queue_is_that_of_its_head(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))
        ready_at = bench.now
        bench.advance(MINUTE)
        await bench.enqueue(new_job("b"))
        assert (await bench.overview("mail")).queues["mail"].oldest_ready == ready_at, "how far behind the runners are"
        await bench.lease_one("a")
        assert (await bench.overview("mail")).queues["mail"].oldest_ready == bench.now, "then that of the next job"
        await bench.lease_one("b")
        assert (await bench.overview("mail")).queues["mail"].oldest_ready is None, "and None for an empty queue"

    async def test_the_age_of_a_queue_with_a_job_handed_back_is_0(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.enqueue(new_job("b"))
        await bench.settle(settlement(lease, State.QUEUED))
        assert (await bench.overview("mail")).queues["mail"].oldest_ready == 0, (
            "0 is the instant of what was handed back"
        )

    async def test_the_head_of_a_queue_is_what_is_served_next(self, bench: Bench) -> None:
        await bench.enqueue(new_job("old"))
        bench.advance(MINUTE)
        await bench.enqueue(new_job("urgent", priority=9))
        assert (await bench.overview("mail")).queues["mail"].oldest_ready == bench.now, (
            "the head is the most urgent job"
        )

    async def test_an_overview_says_when_it_was_taken(self, bench: Bench) -> None:
        bench.advance(MINUTE)
        overview = await bench.overview()
        assert (overview.now, overview.schedules, list(overview.runners)) == (bench.now, 0, []), (
            "an empty store is empty"
        )

    async def test_counts_take_no_longer_for_many_jobs(self, bench: Bench) -> None:
        await bench.enqueue(*new_jobs(2))
        few = await _seconds(bench)
        await bench.enqueue(*new_jobs(10_000, prefix="many"))
        assert await _seconds(bench) < 5 * few + 0.002, (
            "counts are kept where they change, not made by a walk over the jobs: a dashboard must not slow down a "
            "store that has fallen behind"
        )

    async def test_an_announced_runner_is_seen(self, bench: Bench) -> None:
        notes = [
            _note(bench, "one", queues=["mail", "news"], note=b"host a"),
            _note(bench, "two", queues=None, note=b""),
        ]
        await _announce(bench, notes)
        seen = sorted((await bench.overview()).runners, key=lambda note: note.id)
        assert [(note.id, _queues(note), note.note, note.alive_until) for note in seen] == [
            ("one", ["mail", "news"], b"host a", bench.at(MINUTE)),
            ("two", None, b"", bench.at(MINUTE)),
        ], "who serves which queues, as the runner said it, and until when that is believed"

    async def test_a_runner_is_gone_when_its_time_has_come(self, bench: Bench) -> None:
        await _announce(bench, [_note(bench, "one")])
        bench.advance(MINUTE - 1)
        assert [note.id for note in (await bench.overview()).runners] == ["one"], "until then it is alive"
        bench.advance(1)
        assert list((await bench.overview()).runners) == [], "a runner that went silent is not listed for ever"

    async def test_a_runner_that_says_it_again_lives_on(self, bench: Bench) -> None:
        await _announce(bench, [_note(bench, "one", note=b"first")])
        bench.advance(MINUTE - 1)
        await _announce(bench, [_note(bench, "one", note=b"second")])
        bench.advance(MINUTE - 1)
        assert [(note.id, note.note) for note in (await bench.overview()).runners] == [("one", b"second")], (
            "a runner has one note, its newest"
        )

    @pytest.mark.parametrize("offset", [0, -1, -HOUR])
    async def test_a_runner_takes_itself_off_the_list(self, bench: Bench, offset: int) -> None:
        await _announce(bench, [_note(bench, "one"), _note(bench, "two")])
        await _announce(bench, [_note(bench, "one", alive_for=offset)])
        assert [note.id for note in (await bench.overview()).runners] == ["two"], (
            "a runner that stopped is gone at once"
        )

    async def test_an_unknown_runner_may_take_itself_off_the_list(self, bench: Bench) -> None:
        await _announce(bench, [_note(bench, "nobody", alive_for=-1)])
        assert list((await bench.overview()).runners) == [], "a farewell without a greeting is harmless"

    async def test_a_runner_is_seen_through_every_driver(self, bench: Bench) -> None:
        await _announce(bench, [_note(bench, "one")])
        other = await bench.second_driver()
        assert [note.id for note in (await other.overview(now=bench.now)).runners] == ["one"], "the list is the store's"

    async def test_a_record_is_the_same_through_every_driver(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))
        other = await bench.second_driver()
        found: Sequence[StoredJob | None] = await other.get_jobs(["a"], now=bench.now)
        assert list(found) == [await bench.get("a")], "two drivers on one store see one job"


def _note(
    bench: Bench, id: str, *, queues: Sequence[str] | None = ("mail",), note: bytes = b"note", alive_for: int = MINUTE
) -> RunnerNote:
    return RunnerNote(id=id, queues=queues, note=note, alive_until=Millis(bench.now + alive_for))


def _queues(note: RunnerNote) -> list[str] | None:
    return None if note.queues is None else list(note.queues)


async def _announce(bench: Bench, notes: Sequence[RunnerNote]) -> None:
    for note in notes:
        await bench.driver.announce(note, now=bench.now)
