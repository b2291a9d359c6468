"""X5: identifiers are values. Whatever is in one, it stays in its namespace and means nothing to the store."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowli import DefinitionError, Flowli, ValidationError, job
from flowli.driver import Act, Change, Claim, Deed, Millis, NewJob, RunnerNote, State, StoredSchedule, Turn
from flowli.resp.driver import RespDriver
from flowli_glide import GlideDriver
from flowli_memory import MemoryDriver
from flowli_redis import RedisDriver
from tests.support.outside import Outside
from tests.support.servers import ValkeyServer

pytestmark = pytest.mark.anyio

ODD = [
    "{",
    "}",
    "{x}",
    "}:{",
    ":",
    "*",
    "?",
    "[a-z]",
    "\\",
    "\r\n",
    "\0",
    "$1\r\nx\r\n",
    "\t",
    " ",
    "é",
    "\U0001f600",
    "-1",
    "0",
    "+inf",
    "(1",
    "nan",
    "KEYS",
    "return 1",
    "'); redis.call('FLUSHALL') --",
    "%s",
    "%d%n",
    "../..",
    "id" * 100,
]
ids = st.one_of(st.sampled_from(ODD), st.text(min_size=1, max_size=60)).filter(
    lambda text: _is_utf8(text) and 0 < len(text.encode()) <= 200
)
queues = st.text("ABCXYZabcxyz0189_.-", min_size=1, max_size=64)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@pytest.mark.parametrize("kind", [RedisDriver, GlideDriver])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(id=ids, other=ids, queue=queues, name=ids, key=ids, runner=ids)
async def test_any_identifier_comes_back_as_it_was(
    valkey_server: ValkeyServer,
    kind: type[RedisDriver] | type[GlideDriver],
    id: str,
    other: str,
    queue: str,
    name: str,
    key: str,
    runner: str,
) -> None:
    driver = kind(valkey_server.url, prefix=uuid.uuid4().hex)
    await driver.open()
    try:
        await _round(driver, id, other, queue, name, key, runner)
        findings = (await driver.examine()).findings
        assert [one for one in findings if one.code not in {"no-persistence", "no-aof"}] == []
    finally:
        await driver.close()


async def _round(driver: RespDriver, id: str, other: str, queue: str, name: str, key: str, runner: str) -> None:
    await driver.enqueue([NewJob(id, queue, name, b"1", b"body")])
    if other != id:
        await driver.enqueue([NewJob(other, queue, name, b"1", b"body", due=Millis(4_000_000_000_000))])
        await driver.act([Act(id=other, deed=Deed.CANCEL, keep_for=Millis(60_000))])
    body = StoredSchedule(key=key, version=0, next_run_at=Millis(4_000_000_000_000), body=b"1")
    await driver.change_schedules([Change(key=key, expected=0, successor=body)])
    await driver.announce(RunnerNote(id=runner, queues=[queue], note=b"", alive_until=Millis(4_000_000_000_000)))
    [stored] = await driver.get_jobs([id])
    assert stored is not None and (stored.id, stored.queue, stored.name) == (id, queue, name)
    turn = Turn(runner, 1)
    claim = Claim(runner=runner, turn=turn, queues=None, limit=10, lease_for=Millis(60_000))
    [lease] = (await driver.exchange([], claim)).leases
    assert (lease.id, lease.queue, lease.name) == (id, queue, name)
    listed = await driver.list_jobs(State.ACTIVE, queue=queue, limit=10)
    assert [one.id for one in listed.items] == [id]
    assert [one.key for one in (await driver.list_schedules(limit=10)).items] == [key]
    assert [one.id for one in (await driver.overview()).runners] == [runner]


async def test_every_key_stays_below_its_prefix_and_in_its_slot(
    valkey_server: ValkeyServer, client: Outside, driver: RespDriver, prefix: str
) -> None:
    before = {key for key in await client.keys() if prefix not in key}
    for number, odd in enumerate(ODD):
        await _round(
            driver,
            f"{odd[:190]}{number}",
            f"{number}{odd[:190]}",
            f"q{number}",
            odd,
            f"{odd[:140]}{number}",
            f"r{odd[:190]}",
        )
        await driver.announce(RunnerNote(id=f"r{odd[:190]}", queues=None, note=b"", alive_until=Millis(1)))
        [stands] = await driver.get_schedules([f"{odd[:140]}{number}"])
        assert stands is not None
        await driver.change_schedules([Change(key=stands.key, expected=stands.version, successor=None)])
        await driver.act([Act(id=f"{odd[:190]}{number}", deed=Deed.CANCEL)])
    ours = {key for key in await client.keys() if prefix in key}
    assert ours and all(key.startswith(f"flowli:{{{prefix}}}:") for key in ours)
    assert {key for key in await client.keys() if prefix not in key} >= before, "what is others' is untouched"


@job
async def greet(name: str) -> str:
    return name


BAD_IDS = ["", "x" * 201, "é" * 101, "\ud800", "a\udfffb", "x" * 1_000_000]


@pytest.mark.parametrize("bad", BAD_IDS, ids=range(len(BAD_IDS)))
async def test_an_id_or_key_that_a_store_cannot_hold_is_refused_before_it_is_sent(bad: str) -> None:
    app = Flowli(context=None, driver=MemoryDriver(), jobs=[greet])
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: app.use(greet).enqueue("x", id=bad),
        lambda: app.use(greet).enqueue_many(["x"], ids=[bad]),
        lambda: app.use(greet).schedule("1m", "x", key=bad),
        lambda: app.inspect.get_job(bad),
        lambda: app.inspect.get_schedule(bad),
    ]
    for call in calls:
        with pytest.raises(ValidationError) as caught:
            await call()
        assert len(str(caught.value)) < 300, "what is long is not repeated"


@pytest.mark.parametrize("bad", ["", "a b", "{a}", "a:b", "a/b", "a*", "a?", "[a]", "é", "x" * 65, "a\n", "a\0"])
async def test_a_queue_or_prefix_of_other_characters_is_refused(bad: str) -> None:
    app = Flowli(context=None, driver=MemoryDriver(), jobs=[greet])
    with pytest.raises(ValidationError):
        await app.use(greet).enqueue("x", queue=bad)
    for kind in (RedisDriver, GlideDriver):
        with pytest.raises(DefinitionError):
            kind("redis://localhost:6379", prefix=bad)
