"""An examination names what is broken, whichever key it is, and nothing in a store that is sound."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from flowli.driver import Act, Bonds, Change, Deed, Examination, Millis, RunnerNote, State, StoredSchedule
from flowli_redis import RedisDriver
from tests.support.jobs import claim_of, ended, job_of
from tests.support.outside import Outside

pytestmark = pytest.mark.anyio

FAR = Millis(4_000_000_000_000)


class Store:
    """A namespace with a job in each place that there is."""

    def __init__(self, driver: RedisDriver, client: Outside, prefix: str) -> None:
        self.driver = driver
        self._client = client
        self._root = f"flowli:{{{prefix}}}:"

    async def ask(self, command: str, key: str, *words: str | int) -> object:
        return await self._client.ask(command, self._root + key, *words)

    async def examine(self) -> Examination:
        return await self.driver.examine()

    async def fill(self) -> None:
        """Jobs: ``active``, ``done``, ``failed``, ``gone``, ``line`` in a line with a ghost, ``rank``, ``due``."""
        driver = self.driver
        await driver.enqueue([job_of(id) for id in ("done", "failed", "active")])
        leases = (await driver.exchange([], claim_of())).leases
        states = (State.COMPLETED, State.FAILED)
        settled = [ended(lease, keep_for=3_600_000, state=state) for lease, state in zip(leases, states, strict=False)]
        await driver.exchange(settled)
        await driver.enqueue([job_of("line"), job_of("gone"), job_of("last"), job_of("rank", priority=3)])
        await driver.act([Act(id="gone", deed=Deed.CANCEL, keep_for=Millis(3_600_000))])
        await driver.enqueue([job_of("due")._replace(due=FAR)])
        await driver.announce(RunnerNote(id="r1", queues=None, note=b"1{}", alive_until=FAR))
        body = StoredSchedule(key="daily", version=0, next_run_at=FAR, body=b"1{}")
        await driver.change_schedules([Change(key="daily", expected=0, successor=body)])


@pytest.fixture
async def store(driver: RedisDriver, client: Outside, prefix: str) -> Store:
    store = Store(driver, client, prefix)
    await store.fill()
    return store


async def test_a_sound_store_has_no_finding(store: Store) -> None:
    found = await store.examine()
    assert [one for one in found.findings if one.code != "no-persistence"] == []
    assert (found.facts["records"], found.facts["schedules"], found.facts["ghosts"]) == (8, 1, 2)


@pytest.mark.parametrize(
    ("command", "code", "subject"),
    [
        (("ZREM", "due:mail", "due"), "unreachable", "due"),
        (("ZREM", "rank:mail", "rank"), "unreachable", "rank"),
        (("RPOP", "line:mail"), "unreachable", "last"),
        (("DEL", "line:mail"), "unreachable", "line"),
        (("ZREM", "lease:mail", "active"), "no-deadline", "active"),
        (("HDEL", "active", "active"), "no-token", "active"),
        (("ZADD", "rank:mail", 5, "due"), "several-places", "due"),
        (("ZADD", "rank:mail", 5, "active"), "several-places", "active"),
        (("ZADD", "due:mail", FAR, "done"), "several-places", "done"),
        (("ZADD", "fail:mail", FAR, "done"), "several-places", "done"),
        (("ZREM", "done:mail", "done"), "no-expiry", "done"),
        (("ZREM", "fail:mail", "failed"), "no-expiry", "failed"),
        (("ZREM", "gone:mail", "gone"), "no-expiry", "gone"),
        (("ZADD", "done:mail", FAR, "done"), "other-expiry", "done"),
        (("HSET", "jobs", "due", "torn"), "record-damaged", "due"),
        (("HSET", "jobs", "due", "100000000000000500\t1\t1\nmail"), "record-damaged", "due"),
        (("HSET", "state", "done", "C"), "state-damaged", "done"),
        (("HDEL", "queues", "mail"), "unknown-queue", "line"),
        (("SET", "fence", 1), "token-above-fence", "active"),
        (("DEL", "fence"), "token-above-fence", "active"),
        (("HDEL", "jobs", "last"), "line-orphan", "last"),
        (("HSET", "active", "last", 1), "line-and-elsewhere", "last"),
        (("ZADD", "rank:mail", 1, "last"), "line-and-elsewhere", "last"),
        (("RPUSH", "line:mail", "4000000000000last"), "line-of-another", "last"),
        (("HSET", "ghost", "4:mailnobody", 1), "ghost-missing", "nobody"),
        (("HSET", "ghost", "4:mail", 7), "ghost-sum", "mail"),
        (("HDEL", "jobs", "due"), "orphan", "due"),
        (("HDEL", "jobs", "active"), "orphan", "active"),
        (("ZADD", "lease:mail", 5, "nobody"), "orphan", "nobody"),
        (("ZADD", "gone:mail", 5, "nobody"), "orphan", "nobody"),
        (("ZADD", "due:other", 5, "due"), "orphan", "due"),
        (("HSET", "state", "nobody", "C1 5\n"), "orphan", "nobody"),
        (("HSET", "crash", "nobody", "1:5"), "orphan", "nobody"),
        (("HSET", "more", "nobody", "1"), "orphan", "nobody"),
        (("HSET", "asked", "nobody", "1"), "orphan", "nobody"),
        (("HSET", "watch", "nobody", "channel"), "orphan", "nobody"),
        (("ZREM", "tick", "daily"), "schedule-instant", "daily"),
        (("ZADD", "tick", 5, "daily"), "schedule-instant", "daily"),
        (("HSET", "plan", "daily", "torn"), "schedule-instant", "daily"),
        (("HDEL", "plan", "daily"), "orphan", "daily"),
        (("HDEL", "runners", "r1"), "orphan", "r1"),
        (("DEL", "alive"), "orphan", "r1"),
        (("ZADD", "turns", 5, "s"), "orphan", "s"),
    ],
)
async def test_what_is_broken_is_named(store: Store, command: tuple[str | int, ...], code: str, subject: str) -> None:
    await store.driver.enqueue([job_of("elsewhere", queue="other")])
    name, key, *words = command
    await store.ask(str(name), str(key), *words)
    found = await store.examine()
    assert (code, subject) in [(one.code, one.subject) for one in found.findings], found.findings


KINDS = ["jobs", "state", "active", "queues", "ghost", "plan", "tick", "fence", "line:mail", "due:mail", "wake:mail"]


@pytest.mark.parametrize("key", KINDS)
async def test_a_key_of_another_type_is_named(store: Store, prefix: str, key: str) -> None:
    await store.ask("DEL", key)
    await store.ask("SADD", key, "x")
    found = await store.examine()
    assert ("key-type", f"flowli:{{{prefix}}}:{key}") in [(one.code, one.subject) for one in found.findings]


async def test_keys_that_nobody_knows_are_named(store: Store, prefix: str) -> None:
    await store.ask("SET", "foreign", "x")
    await store.ask("SET", "sent:0:sender", "x")
    found = {(one.code, one.subject) for one in (await store.examine()).findings}
    assert ("key-unknown", f"flowli:{{{prefix}}}:foreign") in found
    assert ("key-without-expiry", f"flowli:{{{prefix}}}:sent:0:sender") in found


async def test_what_expired_long_ago_and_is_still_there_is_named(driver: RedisDriver) -> None:
    await driver.enqueue([job_of("a")], now=Millis(1_000_000))
    [lease] = (await driver.exchange([], claim_of(), now=Millis(1_000_000))).leases
    await driver.exchange([ended(lease, keep_for=1)], now=Millis(1_000_000))
    assert [one.code for one in (await driver.examine()).findings if one.subject == "a"] == ["not-swept"]


async def test_an_examination_writes_nothing(store: Store, client: Outside, prefix: str) -> None:
    async def dump() -> dict[str, object]:
        return {key: await client.ask("DUMP", key) for key in await client.keys(f"flowli:{{{prefix}}}:*")}

    before = await dump()
    assert before
    await store.examine()
    assert await dump() == before


async def test_traffic_is_no_finding(driver: RedisDriver) -> None:
    """Every transition there is, in four lanes at once, while one examination follows the other."""
    enough = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(_traffic(driver, number, enough))
        examinations = [await driver.examine() for _ in range(3)]
        enough.set()
    found = {one for each in examinations for one in each.findings if one.code not in {"no-persistence", "no-aof"}}
    assert found == set()


async def _traffic(driver: RedisDriver, number: int, enough: asyncio.Event) -> None:
    for round in itertools.takewhile(lambda _: not enough.is_set(), itertools.count()):
        ids = [f"{number}-{round}-{n}" for n in range(50)]
        jobs = [job_of(id, priority=n % 3, queue=f"q{n % 2}") for n, id in enumerate(ids)]
        await driver.enqueue(jobs)
        await driver.enqueue([job_of(f"{id}-d")._replace(delay=Millis(n % 5)) for n, id in enumerate(ids)])
        await driver.act([Act(id=id, deed=Deed.CANCEL, keep_for=Millis(round % 2 * 20)) for id in ids[::7]])
        taken = (await driver.exchange([], claim_of(60, queues=("q0", "q1", "mail")))).leases
        states = [State.COMPLETED, State.FAILED, State.QUEUED, State.SCHEDULED]
        settled = [ended(lease, keep_for=n % 4 * 10, state=states[n % 4]) for n, lease in enumerate(taken)]
        await driver.exchange(settled)


@pytest.mark.parametrize(
    ("command", "code", "subject"),
    [
        (("HDEL", "open", "child"), "never-due", "child"),
        (("DEL", "bond"), "never-due", "child"),
        (("HSET", "state", "parent", "C1 4000000000000\n"), "never-due", "child"),
        (("HSET", "open", "nobody", 1), "orphan", "nobody"),
        (("HSET", "kids", "nobody", "5:child"), "orphan", "nobody"),
    ],
)
async def test_what_waits_for_nobody_is_named(
    driver: RedisDriver, client: Outside, prefix: str, command: tuple[str, ...], code: str, subject: str
) -> None:
    parent = job_of("parent")._replace(due=FAR, bonds=Bonds())
    await driver.enqueue([parent, job_of("child")._replace(bonds=Bonds(after=["parent"]))])
    store = Store(driver, client, prefix)
    assert [one for one in (await store.examine()).findings if one.code != "no-persistence"] == []
    await store.ask(*command)
    assert (code, subject) in {(one.code, one.subject) for one in (await store.examine()).findings}
