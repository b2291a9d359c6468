"""What a store says of its own health. Only a driver with the ability ``examine`` has to know it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from flowli.driver.messages import Millis

__all__ = ["Examination", "Examines", "Fact", "Finding", "Severity"]

Fact = str | int | float | bool | None


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """A promise is or will be broken: a job is lost, runs twice or stays for ever, or the store may drop it."""
    WARNING = "warning"
    """It works, and an operator should know."""


class Finding(NamedTuple):
    """Something that is not as it should be."""

    code: str
    """Stable, such as ``unreachable``; docs/doctor.md lists all."""
    severity: Severity
    subject: str
    """What it is about: the id of a job, a key, a queue, a setting."""
    message: str
    """What is wrong with it, and what to do. It holds no payload and no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What was looked at, and what was found. Findings are at most a thousand of each code."""

    findings: Sequence[Finding]
    facts: Mapping[str, Fact]
    """What was seen on the way: version, policy, persistence, memory, how many records."""


class Examines(Protocol):
    """A driver that declares `Ability.EXAMINE`."""

    async def examine(self, *, now: Millis | None = None) -> Examination:
        """Look through the whole store: whether each job stands in exactly one place that fits its state, every index
        leads to a record, and the store is set up to keep the promises.

        It writes nothing, looks in bounded steps so that others are served, and reports nothing that is merely under
        way: it may run beside any traffic.
        """
        ...
