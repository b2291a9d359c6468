"""What `flowli doctor` says of a server's settings, on servers that are set so."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from flowli.doctor import Checkup, examine
from flowli.driver import Severity
from flowli.resp.condition import judge
from flowli_redis import RedisDriver
from tests.support.clocks import ShiftedClock
from tests.support.outside import Outside, outside
from tests.support.polling import eventually
from tests.support.replication import Replication
from tests.support.servers import ValkeyServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ERROR, WARNING = Severity.ERROR, Severity.WARNING
AOF = ("--appendonly", "yes")
_PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"


@asynccontextmanager
async def _opened(url: str, *, allow_eviction: bool = False) -> AsyncGenerator[RedisDriver]:
    driver = RedisDriver(url, prefix="app", allow_eviction=allow_eviction)
    await driver.open()
    try:
        yield driver
    finally:
        await driver.close()


def _said(checkup: Checkup) -> set[tuple[str, Severity]]:
    return {(one.code, one.severity) for one in checkup.findings}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """One that keeps a log, so that nothing is to be said of it."""
    server = ValkeyServer(tmp_path, options=AOF).start()
    yield server
    server.stop()


async def test_a_server_that_is_set_up_well_has_no_finding(server: ValkeyServer) -> None:
    async with _opened(server.url) as driver:
        found = await examine(driver)
    assert (found.findings, found.healthy) == ([], True)
    assert (found.facts["role"], found.facts["aof"], found.facts["maxmemory_policy"]) == ("master", True, "noeviction")


@pytest.mark.parametrize(
    ("settings", "code"), [([("save", "")], "no-persistence"), ([("save", "3600 1")], "no-aof")], ids=["none", "rdb"]
)
async def test_what_a_crash_would_take_is_said(
    server: ValkeyServer, settings: Sequence[tuple[str, str]], code: str
) -> None:
    async with outside(server.url) as operator, _opened(server.url) as driver:
        for setting in [("appendonly", "no"), *settings]:
            await operator.ask("CONFIG", "SET", *setting)
        found = await examine(driver)
    assert _said(found) == {(code, WARNING)}
    assert found.healthy, "it works, and an operator should know"


async def test_a_snapshot_that_failed_is_an_error(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    server = ValkeyServer(home).start()
    async with outside(server.url) as operator, _opened(server.url) as driver:
        shutil.rmtree(home)
        await operator.ask("BGSAVE")

        async def failed() -> bool:
            facts: dict[str, object] = await operator.ask("INFO", "persistence")
            return facts["rdb_last_bgsave_status"] == "err"

        await eventually(failed, what="the end of the snapshot")
        found = await examine(driver)
    server.stop()
    assert ("persistence-fails", ERROR) in _said(found)
    assert not found.healthy


@pytest.mark.parametrize(("allow", "severity"), [(False, ERROR), (True, WARNING)])
async def test_a_server_that_was_made_to_evict_is_named(server: ValkeyServer, allow: bool, severity: Severity) -> None:
    async with outside(server.url) as operator, _opened(server.url, allow_eviction=allow) as driver:
        await operator.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        found = await examine(driver)
    assert _said(found) == {("eviction", severity)}


async def test_keys_that_were_evicted_are_counted(server: ValkeyServer) -> None:
    async with outside(server.url) as operator:
        used = await _used(operator)
        await operator.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory", used + 500_000)
        for number in range(100):
            await operator.ask("SET", f"of another {number}", "x" * 20_000)
        await operator.ask("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", 0)
        async with _opened(server.url) as driver:
            found = await examine(driver)
    assert _said(found) == {("evicted", WARNING)}


async def test_memory_that_is_nearly_full_is_said_before_it_is(server: ValkeyServer) -> None:
    async with outside(server.url) as operator, _opened(server.url) as driver:
        await operator.ask("SET", "of another", "x" * 5_000_000)
        await operator.ask("CONFIG", "SET", "maxmemory", int(await _used(operator) * 1.05))
        found = await examine(driver)
    assert _said(found) == {("memory", WARNING)}
    assert "QueueFull" in found.findings[0].message


async def _used(operator: Outside) -> int:
    return int((await operator.ask("INFO", "memory"))["used_memory"])


async def test_a_primary_that_became_a_replica_is_an_error(tmp_path: Path) -> None:
    pair = Replication(tmp_path, options=AOF).start()
    try:
        async with _opened(pair.first.url) as driver, outside(pair.first.url) as operator:
            async with outside(pair.replicas[0].url) as promoted:
                await promoted.ask("REPLICAOF", "NO", "ONE")
            await operator.ask("REPLICAOF", "127.0.0.1", pair.replicas[0].port)

            async def follows() -> bool:
                facts = await operator.ask("INFO", "replication")
                return (facts["role"], facts.get("master_link_status")) == ("slave", "up")

            await eventually(follows, what="the replica in step")
            found = await examine(driver)
    finally:
        pair.stop()
    assert ("replica", ERROR) in _said(found)


@pytest.mark.parametrize(("ahead_s", "says"), [(30.0, "ahead of"), (-30.0, "behind")])
async def test_a_clock_that_is_off_is_said(tmp_path: Path, ahead_s: float, says: str) -> None:
    """The shift arrives when the server next reads the file."""
    clock = ShiftedClock(tmp_path)
    server = ValkeyServer(tmp_path, options=AOF, environment=clock.environment).start()
    try:
        async with _opened(server.url) as driver:
            clock.set(ahead_s)

            async def shifted() -> Checkup | None:
                found = await examine(driver)
                offset = found.facts["clock_offset_ms"]
                return found if isinstance(offset, int) and abs(offset / 1000 - ahead_s) < 5 else None

            found = await eventually(shifted, what="the clock's shift, in the facts")
    finally:
        server.stop()
    [one] = [one for one in found.findings if one.code == "clock"]
    assert (one.severity, says in one.message) == (WARNING, True)


async def test_a_user_without_info_is_told_that_nothing_can_be_judged(server: ValkeyServer) -> None:
    async with outside(server.url) as operator:
        await operator.ask("ACL", "SETUSER", "blind", "on", ">word", "~*", "&*", "+@all", "-info", "-config")
        async with _opened(server.url.replace("redis://", "redis://blind:word@")) as driver:
            found = await examine(driver)
    assert _said(found) == {("unknown-settings", WARNING)}
    assert "word" not in str(found.findings)


async def test_a_version_that_is_too_old_is_an_error(server: ValkeyServer) -> None:
    """No such server is at hand, and `open` refuses it: the facts of one that is, but for its version."""
    async with _opened(server.url) as driver:
        facts = (await examine(driver)).facts
    found = judge({**facts, "product": "Redis", "version": "6.0.16"}, "there", allow_eviction=False)
    assert [(one.code, one.severity) for one in found] == [("version", ERROR)]
    assert "6.0" in found[0].message


def test_each_line_of_the_page_has_a_test_here() -> None:
    rows = _PAGE.read_text(encoding="utf-8").partition("## What Redis and Valkey are asked")[2].partition("\n## ")[0]
    codes: Collection[str] = {line.split("`")[1] for line in rows.splitlines() if line.startswith("| `")}
    here = Path(__file__).read_text(encoding="utf-8")
    assert len(codes) > 8
    assert [code for code in codes if f'"{code}"' not in here] == []
