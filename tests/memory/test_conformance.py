"""The memory driver keeps every promise of a driver. What is peculiar to it is tested in its own modules."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import ClassVar

import pytest

from flowli.driver import Ability
from flowli_conformance import DriverSuite
from flowli_memory import MemoryDriver
from tests.support.abilities import OFFERED


class TestMemory(DriverSuite):
    abilities: ClassVar[Collection[Ability]] = OFFERED

    @pytest.fixture
    def make_driver(self) -> Callable[[], MemoryDriver]:
        return MemoryDriver().twin

    @pytest.fixture(scope="session")
    @classmethod
    def store_name(cls) -> str:
        return "one process"
