"""A test class for each broken driver, of the groups of the suite that hold the tests which have to find its fault.

Only `test_broken_drivers` runs them, and of each class no more than it asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import ClassVar

import pytest

from flowli.driver import Ability
from flowli_conformance import AbilitySuite, CloseSuite, DriverSuite, EnqueueSuite, OrderSuite, Suite
from flowli_memory import MemoryDriver
from tests.conformance.faults import (
    acting,
    binding,
    claiming,
    pausing,
    reading,
    settling,
    sharing,
    storing,
    throttling,
    torn,
    waiting,
)
from tests.conformance.faults.faulty import FAULTS, Fault
from tests.conformance.faults.stubs import OpensOnly, Stub

__all__ = ["FAULTS", "MODULES", "groups_of"]

MODULES = (acting, binding, claiming, pausing, reading, settling, sharing, storing, throttling, torn, waiting)
"""Imported for the faults that they list."""


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wake-ups that never come are given up soon."""
    monkeypatch.setattr("flowli_conformance.bench._DEADLINE", 0.4)


def groups_of(fault: Fault) -> Iterator[type[Suite]]:
    """The groups of the suite that hold the tests of a fault."""
    wanted = {test.partition("[")[0] for test in fault.tests}
    return (group for group in DriverSuite.__bases__ if issubclass(group, Suite) and wanted & set(vars(group)))


def _class_for(fault: Fault) -> type[Suite]:
    @pytest.fixture
    def make_driver(self: object) -> Callable[[], MemoryDriver]:
        return fault.driver().sibling

    body = {"make_driver": make_driver, "__doc__": fault.driver.__doc__, "__module__": __name__}
    # A driver without pauses or limits fails everything of their group: it is asked for something else as well.
    groups = list(groups_of(fault))
    if EnqueueSuite not in groups:
        groups.append(EnqueueSuite)
    return type(f"Test{fault.driver.__name__}", tuple(groups), body)


globals().update({f"Test{fault.driver.__name__}": _class_for(fault) for fault in FAULTS})


class TestWithDeviations(OrderSuite):
    deviations: ClassVar[Mapping[str, str]] = {
        "test_a_higher_priority_is_served_first": "this store has no priorities",
        "test_a_queue_that_is_not_named_is_not_served": "a deviation that is none",
    }

    @pytest.fixture
    def make_driver(self) -> Callable[[], MemoryDriver]:
        return storing.IgnoresPriorities().sibling

    @pytest.fixture
    def store_name(self) -> str:
        return "a store without priorities"


class _OffersNothing(MemoryDriver):
    @property
    def abilities(self) -> frozenset[Ability]:
        return frozenset()


class TestOffersNothing(DriverSuite):
    """Not broken: what is optional is skipped, and nothing else."""

    @pytest.fixture
    def make_driver(self) -> Callable[[], MemoryDriver]:
        return _OffersNothing


class TestPromisesJoins(AbilitySuite):
    abilities: ClassVar[Collection[Ability]] = [Ability.JOIN]

    @pytest.fixture
    def make_driver(self) -> Callable[[], MemoryDriver]:
        return MemoryDriver


class TestStub(DriverSuite):
    @pytest.fixture
    def make_driver(self) -> Callable[[], Stub]:
        return Stub


class TestOpensOnly(CloseSuite):
    @pytest.fixture
    def make_driver(self) -> Callable[[], Stub]:
        return OpensOnly
