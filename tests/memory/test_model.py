"""The memory driver goes with the reference through random sequences of verbs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flowli_conformance.model import DriverModelSuite
from flowli_memory import MemoryDriver

pytestmark = [pytest.mark.slow, pytest.mark.timeout(14_400)]


class TestMemoryModel(DriverModelSuite):
    @pytest.fixture
    def make_store(self) -> Callable[[], Callable[[], MemoryDriver]]:
        return lambda: MemoryDriver().twin

    @pytest.fixture(scope="session")
    @classmethod
    def store_name(cls) -> str:
        return "one process"
