"""The redis-py driver goes with the reference through random sequences of verbs, on a server and on fakeredis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar
from uuid import uuid4

import fakeredis
import pytest

from flowli_conformance.model import DriverModelSuite
from flowli_redis import RedisDriver
from tests.support.servers import ValkeyServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]


class TestValkeyModel(DriverModelSuite):
    @pytest.fixture
    def make_store(self, valkey_server: ValkeyServer) -> Callable[[], Callable[[], RedisDriver]]:
        def make() -> Callable[[], RedisDriver]:
            prefix = uuid4().hex
            return lambda: RedisDriver(valkey_server.url, prefix=prefix)

        return make


class TestFakeRedisModel(DriverModelSuite):
    examples: ClassVar[Mapping[str, int]] = {"ci": 50, "nightly": 500}
    """Fewer: it runs the same scripts as a server, more slowly."""

    @pytest.fixture
    def make_store(self) -> Callable[[], Callable[[], RedisDriver]]:
        def make() -> Callable[[], RedisDriver]:
            server = fakeredis.FakeServer()
            return lambda: RedisDriver(fakeredis.FakeAsyncRedis(server=server), prefix="model")

        return make
