from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from flowli_redis import RedisDriver
from tests.process.app import New
from tests.support.runners import Ledger, RunnerProcess
from tests.support.servers import ValkeyServer

StartRunner = Callable[..., RunnerProcess]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    folder = tmp_path / "server"
    folder.mkdir()
    running = ValkeyServer(folder).start()
    yield running
    running.stop()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest.fixture
async def flowli(server: ValkeyServer) -> AsyncIterator[New]:
    """The producer's side, in the test's own process."""
    async with New(context=None, driver=RedisDriver(server.url, prefix="process")) as runtime:
        yield runtime


@pytest.fixture
def start_runner(tmp_path: Path, server: ValkeyServer, ledger: Ledger) -> Iterator[StartRunner]:
    started: list[RunnerProcess] = []

    def start(*options: str, app: str = "current") -> RunnerProcess:
        started.append(RunnerProcess(tmp_path, url=server.url, ledger=ledger, app=app, options=options))
        return started[-1]

    yield start
    for runner in started:
        runner.close()
