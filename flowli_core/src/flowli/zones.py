"""What the wall times of a time zone mean as seconds since the epoch. It refuses to know who asks, and any clock.

A wall time that the zone repeats means its first occurrence, one that the zone skips means the end of the gap.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from flowli.errors import SchedulingError

__all__ = ["Zone", "first_where", "parse_zone"]

_EPOCH = datetime(1970, 1, 1)
_SECOND = timedelta(seconds=1)
_MOST_CHARACTERS = 64
_LOCAL = "localtime"
"""Refused: a file beside the zones of many machines, and another zone on each."""


class Zone:
    """A time zone by its IANA name. Made by `parse_zone`; wall times are naive datetimes."""

    __slots__ = ("_info", "name")

    def __init__(self, name: str, info: ZoneInfo) -> None:
        self.name: str = name
        self._info = info

    def meaning(self, wall: datetime) -> int:
        """The second that ``wall`` means. It never goes back where ``wall`` goes forward."""
        offset, other = self._offsets(wall)
        if offset >= other:
            return _second_of(wall) - offset
        return self._change(offset, _second_of(wall) - other, _second_of(wall) - offset)

    def last_wall_until(self, second: int) -> datetime:
        """A wall time from which on the next meanings come after ``second``.

        It is what the zone's clocks show, and while they show an hour again, the end of that hour.
        """
        local = self._local(second)
        wall = local.replace(tzinfo=None, fold=0)
        if not local.fold:
            return wall
        offset, other = self._offsets(wall)
        return _wall_of(self._change(offset, second - (offset - other), second) + offset) - _SECOND

    def _change(self, offset: int, before: int, after: int) -> int:
        return first_where(lambda at: _seconds(self._local(at).utcoffset()) != offset, before, after)

    def _offsets(self, wall: datetime) -> tuple[int, int]:
        """The offsets before and after the change that repeats or skips ``wall``; twice the same if none does."""
        local = wall.replace(tzinfo=self._info)
        return _seconds(local.replace(fold=0).utcoffset()), _seconds(local.replace(fold=1).utcoffset())

    def _local(self, second: int) -> datetime:
        return _wall_of(second).replace(tzinfo=UTC).astimezone(self._info)


def parse_zone(name: str) -> Zone:
    """The zone of this IANA name. Raises SchedulingError, with the name that is nearest, if there is none."""
    return _read_zone(name)


def first_where(holds: Callable[[int], bool], before: int, after: int) -> int:
    """The least number for which ``holds`` is true; it is not for ``before``, and is for ``after`` and all between."""
    while after - before > 1:
        middle = (before + after) // 2
        if holds(middle):
            after = middle
        else:
            before = middle
    return after


def _read_zone(name: object) -> Zone:
    if not isinstance(name, str):
        raise SchedulingError(
            f"tz must be the name of an IANA zone such as 'Europe/Berlin', not {type(name).__name__}."
        )
    try:
        if 0 < len(name) <= _MOST_CHARACTERS and name != _LOCAL:
            return Zone(name, ZoneInfo(name))
    except (KeyError, ValueError, OSError):
        raise _unknown(name) from None
    raise _unknown(name)


def _unknown(name: str) -> SchedulingError:
    shown = name[:_MOST_CHARACTERS]
    zones = {zone.lower(): zone for zone in available_timezones() if zone != _LOCAL}
    if not zones:
        return SchedulingError(f"tz {shown!r}: this machine has no time zone data. Install tzdata.")
    near = difflib.get_close_matches(shown.lower(), zones, n=1)
    advice = f"did you mean {zones[near[0]]!r}?" if near else "write one such as 'Europe/Berlin', or 'UTC'."
    return SchedulingError(f"tz {shown!r} is no IANA zone: {advice}")


def _seconds(offset: timedelta | None) -> int:
    return offset // _SECOND if offset is not None else 0


def _wall_of(second: int) -> datetime:
    return _EPOCH + timedelta(seconds=second)


def _second_of(wall: datetime) -> int:
    return (wall - _EPOCH) // _SECOND
