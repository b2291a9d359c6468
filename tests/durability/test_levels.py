"""What each level of durability waits for, what is said when that does not come, and what a repeat is worth."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from flowli.driver import Change, Disposition, Millis, StoredSchedule, Turn
from flowli.errors import DefinitionError, DriverError, NotDurable, ValidationError
from flowli.resp.durability import Durability
from tests.durability.drivers import AnyDriver, make, need_waitaof
from tests.support.jobs import claim_of, ended, job_of
from tests.support.polling import eventually
from tests.support.replication import Replication, ask, stalled
from tests.support.servers import ValkeyServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

LEVELS: tuple[Durability, ...] = ("fsync", "replica", "replica_fsync")


@asynccontextmanager
async def opened(driver: AnyDriver) -> AsyncGenerator[AnyDriver, None]:
    await driver.open()
    try:
        yield driver
    finally:
        await driver.close()


def _calls(server: ValkeyServer, command: str) -> int:
    """How often the server was sent a command, refused ones among them."""
    found: Any = ask(server, "INFO", "commandstats").get(f"cmdstat_{command}", {})
    return int(found.get("calls", 0))


def _schedule(key: str, at: int = 9_000_000_000_000) -> StoredSchedule:
    return StoredSchedule(key=key, version=0, next_run_at=Millis(at), body=b"body")


@pytest.mark.parametrize("level", LEVELS)
async def test_what_is_confirmed_returns_as_ever(
    client: str, pair: Replication, prefix: str, level: Durability
) -> None:
    need_waitaof(level)
    async with opened(make(client, pair.first.url, prefix=prefix, durability=level)) as driver:
        answers = await driver.enqueue([job_of("a"), job_of("b")])
        assert [answer.disposition for answer in answers] == [Disposition.CREATED] * 2
        (changed,) = await driver.change_schedules(
            [Change(key="k", expected=0, successor=_schedule("k"), jobs=[job_of("c")])]
        )
        assert changed.applied and [job.id for job in changed.jobs] == ["c"]
        assert await driver.change_schedules([]) == []
        leases = (await driver.exchange([], claim_of())).leases
        assert [lease.id for lease in leases] == ["a", "b", "c"]


async def test_the_default_sends_not_a_command_more(client: str, pair: Replication, prefix: str) -> None:
    async with opened(make(client, pair.first.url, prefix=prefix)) as driver:
        await driver.enqueue([job_of("first")])  # the server has the script from now on
        before = {name: _calls(pair.first, name) for name in ("wait", "waitaof", "eval", "evalsha")}
        for name in "abc":
            await driver.enqueue([job_of(name)])
        await driver.change_schedules([])
    after = {name: _calls(pair.first, name) for name in before}
    assert after["wait"] + after["waitaof"] == before["wait"] + before["waitaof"]
    assert after["eval"] + after["evalsha"] - before["eval"] - before["evalsha"] == 3, "one script for each enqueue"


async def test_settlements_and_claims_wait_for_nobody(client: str, pair: Replication, prefix: str) -> None:
    async with opened(make(client, pair.first.url, prefix=prefix, durability="replica")) as driver:
        await driver.enqueue([job_of("a")])
        before = _calls(pair.first, "wait")
        with stalled(pair.replicas[0]):
            (lease,) = (await driver.exchange([], claim_of())).leases
            await driver.exchange([ended(lease)])
        assert _calls(pair.first, "wait") == before, "a settlement that is lost is made again: at least once holds"


@pytest.mark.parametrize("level", ["replica", "replica_fsync"])
async def test_a_replica_that_stands_still_is_told(
    client: str, pair: Replication, prefix: str, level: Durability
) -> None:
    need_waitaof(level)
    async with opened(make(client, pair.first.url, prefix=prefix, durability=level, within="300ms")) as driver:
        with stalled(pair.replicas[0]):
            with pytest.raises(NotDurable, match=r"1 of 1 replica\(s\) did not confirm it within 0.3s") as caught:
                await driver.enqueue([job_of("a"), job_of("b")])
            assert caught.value.job_ids == ("a", "b")
            assert [one.disposition for one in caught.value.outcomes] == [Disposition.CREATED] * 2
            stored = await driver.get_jobs(["a", "b"])
            assert [job and job.id for job in stored] == ["a", "b"], "stored, and calls that wait for nobody go on"


async def test_a_repeat_waits_again_although_it_writes_nothing(client: str, pair: Replication, prefix: str) -> None:
    """WAIT counts what its own connection wrote: without a mark, a repeat on another one would be told of success."""
    turn = Turn("sender", 1)
    async with (
        opened(make(client, pair.first.url, prefix=prefix, durability="replica", within="300ms")) as driver,
        opened(make(client, pair.first.url, prefix=prefix, durability="replica", within="300ms")) as another,
    ):
        with stalled(pair.replicas[0]):
            for repeater in (driver, another):
                with pytest.raises(NotDurable):
                    await repeater.enqueue([job_of("a")], turn=turn)
                with pytest.raises(NotDurable) as caught:
                    await repeater.enqueue([job_of("a")])
                assert [one.disposition for one in caught.value.outcomes] == [Disposition.EXISTING]
        (answer,) = await another.enqueue([job_of("a")])
        assert answer.disposition is Disposition.EXISTING, "one job, and now it is confirmed"


async def test_a_schedule_is_confirmed_too(client: str, pair: Replication, prefix: str) -> None:
    async with opened(make(client, pair.first.url, prefix=prefix, durability="replica", within="300ms")) as driver:
        put = Change(key="k", expected=0, successor=_schedule("k"))
        with stalled(pair.replicas[0]):
            with pytest.raises(NotDurable) as caught:
                await driver.change_schedules([put])
            assert caught.value.job_ids == (), "it made no job"
            with pytest.raises(NotDurable):
                await driver.change_schedules([])
            (changed,) = await driver.change_schedules([put])
            assert not changed.applied, "what lost the race wrote nothing that could be unconfirmed"
        assert await driver.change_schedules([]) == []


async def test_others_go_on_while_a_call_waits(client: str, pair: Replication, prefix: str) -> None:
    async with opened(make(client, pair.first.url, prefix=prefix, durability="replica", within="20s")) as driver:
        with stalled(pair.replicas[0]):
            waiting = asyncio.create_task(driver.enqueue([job_of("a")]))

            async def is_stored() -> bool:
                return (await driver.get_jobs(["a"]))[0] is not None

            await eventually(is_stored, what="the job")
            assert not waiting.done(), "reads were answered, and the enqueue still waits"
        assert [one.id for one in await waiting] == ["a"]


async def test_a_server_that_forgot_the_scripts_is_asked_again(client: str, pair: Replication, prefix: str) -> None:
    """The script is sent anew, and what WAIT said before that was of something else."""
    async with opened(make(client, pair.first.url, prefix=prefix, durability="replica", within="300ms")) as driver:
        await driver.enqueue([job_of("a")])
        ask(pair.first, "SCRIPT", "FLUSH")
        with stalled(pair.replicas[0]):
            with pytest.raises(NotDurable):
                await driver.enqueue([job_of("b")])


async def test_a_disk_that_is_not_asked_to_sync_is_told(client: str, tmp_path: Path) -> None:
    need_waitaof("fsync")
    options = ["--appendonly", "yes", "--appendfsync", "no"]
    server = ValkeyServer(tmp_path, options=options).start()
    async with opened(make(client, server.url, durability="fsync", within="200ms")) as driver:
        with pytest.raises(NotDurable, match="the server's own disk did not confirm") as caught:
            await driver.enqueue([job_of("a")])
        assert caught.value.job_ids == ("a",)
    server.stop()


async def test_a_server_without_an_append_only_file_is_refused(client: str, valkey_server: ValkeyServer) -> None:
    for level in ("fsync", "replica_fsync"):
        with pytest.raises(DriverError, match="appendonly yes"):
            await make(client, valkey_server.url, durability=level).open()


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server on PATH (Debian's package is 7.0)")
async def test_a_server_without_waitaof_is_refused(
    client: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWLI_TEST_SERVER", "redis-7")
    server = ValkeyServer(tmp_path, options=["--appendonly", "yes"]).start()
    with pytest.raises(DriverError, match=r"this version \(7\.0\.\d+\) has not: use Redis 7\.2 or newer"):
        await make(client, server.url, durability="fsync").open()
    server.stop()


async def test_too_few_replicas_are_counted(client: str, pair: Replication, prefix: str) -> None:
    driver = make(client, pair.first.url, prefix=prefix, durability="replica", replicas=3, within="100ms")
    async with opened(driver):
        with pytest.raises(NotDurable, match=r"2 of 3 replica\(s\)"):
            await driver.enqueue([job_of("a")])


async def test_a_twin_waits_as_its_origin_does(client: str, pair: Replication, prefix: str) -> None:
    origin = make(client, pair.first.url, prefix=prefix, durability="replica", within="100ms")
    async with opened(origin.twin()) as twin:
        with stalled(pair.replicas[0]):
            with pytest.raises(NotDurable):
                await twin.enqueue([job_of("a")])


def test_a_durability_that_is_none_is_refused(client: str) -> None:
    url = "redis://localhost"
    with pytest.raises(DefinitionError, match="'fsync', 'replica'"):
        make(client, url, durability="disk")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with pytest.raises(DefinitionError, match="replicas=0"):
        make(client, url, durability="replica", replicas=0)
    with pytest.raises(DefinitionError, match="no time at all"):
        make(client, url, durability="replica", within="0s")
    with pytest.raises(ValidationError, match="confirm_within"):
        make(client, url, durability="replica", within="soon")
