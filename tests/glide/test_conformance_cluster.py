"""The GLIDE driver keeps every promise of a driver on a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator
from typing import ClassVar
from uuid import uuid4

import pytest

from flowli.driver import Ability
from flowli_conformance import DriverSuite
from flowli_glide import GlideDriver
from tests.glide.cluster import configuration, start_cluster
from tests.support.servers import ValkeyServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    server = asyncio.run(start_cluster(tmp_path_factory.mktemp("cluster")))
    yield server
    server.stop()


class TestCluster(DriverSuite):
    abilities: ClassVar[Collection[Ability]] = [Ability.EXAMINE]

    @pytest.fixture
    def make_driver(self, cluster: ValkeyServer) -> Callable[[], GlideDriver]:
        prefix = uuid4().hex
        return lambda: GlideDriver(configuration(cluster), prefix=prefix)

    @pytest.fixture(scope="module")
    @classmethod
    def store_name(cls, cluster: ValkeyServer) -> str:
        return f"{cluster.product}, cluster of one"
