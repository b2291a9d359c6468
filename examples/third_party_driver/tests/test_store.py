"""What the suite cannot see: other processes; a locked, full or foreign file; a restored copy; a runner."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from flowli_sqlite import SQLiteDriver

from flowli import Flowli, Runner, job
from flowli.driver import Claim, Lease, Millis, NewJob, Settled, Settlement, State, Turn
from flowli.errors import DriverError, DriverUnavailable, QueueFull

pytestmark = pytest.mark.anyio

_HOUR = Millis(3_600_000)

_DRAIN = """
import asyncio, os, sys
from flowli.driver import Claim, Millis, Turn
from flowli_sqlite import SQLiteDriver

async def main():
    driver, number = SQLiteDriver(sys.argv[1]), 0
    await driver.open()
    while True:
        number += 1
        turn = Turn(str(os.getpid()), number)
        claim = Claim(runner="r", turn=turn, queues=None, limit=3, lease_for=Millis(3_600_000))
        leases = (await driver.exchange([], claim)).leases
        if not leases:
            break
        print(*(lease.id for lease in leases))
    await driver.close()

asyncio.run(main())
"""


@job
async def greet(name: str) -> str:
    return f"hello {name}"


class App(Flowli):
    greet = greet


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
async def driver(path: Path) -> AsyncIterator[SQLiteDriver]:
    driver = SQLiteDriver(path)
    await driver.open()
    yield driver
    await driver.close()


def _jobs(number: int, body: bytes = b"body") -> list[NewJob]:
    return [NewJob(id=f"job-{index}", queue="mail", name="send", head=b"", body=body) for index in range(number)]


def _fork(work: Coroutine[object, object, None]) -> int:
    """Do the work in a child of this process, and return its id."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 1
        try:
            asyncio.run(asyncio.wait_for(work, 10))
            code = 0
        finally:
            os._exit(code)
    work.close()
    return child


def _exit_code_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


async def _lease(driver: SQLiteDriver, limit: int, number: int = 1) -> Sequence[Lease]:
    claim = Claim(runner="r", turn=Turn("r", number), queues=["mail"], limit=limit, lease_for=_HOUR)
    return (await driver.exchange([], claim)).leases


async def test_several_processes_share_the_jobs_of_one_file(driver: SQLiteDriver, path: Path) -> None:
    await driver.enqueue(_jobs(60))
    runners = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", _DRAIN, path, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    taken = b" ".join([out for out, _ in await asyncio.gather(*(runner.communicate() for runner in runners))])
    assert sorted(taken.decode().split()) == sorted(job.id for job in _jobs(60))


async def test_several_drivers_may_be_the_first_to_open_a_file(path: Path) -> None:
    drivers = [SQLiteDriver(path) for _ in range(8)]
    await asyncio.gather(*(driver.open() for driver in drivers))
    await drivers[0].enqueue(_jobs(1))
    assert [lease.id for lease in await _lease(drivers[-1], 1)] == ["job-0"]
    for driver in drivers:
        await driver.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
async def test_a_twin_in_a_fork_works_whatever_its_parent_was_doing(driver: SQLiteDriver) -> None:
    async def store(twin: SQLiteDriver, id: str) -> None:
        await twin.open()
        await twin.enqueue([NewJob(id=id, queue="mail", name="send", head=b"", body=b"")])
        await twin.close()

    for child in ("one", "two", "three", "four", "five"):
        busy = asyncio.gather(*(driver.enqueue([job]) for job in _jobs(20, body=bytes(1_000))))
        await asyncio.wait([busy], timeout=0.002)
        assert await asyncio.to_thread(_exit_code_of, _fork(store(driver.twin(), child))) == 0
        await busy
    assert all(await driver.get_jobs(["one", "two", "three", "four", "five"]))


async def test_what_was_answered_survives_a_process_that_is_killed(path: Path) -> None:
    script = (
        "import asyncio, os, sys; from flowli_sqlite import SQLiteDriver; from flowli.driver import NewJob\n"
        "async def main():\n"
        "    driver = SQLiteDriver(sys.argv[1]); await driver.open()\n"
        "    await driver.enqueue([NewJob('job-0', 'mail', 'send', b'', b'')]); os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())"
    )
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", script, path)
    assert await killed.wait() == -9
    driver = SQLiteDriver(path)
    await driver.open()
    assert [lease.id for lease in await _lease(driver, 1)] == ["job-0"]
    await driver.close()


async def test_a_file_that_stays_locked_is_unavailable_and_nothing_was_written(path: Path) -> None:
    driver = SQLiteDriver(path, patience=0)
    await driver.open()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DriverUnavailable, match="locked") as caught:
            await driver.enqueue(_jobs(1))
    assert not caught.value.maybe_written
    assert await driver.get_jobs(["job-0"]) == [None]
    await driver.close()


async def test_a_full_file_refuses_new_jobs_and_takes_results(path: Path) -> None:
    driver = SQLiteDriver(path, max_bytes=300_000)
    await driver.open()
    await driver.enqueue(_jobs(1))
    (lease,) = await _lease(driver, 1)
    with pytest.raises(QueueFull, match="full"):
        await driver.enqueue([*_jobs(2), *_jobs(100, body=bytes(10_000))])
    assert await driver.get_jobs(["job-1"]) == [None], "a step is refused whole"
    done = Settlement(lease.id, "mail", lease.token, State.COMPLETED, memo=bytes(500_000), keep_for=_HOUR)
    assert (await driver.exchange([done])).settled == [Settled.WRITTEN]
    await driver.close()


async def test_tokens_grow_also_over_a_restored_copy(driver: SQLiteDriver, path: Path, tmp_path: Path) -> None:
    await driver.enqueue(_jobs(1))
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        source.backup(copy)
    (lost,) = await _lease(driver, 1)
    restored = SQLiteDriver(shutil.copy(tmp_path / "copy.db", tmp_path / "restored.db"))
    await restored.open()
    (again,) = await _lease(restored, 1)
    assert again.token > lost.token
    await restored.close()


async def test_a_file_of_another_program_is_refused_and_left_as_it_was(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE orders (number)")
        with pytest.raises(DriverError, match="another program"):
            await SQLiteDriver(path).open()
        assert other.execute("SELECT name FROM sqlite_schema").fetchall() == [("orders",)]
        assert other.execute("PRAGMA journal_mode").fetchone() == ("delete",)


async def test_a_file_that_is_no_database_is_refused() -> None:
    with pytest.raises(DriverError, match="no SQLite file"):
        await SQLiteDriver(__file__).open()


async def test_a_directory_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(DriverUnavailable, match=r"nowhere"):
        await SQLiteDriver(tmp_path / "nowhere" / "jobs.db").open()


@pytest.mark.parametrize("name", ["", ":memory:"])
async def test_a_database_in_memory_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="file"):
        SQLiteDriver(name)


async def test_a_twin_finds_the_file_from_another_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    driver = SQLiteDriver("jobs.db")
    monkeypatch.chdir(os.sep)
    assert str(driver.twin()) == str(driver) == f"sqlite {tmp_path / 'jobs.db'}"


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        ("UPDATE counts SET number = number + 1", "count"),
        ("UPDATE jobs SET state = 'somewhere'", "unreachable"),
        ("UPDATE jobs SET state = 'active'", "no-token"),
        ("UPDATE marks SET value = -1 WHERE name = 'token'", "token-above-mark"),
    ],
)
async def test_damage_is_found_by_an_examination(driver: SQLiteDriver, path: Path, damage: str, code: str) -> None:
    await driver.enqueue([NewJob("a", "default", "greet", b"1", b'"Ada"')])
    assert (await driver.examine()).findings == []
    with closing(sqlite3.connect(path)) as db:
        db.execute(damage)
        db.commit()
    found = (await driver.examine()).findings
    assert {one.code for one in found} == {code}


async def test_a_runner_executes_what_is_enqueued(path: Path) -> None:
    async with App(context=None, driver=SQLiteDriver(path)) as app, Runner(app):
        handle = await app.greet.enqueue("Sam")
        assert await handle.result(timeout=10) == "hello Sam"
