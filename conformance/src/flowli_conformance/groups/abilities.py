"""What `Driver.abilities` promises: driver and test class declare the same, and nothing that no test has proved."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flowli.driver import Ability, Driver
from flowli_conformance.suite import Suite

__all__ = ["AbilitySuite"]

_PROVED: frozenset[Ability] = frozenset(
    {
        Ability.AUDIT,
        Ability.EXAMINE,
        Ability.FAIRNESS,
        Ability.LIMITS,
        Ability.PAUSES,
        Ability.PROGRESS,
        Ability.UNIQUE,
        Ability.WORKFLOWS,
    }
)
"""The abilities that this version of the suite has tests for."""


def _named(abilities: Iterable[str]) -> str:
    return ", ".join(sorted(map(str, abilities)))


class AbilitySuite(Suite):
    """What a store may lack is declared twice, by its driver and by its test class, and is tested."""

    async def test_the_driver_and_its_test_class_declare_the_same_abilities(
        self, make_driver: Callable[[], Driver]
    ) -> None:
        found, declared = make_driver().abilities, frozenset(self.abilities)
        assert not declared - found, (
            f"the test class declares {_named(declared - found)}, and the driver does not: "
            "its users would be refused what its tests promise"
        )
        assert not found - declared, (
            f"the driver declares {_named(found - declared)}, and its test class does not: name it in `abilities` "
            "of the class, so that an ability that gets lost fails a test"
        )

    async def test_every_ability_is_one_of_the_protocol(self, make_driver: Callable[[], Driver]) -> None:
        unknown = [ability for ability in make_driver().abilities if ability not in frozenset(Ability)]
        assert not unknown, (
            f"the driver declares {_named(unknown)}, which the protocol does not know (it knows {_named(Ability)}): "
            "nothing would ever use it, and nobody would notice that it is misspelt"
        )

    async def test_every_ability_is_one_that_the_suite_proves(self, make_driver: Callable[[], Driver]) -> None:
        unproved = make_driver().abilities - _PROVED
        assert not unproved, (
            f"the driver declares {_named(unproved)}, for which this version of the suite has no tests: "
            "leave it out until there are some, for its users would rely on what nobody has checked"
        )
