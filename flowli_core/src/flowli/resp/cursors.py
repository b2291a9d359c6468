"""Where a listing stopped, as text that a caller hands back; it knows no store."""

from __future__ import annotations

import base64
import json
import re
from typing import Any, NamedTuple

__all__ = ["Cursor", "check_limit", "decode", "encode"]

_LANE = re.compile(r"(R|G|L[0-9]{0,4})?")
_SCORE = re.compile(r"(-?[0-9]{1,20})?")


class Cursor(NamedTuple):
    """Behind which item a listing goes on: of what, of which queue, and the place of the item where it stopped."""

    kind: str
    """The letter of a state, or P for schedules."""
    scope: str | None
    """The queue that is listed; None for all."""
    queue: str
    lane: str
    score: str
    key: str


def check_limit(limit: int) -> None:
    """ValueError for a page of less than one: its reader would turn it for ever."""
    if limit < 1:
        message = f"The limit of a listing is {limit}; it has to be 1 or more."
        raise ValueError(message)


def encode(cursor: Cursor) -> str:
    """The cursor as text."""
    return base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode()


def decode(text: str, kind: str, scope: str | None) -> Cursor:
    """The cursor that `encode` wrote for the same listing; ValueError for anything else."""
    message = "The cursor is not one that this listing gave out."
    try:
        fields: Any = json.loads(base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True))
        cursor = Cursor(*fields)
        known = (cursor.kind, cursor.scope) == (kind, scope) and _LANE.fullmatch(cursor.lane)
        if known and _SCORE.fullmatch(cursor.score) and _is_text(cursor.queue, cursor.key):
            return cursor
    except (ValueError, TypeError):
        raise ValueError(message) from None
    raise ValueError(message)


def _is_text(*fields: object) -> bool:
    return all(isinstance(field, str) for field in fields)
