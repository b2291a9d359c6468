"""Queues and job names whose jobs wait until somebody resumes them. Only a driver with the ability ``pauses`` has to
know it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from flowli.driver.messages import Millis

__all__ = ["KeepsPauses", "Pause", "Paused"]


class Paused(NamedTuple):
    """What is paused: one queue, or one job name in all queues."""

    kind: Literal["queue", "job"]
    name: str


class Pause(NamedTuple):
    """A pause that stands."""

    what: Paused
    since: Millis
    """By the store's clock."""


class KeepsPauses(Protocol):
    """A driver that declares `Ability.PAUSES`.

    What is paused is enqueued, promoted, handed back and cancelled as ever, and leased to nobody; what runs goes on. It
    is no work that ``more``, ``next_at`` or a wake-up could mean. A claim that meets a job of a paused name sets it
    aside: it is SCHEDULED for no instant (``due`` is 0) until the name is resumed, and keeps its place in the
    order of service.
    """

    async def pause(self, what: Sequence[Paused], *, now: Millis | None = None) -> None:
        """Pause these; what is paused already stays so since when it was."""
        ...

    async def resume(self, what: Sequence[Paused], *, now: Millis | None = None) -> None:
        """Let these be leased again, and wake who waits for them; nothing where nothing is paused."""
        ...

    async def get_pauses(self) -> Sequence[Pause]:
        """All that stand, in no order."""
        ...
