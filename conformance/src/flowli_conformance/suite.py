"""What every group of tests stands on: the fixtures, and the rule that an inherited test is never quietly replaced.

It knows how pytest collects classes; it knows no verb of a driver.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from types import FunctionType
from typing import ClassVar

import pytest

from flowli.driver import Ability, Driver
from flowli_conformance.bench import START, Bench

__all__ = ["Suite"]

_PACKAGE = __name__.partition(".")[0]


class Suite:
    """A group of tests for one driver. A subclass provides the fixture ``make_driver``, and may list ``deviations``.

    ``make_driver`` yields a function without parameters; each call of it makes one more driver, not open yet, on a
    store that was empty when the test began. A test that is redefined is refused; one that the driver cannot pass is
    listed in ``deviations`` with a reason, and becomes a strict xfail: it fails the run on the day on which it passes.
    """

    pytestmark: ClassVar[pytest.MarkDecorator] = pytest.mark.anyio

    deviations: ClassVar[Mapping[str, str]] = {}
    """Name of a test to the reason why this driver cannot pass it."""

    abilities: ClassVar[Collection[Ability]] = ()
    """What the driver offers beyond what every driver has to; a test compares it with what the driver says."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        _refuse_redefinition(cls)
        _refuse_unknown_abilities(cls)
        for name, reason in vars(cls).get("deviations", {}).items():
            setattr(cls, name, _as_deviation(cls, name, reason))

    @pytest.fixture(scope="session")
    @classmethod
    def anyio_backend(cls) -> str:
        """The protocol is written for asyncio. The scope lets an author have async fixtures that outlive a test."""
        return "asyncio"

    @pytest.fixture(scope="session")
    @classmethod
    def store_name(cls) -> str:
        """What reports name as the store: product, version, topology. "Valkey 9.1.0, one server", for example."""
        return ""

    @pytest.fixture
    async def bench(self, make_driver: Callable[[], Driver], store_name: str) -> AsyncIterator[Bench]:
        """An open driver on an empty store, at an instant that only the test moves."""
        async with Bench.over(make_driver, now=START) as bench:
            yield bench

    @pytest.fixture
    async def live(self, make_driver: Callable[[], Driver], store_name: str) -> AsyncIterator[Bench]:
        """An open driver on an empty store that goes by the store's own clock, for what is woken."""
        async with Bench.over(make_driver, now=None) as bench:
            yield bench


def _refuse_redefinition(cls: type) -> None:
    ours = dict(_tests_of_package(cls))
    redefined = sorted(
        {
            name
            for ancestor in cls.__mro__
            for name, value in vars(ancestor).items()
            if name in ours and _code_of(value) is not _code_of(ours[name])
        }
    )
    if redefined:
        raise TypeError(
            f"{cls.__name__} may not redefine {', '.join(redefined)}: the suite is the specification. "
            "List a test that the driver cannot pass in `deviations`, with the reason."
        )


def _refuse_unknown_abilities(cls: type[Suite]) -> None:
    unknown = sorted(str(ability) for ability in cls.abilities if ability not in frozenset(Ability))
    if unknown:
        raise TypeError(
            f"`abilities` of {cls.__name__} names {', '.join(unknown)}, which the protocol does not know; "
            f"it knows {', '.join(sorted(Ability))}."
        )


def _tests_of_package(cls: type) -> Iterator[tuple[str, object]]:
    for ancestor in cls.__mro__:
        if ancestor.__module__.partition(".")[0] == _PACKAGE:
            yield from ((name, value) for name, value in vars(ancestor).items() if name.startswith("test_"))


def _code_of(value: object) -> object:
    """A deviation is a copy of the inherited test and runs its code; anything else under its name is another test."""
    return getattr(value, "__code__", value)


def _as_deviation(cls: type, name: str, reason: str) -> object:
    test = getattr(cls, name, None) if name.startswith("test_") else None
    if not isinstance(test, FunctionType):
        raise TypeError(f"`deviations` of {cls.__name__} names {name}, which is no test of this class: remove it.")
    if not reason.strip():
        raise TypeError(
            f"`deviations` of {cls.__name__} gives no reason for {name}: say why the driver cannot pass it."
        )
    copy = FunctionType(test.__code__, test.__globals__, name, test.__defaults__, test.__closure__)
    copy.__kwdefaults__ = test.__kwdefaults__
    copy.__qualname__ = f"{cls.__qualname__}.{name}"
    copy.__doc__ = test.__doc__
    copy.__annotations__ = test.__annotations__
    copy.__dict__.update(test.__dict__)
    return pytest.mark.xfail(reason=reason, strict=True)(copy)
