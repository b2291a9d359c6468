"""Where a listing stopped, as text that a caller hands back; it knows no store."""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple

__all__ = ["Cursor", "decode", "encode"]

_FORM = re.compile(
    r"1\n([SQACFXP])\n([A-Za-z0-9_.*-]{1,64})\n([A-Za-z0-9_.-]{0,64})\n([LR]?)\n(-?[0-9]{1,20}|)\n(.*)", re.DOTALL
)


class Cursor(NamedTuple):
    """Behind which item a listing goes on: of what, of which queue (`*`: all), in which queue, and the item's place there."""

    kind: str
    """The letter of a state, or P for schedules."""
    scope: str
    queue: str
    lane: str
    score: str
    key: str


def encode(cursor: Cursor) -> str:
    """The cursor as text."""
    return base64.urlsafe_b64encode("\n".join(("1", *cursor)).encode()).decode()


def decode(text: str, kind: str, scope: str) -> Cursor:
    """The cursor that `encode` wrote for the same listing; ValueError for anything else."""
    try:
        match = _FORM.fullmatch(base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True).decode())
    except (UnicodeError, binascii.Error):
        match = None
    if match is None or match[1] != kind or match[2] != scope:
        message = "The cursor is not one that this listing gave out."
        raise ValueError(message)
    return Cursor(*match.groups())
