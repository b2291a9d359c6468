"""F16: a runner and a producer of the release before, side by side with those of this one, on one store.

The release before is built from the history of this repository: as wheels, into an environment of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

from flowli import Flowli, JobHandle
from flowli.driver import NewJob
from flowli.records import FailureReason, JobRecord, State, WaitingFor
from flowli_redis import RedisDriver
from tests.faults.versions import JOBS, Label, Picture, added, beats, resize, stick, unchanged
from tests.support.ledger import Ledger
from tests.support.polling import eventually
from tests.support.runners import ROOT, RunnerProcess
from tests.support.servers import ValkeyServer

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(900)]

OLD_COMMIT = "e5d8edb"
"""The last one of "Drivers that behave identically"."""

_MEMBERS = ("flowli_core", "flowli_memory", "flowli_redis")
_OPTIONS = ("--lease", "2s", "--poll-interval", "100ms")
_EACH = 40


def _run(*command: str | Path, cwd: Path = ROOT) -> bytes:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, check=False)
    assert done.returncode == 0, f"{command[0]} {command[1]}: {done.stderr.decode()[-3000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def old_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the release before, and nothing of this one."""
    known = subprocess.run(["git", "cat-file", "-e", f"{OLD_COMMIT}^{{commit}}"], cwd=ROOT, capture_output=True)
    if known.returncode != 0:
        pytest.skip(f"the history of this clone does not reach back to {OLD_COMMIT}: git fetch --unshallow")
    folder = tmp_path_factory.mktemp("old-release")
    with tarfile.open(fileobj=BytesIO(_run("git", "archive", OLD_COMMIT, *_MEMBERS))) as archive:
        archive.extractall(folder, filter="data")
    wheels = folder / "wheels"
    for member in _MEMBERS:
        _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", wheels, folder / member)
    uv = (sys.executable, "-m", "uv")
    _run(*uv, "venv", "--quiet", "--python", sys.executable, folder / "venv")
    python = folder / "venv" / "bin" / "python"
    wanted = [f"{wheel}[cli]" if "core" in wheel.name else str(wheel) for wheel in sorted(wheels.glob("*.whl"))]
    _run(*uv, "pip", "install", "--quiet", "--python", python, "--constraint", ROOT / "constraints.txt", *wanted)
    where = _run(python, "-c", "import flowli; print(flowli.__file__)").decode()
    assert str(folder) in where
    return python


class Both(NamedTuple):
    """One namespace, this release's producer, and what starts runners of either release."""

    flowli: Flowli[None]
    driver: RedisDriver
    ledger: Ledger
    folder: Path
    environment: dict[str, str]
    old: Path
    runners: list[RunnerProcess]

    async def start(self, app: str) -> RunnerProcess:
        python = self.old if app == "previous" else Path(sys.executable)
        self.runners.append(
            RunnerProcess(
                self.folder,
                f"tests.faults.versions:{app}",
                options=_OPTIONS,
                environment=self.environment,
                python=str(python),
            )
        )
        return await self.runners[-1].ready()

    def enqueue_as_before(self, name: str) -> list[str]:
        """Some of one job, by a process of the release before; the ids."""
        command = [str(self.old), "-m", "tests.faults.versions", name, str(_EACH)]
        environment = {**os.environ, **self.environment}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    async def records(self, ids: Sequence[str]) -> list[JobRecord]:
        found = [await self.flowli.inspect.get_job(id) for id in ids]
        return [one for one in found if one is not None]

    async def until_over(self, ids: Sequence[str]) -> list[JobRecord]:
        async def over() -> list[JobRecord]:
            found = await self.records(ids)
            return found if len(found) == len(ids) and all(one.state.is_terminal for one in found) else []

        return await eventually(over, within=400, every=0.3, what="the end of all jobs")


@pytest.fixture
async def both(old_python: Path, valkey_server: ValkeyServer, tmp_path: Path) -> AsyncIterator[Both]:
    prefix, ledger = uuid4().hex, Ledger(tmp_path / "ledger")
    environment = {
        "FLOWLI_FAULTS_STORE": valkey_server.url,
        "FLOWLI_FAULTS_PREFIX": prefix,
        "FLOWLI_FAULTS_LEDGER": str(ledger.path),
    }
    driver = RedisDriver(valkey_server.url, prefix=prefix)
    runners: list[RunnerProcess] = []
    async with Flowli(context=None, jobs=JOBS, driver=driver) as flowli:
        yield Both(flowli, driver, ledger, tmp_path, environment, old_python, runners)
        for runner in runners:
            runner.close()


def _ids(handles: Sequence[JobHandle[int]]) -> list[str]:
    return [handle.id for handle in handles]


@pytest.mark.quick
async def test_side_by_side_nothing_is_lost_and_nothing_fails(both: Both) -> None:
    """A field that is gone, one that is new and demanded, a job that is new, and a schedule that either may fire."""
    old, new = await both.start("previous"), await both.start("current")
    use = both.flowli.use
    beating = await use(beats).schedule("300ms", key="beats")
    ids = _ids(await use(unchanged).enqueue_many(range(_EACH)))
    ids += _ids(await use(resize).enqueue_many([Picture(name=str(one)) for one in range(_EACH)]))
    ids += _ids(await use(stick).enqueue_many([Label(text=str(one), size=one) for one in range(_EACH)]))
    unknown = _ids(await use(added).enqueue_many(range(5)))
    ids += both.enqueue_as_before("unchanged") + both.enqueue_as_before("resize")
    records = await both.until_over([*ids, *unknown])
    await beating.delete()
    assert {record.state for record in records} == {State.COMPLETED}
    assert {record.failures for record in records} == {0}
    runs = both.ledger.read().runs
    assert {run.pid for run in runs} == {old.pid, new.pid}, "both took part"
    assert {run.pid for run in runs if run.job in unknown} == {new.pid}
    ran = [run.job for run in runs if not run.job.startswith("beats")]
    assert sorted(ran) == sorted([*ids, *unknown]), "each ran once"
    beaten = [run.job for run in runs if run.job.startswith("beats")]
    assert len(beaten) == len(set(beaten)) > 0
    for runner in (old, new):
        assert runner.terminate(within=60)[0] == 0


async def test_what_only_the_new_release_knows_waits_for_it(both: Both) -> None:
    old = await both.start("previous")
    unknown = _ids(await both.flowli.use(added).enqueue_many(range(5)))

    async def parked() -> bool:
        found = await both.records(unknown)
        return [(one.waiting_for, one.attempts_made) for one in found] == [(WaitingFor.RUNNER, 0)] * 5

    await eventually(parked, within=60, what="five parked jobs, no attempt counted")
    new = await both.start("current")
    records = await both.until_over(unknown)
    assert {(record.state, record.attempts_made) for record in records} == {(State.COMPLETED, 1)}
    assert {run.pid for run in both.ledger.read().runs} == {new.pid}
    assert old.is_alive


async def test_what_lacks_a_field_that_is_demanded_now_fails_with_its_reason(both: Both) -> None:
    new = await both.start("current")
    records = await both.until_over(both.enqueue_as_before("stick"))
    assert {(record.state, record.reason) for record in records} == {(State.FAILED, FailureReason.VALIDATION)}
    assert {record.attempts_made for record in records} == {0}
    assert both.ledger.read().runs == []
    assert new.is_alive


async def test_a_format_that_is_newer_still_is_parked_by_both(both: Both) -> None:
    old, new = await both.start("previous"), await both.start("current")
    body = b"\xff of another time"
    await both.driver.enqueue([NewJob("next", "default", "unchanged", b"2 a head of the next release", body)])

    async def parked() -> bool:
        return [one.waiting_for for one in await both.records(["next"])] == [WaitingFor.RUNNER]

    await eventually(parked, within=60, what="a parked job")
    [record] = await both.records(["next"])
    assert (record.attempts_made, record.failures, record.input_json) == (0, 0, body)
    assert both.ledger.read().runs == []
    assert old.is_alive and new.is_alive
