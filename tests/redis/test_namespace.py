"""What is left in the store: nothing outside the namespace, nothing of a job that is over, and few permanent keys."""

from __future__ import annotations

import pytest

from flowli.driver import Act, Change, Deed, Millis, RunnerNote, State, StoredSchedule, Turn
from flowli.errors import DefinitionError
from flowli_redis import RedisDriver
from tests.support.jobs import claim_of, ended, job_of
from tests.support.outside import Outside
from tests.support.servers import ValkeyServer

pytestmark = pytest.mark.anyio

PERMANENT = {"meta", "queues", "fence", "last", "turns", "call"}
"""Layout; names of queues; last token; one entry for each sender of claims, for ten minutes; a token for new queues."""


async def _names(client: Outside, prefix: str) -> set[str]:
    root = f"flowli:{{{prefix}}}:"
    return {key.removeprefix(root) for key in await client.keys(f"*{prefix}*")}


async def _lives(driver: RedisDriver) -> None:
    await driver.enqueue([job_of(f"j{i}", priority=i % 3) for i in range(50)])
    await driver.enqueue([job_of("later")._replace(delay=Millis(3_600_000)), job_of("cancelled"), job_of("middle")])
    await driver.act([Act(id=id, deed=Deed.CANCEL) for id in ("cancelled", "later")])
    leases = (await driver.exchange([], claim_of(100))).leases
    await driver.act([Act(id="middle", deed=Deed.CANCEL)])
    await driver.outcomes(["middle"], wait=Millis(1))
    retried, handed_back, *others = leases
    again = [ended(retried, state=State.SCHEDULED), ended(handed_back, state=State.QUEUED)]
    await driver.exchange([*again, *(ended(lease) for lease in others)])
    found = await driver.exchange([], claim_of(100))
    await driver.exchange([ended(lease) for lease in found.leases])


async def test_nothing_is_left_of_jobs_that_keep_nothing(driver: RedisDriver, client: Outside, prefix: str) -> None:
    await _lives(driver)
    await driver.exchange([], claim_of())
    assert await _names(client, prefix) <= PERMANENT, "a job that keeps nothing leaves nothing behind"


async def test_nothing_is_left_of_schedules_and_runners_that_went(
    driver: RedisDriver, client: Outside, prefix: str
) -> None:
    stored = StoredSchedule(key="daily", version=0, next_run_at=Millis(1), body=b"body")
    await driver.change_schedules([Change(key="daily", expected=0, successor=stored)])
    await driver.change_schedules([Change(key="daily", expected=1, successor=None)])
    await driver.announce(RunnerNote(id="r", queues=None, note=b"", alive_until=Millis(4_000_000_000_000)))
    await driver.announce(RunnerNote(id="r", queues=None, note=b"", alive_until=Millis(0)))
    assert await _names(client, prefix) <= PERMANENT, "what was deleted leaves nothing behind"


async def test_only_a_remembered_turn_lives_by_its_time(driver: RedisDriver, client: Outside, prefix: str) -> None:
    await driver.enqueue([job_of("a")], turn=Turn("sender", 1))
    root = f"flowli:{{{prefix}}}:"
    mortal = {name for name in await _names(client, prefix) if await client.ask("PTTL", root + name) > 0}
    assert mortal == {"sent:0:sender"}, "no other key may vanish by itself"


async def test_no_key_lies_outside_the_namespace(own_server: ValkeyServer, operator: Outside) -> None:
    driver = RedisDriver(own_server.url, prefix="app")
    await driver.open()
    await _lives(driver)
    keys = await operator.keys()
    await driver.close()
    assert keys and all(key.startswith("flowli:{app}:") for key in keys), "an ACL of one pattern covers all keys"


async def test_prefixes_do_not_see_each_other(driver: RedisDriver, valkey_server: ValkeyServer, prefix: str) -> None:
    other = RedisDriver(valkey_server.url, prefix=prefix + "x")
    await other.open()
    await driver.enqueue([job_of("a")])
    assert await other.get_jobs(["a"]) == [None]
    await other.close()


async def test_two_drivers_with_one_prefix_share_a_store(driver: RedisDriver) -> None:
    other = driver.twin()
    await other.open()
    await driver.enqueue([job_of("a")])
    assert [lease.id for lease in (await other.exchange([], claim_of())).leases] == ["a"]
    await other.close()


@pytest.mark.parametrize("prefix", ["", "a b", "a{b}", "a:b", "x" * 65, "ä"])
def test_an_odd_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(DefinitionError, match="prefix"):
        RedisDriver("redis://localhost", prefix=prefix)
