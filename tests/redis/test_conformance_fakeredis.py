"""The redis-py driver keeps every promise of a driver when the user's client is one of fakeredis."""

from __future__ import annotations

from collections.abc import Callable, Collection
from importlib.metadata import version
from typing import ClassVar

import fakeredis
import pytest

from flowli.driver import Ability
from flowli_conformance import DriverSuite
from flowli_redis import RedisDriver
from tests.support.abilities import OFFERED


class TestFakeRedis(DriverSuite):
    abilities: ClassVar[Collection[Ability]] = OFFERED

    @pytest.fixture
    def make_driver(self) -> Callable[[], RedisDriver]:
        server = fakeredis.FakeServer()
        return lambda: RedisDriver(fakeredis.FakeAsyncRedis(server=server), prefix="test")

    @pytest.fixture(scope="session")
    @classmethod
    def store_name(cls) -> str:
        return f"fakeredis {version('fakeredis')}"
