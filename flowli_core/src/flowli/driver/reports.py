"""What a handler says of its attempt while it runs. Only a driver with the ability ``progress`` has to know it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from flowli.driver.messages import Hold, Millis

__all__ = ["KeepsReports", "Report"]


class Report(NamedTuple):
    """The newest note of a job, kept until it is terminal: over a lapse, a retry and a hand-back too."""

    token: int
    """Of the lease under which it was written."""
    at: Millis
    """By the store's clock."""
    note: bytes
    """Core's, as ``head`` and ``memo`` are."""


class KeepsReports(Protocol):
    """A driver that declares `Ability.PROGRESS`."""

    async def report(self, notes: Sequence[tuple[Hold, bytes]], *, now: Millis | None = None) -> Sequence[bool]:
        """Keep each note in place of the job's last one; False where the token is not the job's (any more)."""
        ...

    async def get_reports(self, ids: Sequence[str]) -> Sequence[Report | None]:
        """The newest of each; None for a job that said nothing, is terminal, or has no record."""
        ...
