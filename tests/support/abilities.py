"""What our own drivers offer of all that is optional, as their test classes declare it."""

from __future__ import annotations

from collections.abc import Collection

from flowli.driver import Ability

__all__ = ["OFFERED"]

OFFERED: Collection[Ability] = [
    Ability.AUDIT,
    Ability.EXAMINE,
    Ability.FAIRNESS,
    Ability.LIMITS,
    Ability.PAUSES,
    Ability.PROGRESS,
    Ability.UNIQUE,
    Ability.WORKFLOWS,
]
