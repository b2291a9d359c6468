"""Faults of `enqueue`: ids, instants, batches, bytes and turns."""

from __future__ import annotations

from collections.abc import Sequence

from flowli.driver import Disposition, Enqueued, Millis, NewJob, State, Turn
from tests.conformance.faults.faulty import Faulty, caught_by

__all__: list[str] = []


@caught_by(
    "test_a_known_id_is_existing_and_replaces_nothing",
    "test_an_id_twice_in_one_batch_is_one_job",
)
class IgnoresIds(Faulty):
    """Each request makes a job of its own."""

    def meets(self, job: NewJob) -> NewJob:
        number = sum(id.partition("~")[0] == job.id for lane in self.store.lanes.values() for id in lane.queued.jobs)
        return job if self.job(job.id) is None else job._replace(id=f"{job.id}~{number}")

    async def enqueue(
        self, jobs: Sequence[NewJob], *, turn: Turn | None = None, now: Millis | None = None
    ) -> Sequence[Enqueued]:
        answers: list[Enqueued] = []
        for job in jobs:
            answers += await super().enqueue([job], now=now)
        return answers


@caught_by("test_an_id_is_known_whatever_its_queue")
class KnowsIdsByQueue(Faulty):
    """An id of another queue is another id."""

    def meets(self, job: NewJob) -> NewJob:
        known = self.job(job.id)
        return job if known is None or known.lane.queue == job.queue else job._replace(id=f"{job.id}~{job.queue}")


@caught_by(
    "test_a_known_id_is_existing_and_replaces_nothing",
    "test_new_and_known_ids_of_a_batch_are_answered_in_order",
)
class ReplacesWhatStands(Faulty):
    """A repeated request overwrites the job that waits."""

    def meets(self, job: NewJob) -> NewJob:
        known = self.job(job.id)
        if known is not None and known.shelf.state is State.QUEUED:
            known.shelf.remove(known)
            self.store.finish(known, State.CANCELLED, 0, 0)
        return job


@caught_by(
    "test_an_enqueue_repeated_after_the_job_left_nothing_makes_no_second_job",
    "test_an_enqueue_is_remembered_for_ten_minutes",
)
class ForgetsTurnsOfProducers(Faulty):
    """A repeated enqueue is one enqueue more."""

    async def enqueue(
        self, jobs: Sequence[NewJob], *, turn: Turn | None = None, now: Millis | None = None
    ) -> Sequence[Enqueued]:
        return await super().enqueue(jobs, now=now)


@caught_by("test_new_and_known_ids_of_a_batch_are_answered_in_order")
class AnswersNewOnesFirst(Faulty):
    """The answers of a batch do not come in its order."""

    async def enqueue(
        self, jobs: Sequence[NewJob], *, turn: Turn | None = None, now: Millis | None = None
    ) -> Sequence[Enqueued]:
        answers = await super().enqueue(jobs, turn=turn, now=now)
        return sorted(answers, key=lambda answer: answer.disposition is Disposition.EXISTING)


@caught_by("test_a_large_batch_is_stored_whole_and_answered_in_order", "test_a_large_claim_is_served_whole")
class StoresTheFirstThousand(Faulty):
    """Of a batch that is cut, the first part is stored and all of it confirmed."""

    async def enqueue(
        self, jobs: Sequence[NewJob], *, turn: Turn | None = None, now: Millis | None = None
    ) -> Sequence[Enqueued]:
        answers = await super().enqueue(jobs[:1_000], turn=turn, now=now)
        return [*answers, *(answers[0]._replace(id=job.id) for job in jobs[1_000:])]


@caught_by("test_new_and_known_ids_of_a_batch_are_answered_in_order", "test_an_id_twice_in_one_batch_is_one_job")
class AnswersForNewOnesOnly(Faulty):
    """What was known already has no answer."""

    async def enqueue(
        self, jobs: Sequence[NewJob], *, turn: Turn | None = None, now: Millis | None = None
    ) -> Sequence[Enqueued]:
        answers = await super().enqueue(jobs, turn=turn, now=now)
        return [answer for answer in answers if answer.disposition is Disposition.CREATED]


@caught_by("test_a_scheduled_job_is_not_leased_before_its_instant", "test_a_later_instant_makes_a_scheduled_job")
class IgnoresInstants(Faulty):
    """Every job is ready at once."""

    def meets(self, job: NewJob) -> NewJob:
        return job._replace(due=None, delay=None)


@caught_by("test_an_instant_wins_over_a_delay")
class PrefersDelays(Faulty):
    """Of an instant and a delay the delay counts."""

    def meets(self, job: NewJob) -> NewJob:
        return job if job.delay is None else job._replace(due=None)


@caught_by("test_a_higher_priority_is_served_first", "test_a_priority_survives_a_retry")
class IgnoresPriorities(Faulty):
    """Every job is as urgent as any other."""

    def meets(self, job: NewJob) -> NewJob:
        return job._replace(priority=0)


@caught_by("test_odd_bytes_come_back[all-values]", "test_odd_bytes_come_back[not-utf-8]", "test_a_large_record_is_kept")
class ManglesBodies(Faulty):
    """Bytes pass through a text of another encoding."""

    def meets(self, job: NewJob) -> NewJob:
        return job._replace(body=job.body.decode("latin-1").encode())


@caught_by("test_an_odd_id_lives_a_whole_life[braces]", "test_an_odd_id_is_cancelled[braces]")
class TakesBracesForHashTags(Faulty):
    """An id loses what has a meaning in a key."""

    def meets(self, job: NewJob) -> NewJob:
        return job._replace(id=job.id.replace("{", "").replace("}", ""))


@caught_by("test_an_odd_id_lives_a_whole_life[newlines]", "test_an_odd_id_lives_a_whole_life[nul]")
class EndsIdsAtControls(Faulty):
    """An id ends where a line does, or a text in C."""

    def meets(self, job: NewJob) -> NewJob:
        return job._replace(id=job.id.partition("\n")[0].partition("\x00")[0])


@caught_by("test_an_odd_queue_is_served[colons]", "test_queues_and_ids_are_not_mixed_up")
class CutsQueuesAtColons(Faulty):
    """A queue ends where the separator of keys stands."""

    def meets(self, job: NewJob) -> NewJob:
        return job._replace(queue=job.queue.partition(":")[0])


@caught_by("test_ids_that_look_alike_are_two_jobs[case]")
class ComparesIdsWithoutCase(Faulty):
    """The collation of a database that nobody thought of."""

    def meets(self, job: NewJob) -> NewJob:
        alike = [id for lane in self.store.lanes.values() for id in lane.queued.jobs if id.lower() == job.id.lower()]
        return job._replace(id=alike[0]) if alike else job

    async def enqueue(
        self, jobs: Sequence[NewJob], *, turn: Turn | None = None, now: Millis | None = None
    ) -> Sequence[Enqueued]:
        answers: list[Enqueued] = []
        for job in jobs:
            answers += await super().enqueue([job], turn=turn, now=now)
        return answers
