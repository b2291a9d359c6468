"""Records with odd names and odd or large bytes: whatever core hands over comes back as it was."""

from __future__ import annotations

from hashlib import sha256

import pytest

from flowli.driver import Change, Lease, Millis, RunnerNote, Settled, State, StoredSchedule
from flowli_conformance.bench import HOUR, MINUTE, SECOND, Bench, new_job, only, paired, settlement
from flowli_conformance.suite import Suite

__all__ = ["RecordsSuite"]

_ODD_TEXTS = {
    "space": "a b ",
    "unicode": "naïve-ключ-钥匙-🦊",
    "combining": "e\u0301",
    "braces": "{app}:{0}",
    "colons": "a:b::c",
    "slashes": "a/b//c\\d",
    "newlines": "a\nb\r\nc",
    "tab": "a\tb",
    "nul": "a\x00b\x00",
    "glob": "*?[a-z]",
    "format": "%s %(x)s {} $1",
    "quotes": "'\"`;--",
    "number": "0",
    "negative": "-1",
    "infinite": "+inf",
    "long": "x" * 200,
    "long-unicode": "ж" * 100,
    "made": "01JD8X7Q2N5V9ZC3KWB4T6YHRM",
}

_ODD_BYTES = {
    "empty": b"",
    "all-values": bytes(range(256)),
    "nul": b"\x00",
    "not-utf-8": b"\xff\xfe\xc3\x28",
    "newlines": b"\r\n\r\n\n\r",
    "resp": b"$5\r\nhello\r\n*0\r\n",
    "looks-like-a-number": b"0",
    "separators": b"\t|:/ {}",
    "long": b"0123456789abcdef" * 256,
}

_TEXTS = pytest.mark.parametrize("text", list(_ODD_TEXTS.values()), ids=list(_ODD_TEXTS))
_BYTES = pytest.mark.parametrize("data", list(_ODD_BYTES.values()), ids=list(_ODD_BYTES))

_LARGE = bytes(range(256)) * 4_096
"""1 MB."""


def _gist(data: bytes | None) -> tuple[int, str]:
    """What two large values are compared by, for pytest looks minutes for what differs in a megabyte."""
    return (0, "nothing") if data is None else (len(data), sha256(data).hexdigest())


class RecordsSuite(Suite):
    """Names are text and payloads are bytes: none has a meaning for the store."""

    @_TEXTS
    async def test_an_odd_id_lives_a_whole_life(self, bench: Bench, text: str) -> None:
        (answer,) = await bench.enqueue(new_job(text))
        assert answer.id == text, "an id is the caller's own"
        assert (await bench.enqueue(new_job(text)))[0].disposition.value == "existing", "and known when it comes again"
        lease = await bench.lease_one(text)
        assert [renewal.value for renewal in await bench.renew(lease)] == ["renewed"], "its lease is renewed"
        assert await bench.settle(settlement(lease)) == [Settled.WRITTEN], "and settled"
        assert list(await bench.outcomes(text)) == [text], "its outcome is found by its id"
        listed = await bench.driver.list_jobs(State.COMPLETED, limit=10, now=bench.now)
        assert [job.id for job in listed.items] == [text], "and it is listed under it"

    @_TEXTS
    async def test_an_odd_id_is_cancelled(self, bench: Bench, text: str) -> None:
        await bench.enqueue(new_job(text))
        assert [acted.done for acted in await bench.cancel(text, keep_for=0)] == [True], "an id alone finds its job"
        assert await bench.find(text) is None, "whatever characters it has"

    @_TEXTS
    async def test_an_odd_queue_is_served(self, bench: Bench, text: str) -> None:
        await bench.enqueue(new_job("a", queue=text), new_job("b", queue=text, delay=SECOND, priority=5))
        assert (await bench.overview(text)).queues[text].queued == 1, "a queue is named by the user"
        assert set((await bench.overview()).queues) == {text}, "and known by this name"
        lease = only(await bench.lease(queues=[text]), "a queue is served by its name, whatever characters it has")
        assert (lease.id, lease.queue) == ("a", text), "and served by it"
        bench.advance(SECOND)
        assert await bench.lease_ids(queues=None) == ["b"], "also where all are served"
        assert await bench.settle(settlement(lease)) == [Settled.WRITTEN], "and its jobs are settled"

    @_TEXTS
    async def test_an_odd_name_comes_back(self, bench: Bench, text: str) -> None:
        await bench.enqueue(new_job("a", name=text))
        lease = await bench.lease_one("a")
        assert (lease.name, (await bench.get("a")).name) == (text, text), "the name says which handler runs"
        bench.advance(HOUR)
        assert [lapse.name for lapse in (await bench.keep_house()).recovered] == [text], "and which one crashed"

    @_TEXTS
    async def test_an_odd_runner_claims_and_is_seen(self, bench: Bench, text: str) -> None:
        await bench.enqueue(new_job("a"), new_job("b"))
        claim = bench.claim(1, runner=text)
        first = await bench.exchange(claim)
        assert list((await bench.exchange(claim)).leases) == list(first.leases), "a runner's turn is known by its name"
        note = RunnerNote(id=text, queues=[text], note=b"", alive_until=bench.at(MINUTE))
        await bench.driver.announce(note, now=bench.now)
        seen = only((await bench.overview()).runners, "a runner is seen once")
        assert (seen.id, seen.queues and list(seen.queues)) == (text, [text]), "and it is listed under its name"

    @_TEXTS
    async def test_an_odd_schedule_key_is_kept(self, bench: Bench, text: str) -> None:
        await _put_schedule(bench, text, b"body")
        stored = StoredSchedule(key=text, version=1, next_run_at=bench.now, body=b"body")
        assert list(await bench.driver.get_schedules([text])) == [stored], "a key is named by the user"
        for due in (True, False):
            listed = await bench.driver.list_schedules(due=due, limit=10, now=bench.now)
            assert list(listed.items) == [stored], "and listed under its name"

    @pytest.mark.parametrize(
        ("one", "other"),
        [("a", "A"), ("a", "a "), ("a", "a\x00"), ("é", "e\u0301"), ("1", "01"), ("a:b", "a/b"), ("", " ")],
        ids=["case", "space", "nul", "normal-form", "zero", "separator", "empty"],
    )
    async def test_ids_that_look_alike_are_two_jobs(self, bench: Bench, one: str, other: str) -> None:
        if not one:
            one = "-"
        answers = await bench.enqueue(new_job(one), new_job(other))
        assert [answer.disposition.value for answer in answers] == ["created", "created"], "ids are compared exactly"
        assert await bench.lease_ids() == [one, other], "and both jobs run"

    async def test_queues_and_ids_are_not_mixed_up(self, bench: Bench) -> None:
        pairs = [("a", "b:c"), ("a:b", "c"), ("a/b", "d"), ("a", "b/d"), ("a\tb", "e"), ("a", "b\te"), ("a b", "a")]
        await bench.enqueue(*(new_job(id, queue=queue) for queue, id in pairs))
        for queue in dict.fromkeys(queue for queue, _ in pairs):
            assert await bench.lease_ids(queues=[queue]) == [id for name, id in pairs if name == queue], (
                "where a queue ends and an id begins is never guessed"
            )

    @_BYTES
    async def test_odd_bytes_come_back(self, bench: Bench, data: bytes) -> None:
        await bench.enqueue(new_job("a", head=data, body=data))
        lease = await bench.lease_one("a")
        assert (lease.head, lease.body) == (data, data), "a runner gets the bytes that were enqueued"
        await bench.settle(settlement(lease, State.SCHEDULED, memo=data, delay=MINUTE))
        bench.advance(MINUTE)
        lease = await bench.lease_one("a")
        assert (lease.head, lease.body, lease.memo) == (data, data, data), "at each attempt, with the memo of the last"
        await bench.settle(settlement(lease, memo=data))
        job = await bench.get("a")
        assert (job.head, job.body, job.memo) == (data, data, data), "and so does whoever reads the record"

    @_BYTES
    async def test_odd_bytes_are_listed(self, bench: Bench, data: bytes) -> None:
        await bench.bring(State.CANCELLED, new_job("other"))
        (lease,) = await bench.start(new_job("a", head=data))
        await bench.settle(settlement(lease, State.FAILED, memo=data))
        found = await bench.driver.list_jobs(State.FAILED, limit=10, now=bench.now)
        listed = only(found.items, "a job that failed is listed")
        assert (listed.head, listed.memo) == (data, data), "a listing shows head and memo as they are"

    @_BYTES
    async def test_odd_bytes_of_a_cancellation_come_back(self, bench: Bench, data: bytes) -> None:
        await bench.enqueue(new_job("a"))
        await bench.cancel("a", memo=data)
        assert (await bench.get("a")).memo == data, "an operator's memo is bytes too"

    @_BYTES
    async def test_odd_bytes_of_schedules_and_runners_come_back(self, bench: Bench, data: bytes) -> None:
        await _put_schedule(bench, "a", data)
        schedule = only(await bench.driver.get_schedules(["a"]), "one answer for each key")
        assert schedule is not None and schedule.body == data, "a schedule keeps what core wrote"
        note = RunnerNote(id="runner", queues=None, note=data, alive_until=bench.at(MINUTE))
        await bench.driver.announce(note, now=bench.now)
        assert [seen.note for seen in (await bench.overview()).runners] == [data], "and a runner's note comes back"

    async def test_a_large_record_is_kept(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a", head=_LARGE[:65_536], body=_LARGE))
        lease = await bench.lease_one("a")
        assert _gist(lease.body) == _gist(_LARGE), "a body of 1 MB is a body"
        assert _gist(lease.head) == _gist(_LARGE[:65_536]), "and what a claim tells may be 64 KiB"
        await bench.settle(settlement(lease, memo=_LARGE[::-1]))
        job = await bench.get("a")
        assert _gist(job.memo) == _gist(_LARGE[::-1]), "and so is a result"
        assert _gist(job.body) == _gist(_LARGE), "beside the body"

    async def test_a_batch_of_large_records_is_kept(self, bench: Bench) -> None:
        await bench.enqueue(*(new_job(f"job-{index}", body=_LARGE + bytes([index])) for index in range(12)))
        leases: list[Lease] = []
        while taken := (await bench.exchange(bench.claim(12, max_bytes=4_000_000))).leases:
            leases += taken
        assert [lease.body[-1] for lease in leases] == list(range(12)), "each job has its own body"
        assert {_gist(lease.body[:-1]) for lease in leases} == {_gist(_LARGE)}, "whole"

    async def test_a_cleared_memo_leaves_nothing_of_a_large_one(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.settle(settlement(lease, State.QUEUED, memo=_LARGE))
        lease = await bench.lease_one("a")
        assert _gist(lease.memo) == _gist(_LARGE), "a memo may be large"
        await bench.settle(settlement(lease, State.QUEUED, memo=b"small"))
        assert (await bench.get("a")).memo == b"small", "and is replaced whole"

    async def test_a_very_late_instant_is_kept(self, bench: Bench) -> None:
        year_9999 = Millis(253_370_764_800_000)
        await bench.enqueue(new_job("a", due=year_9999), new_job("b", due=year_9999 + 1, priority=9))
        assert [(await bench.get(id)).due for id in ("a", "b")] == [year_9999, year_9999 + 1], "to the millisecond"
        bench.advance(year_9999 - bench.now)
        assert await bench.lease_ids() == ["a"], "and is an instant like any other"


async def _put_schedule(bench: Bench, key: str, body: bytes) -> None:
    successor = StoredSchedule(key=key, version=0, next_run_at=bench.now, body=body)
    change = Change(key=key, expected=0, successor=successor)
    (changed,) = paired(await bench.driver.change_schedules([change], now=bench.now), [change], "change_schedules")
    assert changed.applied, "0 expects that no schedule stands under this key"
