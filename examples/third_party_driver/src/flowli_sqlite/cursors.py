"""Pieces of listings: how many items one may have, and the text of a cursor. It knows no table."""

from __future__ import annotations

import json
from collections.abc import Sequence

__all__ = ["Position", "check_limit", "read_cursor", "write_cursor"]

Position = Sequence[str | int]


def check_limit(limit: int) -> None:
    if limit < 1:
        raise ValueError(f"A listing of {limit} items would never end. Pass a limit of 1 or more.")


def write_cursor(listing: str, position: Position) -> str:
    return json.dumps([listing, *position])


def read_cursor(cursor: str | None, listing: str, start: Position) -> Position:
    """Where to go on: at ``start`` without a cursor. ValueError for one that was not written for this listing."""
    if cursor is None:
        return start
    try:
        found = json.loads(cursor)
    except json.JSONDecodeError:
        found = None
    match found:
        case [str(written_for), *position] if written_for == listing and _is_like(position, start):
            return position
        case _:
            raise ValueError("The cursor is none of this listing. Pass the one of the last piece, or None to begin.")


def _is_like(position: Sequence[object], start: Position) -> bool:
    return [type(value) for value in position] == [type(value) for value in start]
