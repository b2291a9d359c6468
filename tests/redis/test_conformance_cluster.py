"""The redis-py driver keeps every promise of a driver on a cluster, also where the namespace is in partitions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import ClassVar
from uuid import uuid4

import pytest

from flowli.driver import Ability
from flowli_conformance import DriverSuite
from flowli_redis import RedisDriver
from tests.support.abilities import OFFERED
from tests.support.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster")).start()
    yield cluster
    cluster.stop()


class TestCluster(DriverSuite):
    abilities: ClassVar[Collection[Ability]] = OFFERED

    @pytest.fixture
    def make_driver(self, cluster: Cluster) -> Callable[[], RedisDriver]:
        prefix = uuid4().hex
        return lambda: RedisDriver(cluster.url_of_all, prefix=prefix)

    @pytest.fixture(scope="module")
    @classmethod
    def store_name(cls, cluster: Cluster) -> str:
        return cluster.product


class TestPartitions(DriverSuite):
    abilities: ClassVar[Collection[Ability]] = OFFERED

    @pytest.fixture
    def make_driver(self, cluster: Cluster) -> Callable[[], RedisDriver]:
        prefix = uuid4().hex
        return lambda: RedisDriver(cluster.url_of_all, prefix=prefix, partitions=4)

    @pytest.fixture(scope="module")
    @classmethod
    def store_name(cls, cluster: Cluster) -> str:
        return f"{cluster.product}, 4 partitions"
