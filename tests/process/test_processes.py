"""`flowli runner --processes`: a parent that keeps its runners alive, passes signals on, and ends when all have."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from flowli_redis import RedisDriver
from tests.process.app import LEDGER, STORE, App, pids_in
from tests.process.test_command import command
from tests.support.polling import eventually
from tests.support.runners import RunnerProcess
from tests.support.servers import ValkeyServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(180)]

TWO = ("--processes", "2")
PATIENCE = 60.0
"""Seconds for the start of three interpreters on a machine that has other things to do."""

Start = Callable[..., RunnerProcess]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    folder = tmp_path / "server"
    folder.mkdir()
    running = ValkeyServer(folder).start()
    yield running
    running.stop()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger"
    path.touch()
    return path


@pytest.fixture
async def flowli(server: ValkeyServer) -> AsyncIterator[App]:
    """The producer's side, in the test's own process."""
    async with App(context=None, driver=RedisDriver(server.url, prefix="process")) as runtime:
        yield runtime


@pytest.fixture
def start(tmp_path: Path, server: ValkeyServer, ledger: Path) -> Iterator[Start]:
    started: list[RunnerProcess] = []

    def begin(*options: str) -> RunnerProcess:
        environment = {STORE: server.url, LEDGER: str(ledger)}
        started.append(
            RunnerProcess(tmp_path, "tests.process.app:application", options=options, environment=environment)
        )
        return started[-1]

    yield begin
    for runner in started:
        runner.kill()


async def starts(ledger: Path, count: int) -> None:
    async def enough() -> bool:
        return len(pids_in(ledger)) >= count

    await eventually(enough, within=PATIENCE, what=f"{count} starts")


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
async def test_two_processes_share_the_work_and_both_drain(
    flowli: App, ledger: Path, start: Start, asked: signal.Signals
) -> None:
    runner = start(*TWO, "--concurrency", "1")
    handles = [await flowli.meets_another.enqueue() for _ in range(2)]
    assert [await handle.result(timeout=PATIENCE) for handle in handles] == [1, 1]
    assert runner.pid not in pids_in(ledger), "the parent executes nothing"
    runner.ask_to_end(asked)
    assert await runner.ended() == 0
    assert "[1] runner stopped" in runner.said and "[2] runner stopped" in runner.said


async def test_what_outlasts_the_grace_is_released_and_that_is_no_failure(
    flowli: App, ledger: Path, start: Start
) -> None:
    runner = start(*TWO, "--grace", "0s")
    handle = await flowli.hangs_at_first.enqueue()
    await starts(ledger, 1)
    runner.ask_to_end()
    assert await runner.ended() == 0
    record = await handle.record()
    assert (record.state, record.failures, record.deliveries) == ("queued", 0, 0)


async def test_the_status_says_that_a_handler_was_left_behind_in_one_of_them(
    flowli: App, ledger: Path, start: Start
) -> None:
    runner = start(*TWO, "--grace", "0s")
    await flowli.is_deaf.enqueue()
    await starts(ledger, 1)
    runner.ask_to_end()
    assert await runner.ended() == 4


async def test_a_process_that_dies_is_replaced_and_its_job_is_done_elsewhere(
    flowli: App, ledger: Path, start: Start
) -> None:
    runner = start(*TWO, "--lease", "2s")
    handle = await flowli.hangs_at_first.enqueue()
    await starts(ledger, 1)
    os.kill(pids_in(ledger)[0], signal.SIGKILL)
    assert await handle.result(timeout=PATIENCE) == 2

    async def replaced() -> bool:
        return runner.said.count("runner started") >= 3

    await eventually(replaced, within=PATIENCE, what="a successor")
    assert "was ended by SIGKILL; another one starts in 0.5s" in runner.said
    runner.ask_to_end()
    assert await runner.ended() == 0


async def test_when_the_parent_is_killed_the_others_drain_by_themselves(
    flowli: App, ledger: Path, start: Start
) -> None:
    runner = start(*TWO, "--concurrency", "1")
    handles = [await flowli.meets_another.enqueue() for _ in range(2)]
    assert [await handle.result(timeout=PATIENCE) for handle in handles] == [1, 1]
    runner.expected_to_end = True
    os.kill(runner.pid, signal.SIGKILL)

    async def both_said_so() -> bool:
        return "[1] runner stopped" in runner.said and "[2] runner stopped" in runner.said

    await eventually(both_said_so, within=PATIENCE, what="the end of both")
    assert runner.said.count("the parent process is gone") == 2


@pytest.mark.parametrize(("where", "status"), [("runtimes:nowhere", 3), ("runtimes:in_memory", 2)])
def test_what_one_process_refuses_at_its_start_several_refuse(tmp_path: Path, where: str, status: int) -> None:
    done = command(tmp_path, "runner", where, *TWO)
    assert done.returncode == status, done.stderr
    assert "secret" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not made for Windows")
async def test_a_runner_is_on_uvloop_where_that_is_installed(flowli: App, start: Start) -> None:
    start()
    assert await (await flowli.names_its_loop.enqueue()).result(timeout=PATIENCE) == "uvloop"
