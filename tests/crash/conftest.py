"""A proxy in front of the shared server, a store of one's own for each crash, and what is checked after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.scene import Scene
from tests.support.proxy import ChaosProxy
from tests.support.servers import ValkeyServer


@pytest.fixture
def proxy(valkey_server: ValkeyServer) -> Iterator[ChaosProxy]:
    with ChaosProxy(valkey_server.port) as proxy:
        yield proxy


@pytest.fixture
def scene(valkey_server: ValkeyServer, proxy: ChaosProxy, tmp_path: Path) -> Scene:
    return Scene(valkey_server.url, proxy, tmp_path)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many crash points there were: a test that enumerates them records the property ``requests``."""
    passed: list[pytest.TestReport] = terminalreporter.getreports("passed")
    counted = [(report.nodeid.rpartition("::")[2], dict(report.user_properties)) for report in passed]
    lines = [f"{found['requests']:>4} requests  {test}" for test, found in counted if "requests" in found]
    if lines:
        terminalreporter.section("crash points: after each, nothing was lost and nothing ended twice")
        terminalreporter.write("\n".join((*lines, "")))
