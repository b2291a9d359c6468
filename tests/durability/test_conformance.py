"""With every level of durability the drivers keep what they promise.

`nox -s waits` runs, for one level, the groups whose verbs wait to be confirmed; `nox -s durability` runs all of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import ClassVar
from uuid import uuid4

import pytest

from flowli.resp.durability import Durability
from flowli_conformance import DriverSuite
from flowli_conformance.groups.enqueue import EnqueueSuite
from flowli_conformance.groups.schedule import ScheduleSuite
from flowli_conformance.groups.turns import TurnSuite
from tests.durability.drivers import AnyDriver, make
from tests.support.replication import Replication

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replication]:
    """Each write is synced at once: with everysec each would wait for the second to end."""
    options = ["--appendonly", "yes", "--appendfsync", "always"]
    started = Replication(tmp_path_factory.mktemp("servers"), options=options).start()
    yield started
    started.stop()


class Level:
    """Of which a driver is made: ``make_driver`` of the suite's classes."""

    name: ClassVar[Durability]

    @pytest.fixture
    def make_driver(self, servers: Replication, client: str) -> Callable[[], AnyDriver]:
        prefix = uuid4().hex
        return lambda: make(client, servers.first.url, prefix=prefix, durability=self.name)

    @pytest.fixture(scope="module")
    @classmethod
    def store_name(cls, servers: Replication) -> str:
        return f"{servers.product}, durability={cls.name}"


if os.environ.get("FLOWLI_TEST_DURABILITY") == "all":

    class TestAllFsync(Level, DriverSuite):
        name = "fsync"

    class TestAllReplica(Level, DriverSuite):
        name = "replica"

    class TestAllReplicaFsync(Level, DriverSuite):
        name = "replica_fsync"

else:

    class TestReplicaFsync(Level, EnqueueSuite, TurnSuite, ScheduleSuite):
        name = "replica_fsync"
