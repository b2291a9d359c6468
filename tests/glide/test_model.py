"""The GLIDE driver goes with the reference through random sequences of verbs."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest

from flowli_conformance.model import DriverModelSuite
from flowli_glide import GlideDriver
from tests.support.servers import ValkeyServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(14_400)]


class TestGlideModel(DriverModelSuite):
    @pytest.fixture
    def make_store(self, valkey_server: ValkeyServer) -> Callable[[], Callable[[], GlideDriver]]:
        def make() -> Callable[[], GlideDriver]:
            prefix = uuid4().hex
            return lambda: GlideDriver(valkey_server.url, prefix=prefix)

        return make

    @pytest.fixture(scope="session")
    @classmethod
    def store_name(cls, valkey_server: ValkeyServer) -> str:
        return f"{valkey_server.product}, standalone"
