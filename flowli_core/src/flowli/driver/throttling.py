"""What a store with `Ability.LIMITS` keeps beside its jobs: rules of limits, and who draws on them.

A limit bounds what is leased, for each of its keys by itself. A job that does not fit under all of its needs takes
none, is parked (SCHEDULED without an instant), and is queued again as soon as it may fit, with its place kept: it is
never tried in a loop. Of jobs that need one key those with a higher priority come first, then by the instant since when
they are ready; whoever comes later waits behind what is parked, also if it is smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from flowli.driver.messages import Millis

__all__ = ["LimitView", "Need", "Rule", "Throttles"]


class Rule(NamedTuple):
    """What one limit allows for each of its keys: weights held together, and weights leased within any ``span``.

    A weight that is larger than a bound is leased when nothing else counts against that bound.
    """

    limit: str
    at_once: int | None = None
    """Held by leases, until they end in whatever way."""
    most: int | None = None
    """Leased at instants within one ``span``: a lease at ``t`` counts until ``t + span``, also when it has ended."""
    span: Millis | None = None


class Need(NamedTuple):
    """A share of a limit, for as long as a job is leased. The rule is written where the store has none."""

    rule: Rule
    key: str = ""
    """The empty one is that of a limit without keys."""
    weight: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitView:
    """One key of a limit, as of now."""

    rule: Rule | None
    held: int
    """Weights of the jobs that are leased."""
    used: int
    """Weights that were leased within the last ``span``."""
    parked: int
    """How many jobs wait for this key before all others that they need."""
    closed_until: Millis | None
    holders: Sequence[str]
    """Ids of up to 100 jobs that hold it."""


class Throttles(Protocol):
    """What a driver with `Ability.LIMITS` has beside the verbs of every driver."""

    async def set_rules(self, rules: Sequence[Rule], *, now: Millis | None = None) -> None:
        """Replace the rules of these limits; what is parked under a rule that changed is looked at anew."""

    async def get_rules(self) -> Sequence[Rule]:
        """All rules, by limit."""
        ...

    async def hold(self, limit: str, key: str | None, until: Millis | None, *, now: Millis | None = None) -> None:
        """Close a key (None: the whole limit) to new leases until an instant; None reopens it now. Leases go on."""

    async def get_limit(self, limit: str, key: str = "", *, now: Millis | None = None) -> LimitView:
        """Who holds a key, and what waits for it."""
        ...

    async def get_keys(self, limit: str, *, most: int = 100) -> Sequence[str]:
        """Some keys of a limit that are drawn on, or waited for."""
        ...
