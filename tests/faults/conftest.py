"""One lab for each test, the figures that the tests measured, and the table that is printed of them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.faults.clients import CLIENTS
from tests.faults.lab import Lab
from tests.faults.table import ROWS, table
from tests.support.proxy import ChaosProxy
from tests.support.servers import ValkeyServer

_FIGURE = "figure"
MakeLab = Callable[..., Any]
Figure = Callable[[str, str], None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runners in processes of their own take their time on a busy machine."""
    for item in items:
        if "faults" in item.path.parts and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(180))


@pytest.fixture(scope="session")
def client() -> str:
    """The client library of this round."""
    named = os.environ.get("FLOWLI_TEST_CLIENT", CLIENTS[0])
    assert named in CLIENTS, f"FLOWLI_TEST_CLIENT is one of {', '.join(CLIENTS)}"
    return named


@pytest.fixture
async def lab(valkey_server: ValkeyServer, client: str, tmp_path: Path) -> AsyncIterator[Lab]:
    """On the shared server: for trouble that meets runners alone."""
    made = Lab(tmp_path, valkey_server, client)
    async with made.app:
        yield made
    made.close()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., ValkeyServer]]:
    """Servers that a test may kill, fill or flush."""
    started: list[ValkeyServer] = []

    def start(*options: str) -> ValkeyServer:
        folder = tmp_path / f"server-{len(started)}"
        folder.mkdir()
        started.append(ValkeyServer(folder, options=options).start())
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
async def own_lab(
    start_server: Callable[..., ValkeyServer], client: str, tmp_path: Path
) -> AsyncIterator[Callable[..., Any]]:
    """Makes a lab on a server of its own, started with the options given."""
    async with AsyncExitStack() as stack:

        async def make(*options: str) -> Lab:
            lab = Lab(tmp_path, start_server(*options), client)
            await stack.enter_async_context(lab.app)
            stack.callback(lab.close)
            return lab

        yield make


@pytest.fixture
def proxy(lab: Lab) -> Iterator[ChaosProxy]:
    """In front of the lab's server."""
    with ChaosProxy(lab.server.port) as proxy:
        yield proxy


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Write a cell of the table: its row, and what was measured."""

    def write(row: str, measured: str) -> None:
        assert row in ROWS, f"there is no row {row!r}"
        record_property(_FIGURE, (row, measured))

    return write


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table, from all that passed."""
    reports = terminalreporter.stats.get("passed", [])
    found = [value for report in reports for name, value in report.user_properties if name == _FIGURE]
    if found:
        terminalreporter.section("faults: what nine peers did, and what this run measured")
        ours: dict[str, list[str]] = defaultdict(list)
        for row, measured in found:
            ours[row].append(measured)
        terminalreporter.write_line(table({row: "; ".join(sorted(said)) for row, said in ours.items()}))
