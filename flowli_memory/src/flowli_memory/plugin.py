"""The pytest plugin that comes with the driver: one fixture. It is imported by pytest alone."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from typing import Any, TypeVar

import pytest

from flowli import Flowli
from flowli_memory.testing import Rig

__all__ = ["Rigs", "rig"]

_F = TypeVar("_F", bound=Flowli[Any])


class Rigs:
    """What the fixture ``rig`` is: call it with a runtime, and with what `Rig` takes besides."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __call__(self, flowli: _F, **options: Any) -> Rig[_F]:
        """A rig of this runtime until the test is over."""
        return self._stack.enter_context(Rig(flowli, **options))


@pytest.fixture
def rig() -> Generator[Rigs]:
    """``bed = rig(flowli)``: a `flowli_memory.testing.Rig` of that runtime until the test is over."""
    with ExitStack() as stack:
        yield Rigs(stack)
