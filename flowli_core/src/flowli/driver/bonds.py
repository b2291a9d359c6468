"""What binds a job to others: what it shares with them, and what has to be written in the same step as the job itself.

Each bond needs an ability of the driver. A job without bonds (``NewJob.bonds`` is None) costs nothing of this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from flowli.driver.messages import Millis
from flowli.driver.throttling import Need

__all__ = ["MOST_PARENTS", "Bonds", "OnConflict", "UniqueKey", "Until"]

MOST_PARENTS = 10_000
"""Of one job."""


class Until(StrEnum):
    """How long a job holds its unique key."""

    STARTED = "started"
    """Until it is first leased, or over."""
    SETTLED = "settled"
    """Until it is over."""
    LAPSED = "lapsed"
    """For the span alone, whatever becomes of it; only its cancellation or deletion while it waits, before it was ever
    over, frees the key sooner."""


class OnConflict(StrEnum):
    """What becomes of the job that holds a key when another one asks for it."""

    KEEP = "keep"
    """Nothing: it stands for the request too."""
    REPLACE = "replace"
    """If it waits, everything of it but its id is the request's from now on, as if it had just been stored."""
    RESCHEDULE = "reschedule"
    """If it waits, it waits for the instant of the request; one that waits for parents goes on waiting for them."""


class UniqueKey(NamedTuple):
    """A key that at most one job holds at a time, in the whole namespace.

    A request for a key that is held makes no job. ``within`` counts from the request that made the job that holds it:
    then the key is free, whatever ``until`` says, and the job that holds it is replaced by or rescheduled to no later
    instant than that.
    """

    key: str
    """1 to 500 bytes in UTF-8."""
    until: Until = Until.SETTLED
    on_conflict: OnConflict = OnConflict.KEEP
    within: Millis | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bonds:
    """What binds one job; every field may be left out."""

    unique: UniqueKey | None = None
    """For drivers with `Ability.UNIQUE`."""
    after: Sequence[str] = ()
    """For drivers with `Ability.WORKFLOWS`: its parents, each once, at most `MOST_PARENTS`, which are stored with bonds
    too, if only empty ones.

    It is SCHEDULED, without an instant and whatever its ``due`` or ``delay``, while any of them has a record that is
    not terminal; the step that makes the last of them terminal, however it ended, queues it, ready from then on, and
    wakes a runner. A parent that is unknown, or has expired, counts as ended. The records of the others are kept until
    this job is terminal or gone, and from then on for what is left of their own ``keep_for``. Jobs of one call are
    stored in its order: parents come before their child."""
    needs: Sequence[Need] = ()
    """Limits that it draws on while it is leased, each once. For drivers with `Ability.LIMITS`."""
    group: str | None = None
    """Jobs of one queue and priority are served round robin over their groups; those without one are one more group.
    For drivers with `Ability.FAIRNESS`."""
