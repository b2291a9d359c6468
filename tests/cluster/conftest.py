"""A cluster of three primaries and three replicas, and drivers of both client libraries on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from flowli_glide import GlideDriver
from flowli_redis import RedisDriver
from tests.support.cluster import Cluster

Make: TypeAlias = Callable[..., Awaitable[RedisDriver | GlideDriver]]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Shared: take a prefix of your own, and kill nothing."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster")).start()
    yield cluster
    cluster.stop()


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """One that the test may break."""
    cluster = Cluster(tmp_path).start()
    yield cluster
    cluster.stop()


@pytest.fixture(params=[RedisDriver, GlideDriver])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Makes and opens drivers of one client library, and closes them behind the test."""
    drivers: list[RedisDriver | GlideDriver] = []

    async def make(cluster: Cluster, **options: Any) -> RedisDriver | GlideDriver:
        drivers.append(request.param(cluster.url_of_all, **options))
        await drivers[-1].open()
        return drivers[-1]

    yield make
    for driver in drivers:
        await driver.close()
