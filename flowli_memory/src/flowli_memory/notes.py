"""Knows the notes of operators' acts, and which of them have had their time. Refuses to know what they say."""

from __future__ import annotations

import json
from typing import NamedTuple

from flowli.driver import Millis, Note, Slice

__all__ = ["Notes"]


class _Kept(NamedTuple):
    note: Note
    until: int


class Notes:
    """The last notes of one store."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def put(self, id: str, body: bytes, keep_for: int, most: int, now: Millis) -> None:
        """Keep a note, or replace the body of the one that has this id; drop what is too old, or too much."""
        known = self._kept.get(id)
        at = now if known is None else known.note.at
        self._kept[id] = _Kept(Note(id, at, body), at + keep_for)
        old = [kept.note for kept in self._kept.values() if kept.note.at + keep_for <= now]
        first = self._in_order()[most:]
        for note in (*old, *first):
            self._kept.pop(note.id, None)

    def page(self, limit: int, cursor: str | None, now: int) -> Slice[Note]:
        """The latest first."""
        if limit < 1:
            raise ValueError(f"a page of {limit} notes has no end")
        place = None if cursor is None else _place(cursor)
        notes = [note for note in self._in_order() if self._kept[note.id].until > now]
        rest = notes if place is None else [note for note in notes if (note.at, note.id) < place]
        page = rest[:limit]
        return Slice(page, json.dumps((page[-1].at, page[-1].id)) if len(rest) > limit else None)

    def _in_order(self) -> list[Note]:
        notes = (kept.note for kept in self._kept.values())
        return sorted(notes, key=lambda note: (note.at, note.id), reverse=True)


def _place(cursor: str) -> tuple[int, str]:
    try:
        at, id = json.loads(cursor)
        return int(at), str(id)
    except (TypeError, ValueError):
        raise ValueError("the cursor is not one that this listing gave out") from None
