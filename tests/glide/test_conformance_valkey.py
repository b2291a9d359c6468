"""The GLIDE driver keeps every promise of a driver, on a real server."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import ClassVar
from uuid import uuid4

import pytest

from flowli.driver import Ability
from flowli_conformance import DriverSuite
from flowli_glide import GlideDriver
from tests.support.abilities import OFFERED
from tests.support.servers import ValkeyServer


class TestGlide(DriverSuite):
    abilities: ClassVar[Collection[Ability]] = OFFERED

    @pytest.fixture
    def make_driver(self, valkey_server: ValkeyServer) -> Callable[[], GlideDriver]:
        prefix = uuid4().hex
        return lambda: GlideDriver(valkey_server.url, prefix=prefix)

    @pytest.fixture(scope="session")
    @classmethod
    def store_name(cls, valkey_server: ValkeyServer) -> str:
        return f"{valkey_server.product}, standalone"
