"""What a store keeps of the acts of operators. Only a driver with the ability ``audit`` has to know it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from flowli.driver.messages import Millis, Slice

__all__ = ["Audits", "Note"]


class Note(NamedTuple):
    """One act, as its record stands now."""

    id: str
    """Made by core."""
    at: Millis
    """When it was noted first, by the store's clock."""
    body: bytes
    """Core's: who did what, to which jobs."""


class Audits(Protocol):
    """A driver that declares `Ability.AUDIT`. Core notes an act before it is done, and once more how it ended."""

    async def note(self, id: str, body: bytes, *, keep_for: Millis, most: int, now: Millis | None = None) -> None:
        """Keep a note, or replace the body of the one that has this id; what it was noted at stands.

        In the same step those that were noted ``keep_for`` ago, and all but the last ``most``, are dropped: nothing
        stays for ever. A repeat has the effect of one call; a full store does not refuse it.
        """
        ...

    async def list_notes(self, *, limit: int, cursor: str | None = None, now: Millis | None = None) -> Slice[Note]:
        """The latest first, by instant and then by id. ValueErrors as for `Driver.list_jobs`."""
        ...
