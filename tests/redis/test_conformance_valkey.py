"""The redis-py driver keeps every promise of a driver, on a real server."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import ClassVar
from uuid import uuid4

import pytest

from flowli.driver import Ability
from flowli_conformance import DriverSuite
from flowli_redis import RedisDriver
from tests.support.abilities import OFFERED
from tests.support.servers import name_of_store


class TestRedisPy(DriverSuite):
    abilities: ClassVar[Collection[Ability]] = OFFERED

    @pytest.fixture
    def make_driver(self, store_url: str) -> Callable[[], RedisDriver]:
        prefix = uuid4().hex
        return lambda: RedisDriver(store_url, prefix=prefix)

    @pytest.fixture(scope="session")
    @classmethod
    def store_name(cls, request: pytest.FixtureRequest) -> str:
        return name_of_store(request)
