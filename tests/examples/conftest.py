"""A server for the programs of one test: they use prefixes of their own choice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers import ValkeyServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    folder = tmp_path / "server"
    folder.mkdir()
    running = ValkeyServer(folder).start()
    yield running
    running.stop()
