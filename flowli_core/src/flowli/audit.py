"""Who did what, and when: an act is noted before it is done, and once more how it went.

It knows the bytes of a note. It refuses to know how an act is done; a store that keeps no notes has none.
"""

from __future__ import annotations

import getpass
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from pydantic_core import SchemaValidator, core_schema, to_json

from flowli.driver import Ability, Audits, Driver, Millis, Note
from flowli.durations import millis_to_instant
from flowli.errors import ValidationError
from flowli.ids import make_id
from flowli.records import ActRecord
from flowli.repeat import repeat

__all__ = ["Act", "keep", "read_act", "who"]

_FORMAT = b"1"
_OBJECT = SchemaValidator(core_schema.dict_schema(keys_schema=core_schema.str_schema()))
_KEEP_FOR = Millis(90 * 86_400_000)
_MOST_NOTES = 2_000
_MOST_IDS, _MOST_TEXT = 20, 500
_MOST_BY = 200

_KEYS = {
    "by": "w",
    "deed": "d",
    "ids": "i",
    "where": "q",
    "schedule": "s",
    "edited": "e",
    "rate": "r",
    "asked": "n",
    "done": "k",
    "is_over": "o",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """An act as far as it has come; the fields are those of `ActRecord`."""

    id: str
    by: str
    deed: str
    ids: tuple[str, ...] = ()
    where: str | None = None
    schedule: str | None = None
    edited: bool = False
    rate: str | None = None
    asked: int = 0
    done: int = 0
    is_over: bool = False

    @classmethod
    def begin(cls, deed: str, by: str | None, **about: Any) -> Act:
        """A new one."""
        return cls(id=make_id(), by=who(by), deed=deed, **about)

    def after(self, *, asked: int, done: int, is_over: bool) -> Act:
        """The same, later."""
        return replace(self, asked=asked, done=done, is_over=is_over)


def who(by: str | None) -> str:
    """Who acts: as the caller says, or the user of this process and the machine it is on."""
    if by is None:
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # a container's user may have no name
            user = "unknown"
        return f"{user}@{socket.gethostname()}"[:_MOST_BY]
    if not 0 < len(by) <= _MOST_BY or not by.isprintable():
        raise ValidationError(f"by= says who acts, in 1 to {_MOST_BY} printable characters.")
    return by


async def keep(driver: Driver, act: Act) -> None:
    """Note an act as it stands, where the store keeps notes: the last two thousand, for ninety days."""
    if Ability.AUDIT not in driver.abilities:
        return
    audits, body = cast("Audits", driver), _encode(act)
    await repeat(lambda: audits.note(act.id, body, keep_for=_KEEP_FOR, most=_MOST_NOTES))


def _encode(act: Act) -> bytes:
    found: dict[str, Any] = {key: value for name, key in _KEYS.items() if (value := getattr(act, name))}
    if act.ids:
        found["i"] = act.ids[:_MOST_IDS]
    if act.where:
        found["q"] = act.where[:_MOST_TEXT]
    return _FORMAT + to_json(found)


def read_act(note: Note) -> ActRecord:
    """The record of a note. One of a newer format, or a damaged one, says when something was done."""
    found = _decode(note.body)
    return ActRecord(
        id=note.id,
        at=millis_to_instant(note.at),
        by=str(found.get("w", "")),
        deed=str(found.get("d", "")),
        ids=tuple(map(str, found.get("i", ()))),
        where=found.get("q"),
        schedule=found.get("s"),
        edited=bool(found.get("e")),
        rate=found.get("r"),
        asked=int(found.get("n", 0)),
        done=int(found.get("k", 0)),
        is_over=bool(found.get("o")),
    )


def _decode(body: bytes) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = _OBJECT.validate_json(body[1:]) if body[:1] == _FORMAT else {}
    except ValueError:
        return {}
    return found
