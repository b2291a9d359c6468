"""Deeds to jobs by id, and the notes of operators' acts, over RESP; it knows their scripts, one for each deed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from flowli.driver import Act, Acted, Deed, Millis, Note, Slice
from flowli.resp.cursors import Cursor, check_limit, decode, encode
from flowli.resp.namespace import Namespace, cut, instant
from flowli.resp.records import LETTERS, STATES, unpack_texts
from flowli.resp.scripts import Arg, Call, script

__all__ = ["act", "list_notes", "note"]


async def act(space: Namespace, acts: Sequence[Act], *, now: Millis | None) -> Sequence[Acted]:
    """Driver.act: acts of one deed go together, in the order of the call."""
    answers: list[Acted] = []
    for deed, run in groupby(acts, key=lambda one: one.deed):
        for chunk in cut(list(run), _size):
            with space.after_writes(bool(answers)):
                answers += await _SCRIPTS[deed](space, chunk, now)
    return answers


def _size(act: Act) -> int:
    return len(act.memo or b"") + len(act.body or b"")


async def _cancel(space: Namespace, acts: Sequence[Act], now: Millis | None) -> list[Acted]:
    args: list[Arg] = []
    for one in acts:
        args += (one.id, one.keep_for, _given(one.memo))
    letters, parents = await _complete(space, "act", args, now)
    return [_acted(one, parents.get(at, ()), done=one in "SQ") for at, one in enumerate(letters, 1)]


async def _replay(space: Namespace, acts: Sequence[Act], now: Millis | None) -> list[Acted]:
    args: list[Arg] = []
    for one in acts:
        args += (one.id, _seen(one), max(one.delay, 0), _given(one.memo), _given(one.body))
    return _judged(*await _complete(space, "replay", args, now))


async def _delete(space: Namespace, acts: Sequence[Act], now: Millis | None) -> list[Acted]:
    args: list[Arg] = []
    for one in acts:
        args += (one.id, _seen(one))
    return _judged(*await _complete(space, "delete", args, now))


_SCRIPTS = {Deed.CANCEL: _cancel, Deed.REPLAY: _replay, Deed.DELETE: _delete}


async def _complete(
    space: Namespace, name: str, args: list[Arg], now: Millis | None
) -> tuple[str, dict[int, Sequence[str]]]:
    """What came of each act, and the parents of those that waited for some, by the number of the act."""

    def build(names: Sequence[str]) -> Call:
        return script(name).call(space.keys, names, [instant(now), len(names), *names, *args])

    reply: Any = await space.complete(list(space.met), build, writes=True)
    letters, waited = (reply, ()) if isinstance(reply, bytes) else reply
    return letters.decode(), {act: unpack_texts(row) for act, row in waited}


def _given(value: bytes | None) -> bytes:
    return b"" if value is None else b"1" + value


def _seen(act: Act) -> str:
    return "" if act.seen is None else f"{LETTERS[act.seen.state]}{act.seen.token}"


def _judged(said: str, parents: Mapping[int, Sequence[str]]) -> list[Acted]:
    rows = enumerate(zip(said[::2], said[1::2], strict=True), 1)
    return [_acted(letter, parents.get(at, ()), done=done == "1") for at, (letter, done) in rows]


def _acted(letter: str, parents: Sequence[str], *, done: bool) -> Acted:
    return Acted(None, False) if letter == "-" else Acted(STATES[letter.encode()], done, parents)


async def note(space: Namespace, id: str, body: bytes, *, keep_for: Millis, most: int, now: Millis | None) -> None:
    """Audits.note."""
    await space.one(script("note").call(space.keys, [], [instant(now), 0, id, body, keep_for, most]), writes=True)


async def list_notes(space: Namespace, *, limit: int, cursor: str | None, now: Millis | None) -> Slice[Note]:
    """Audits.list_notes."""
    check_limit(limit)
    after = Cursor("N", None, "", "", "", "") if cursor is None else decode(cursor, "N", None)
    args: list[Arg] = [instant(now), 0, limit, after.score, after.key]
    flat = await space.one(script("notes").call(space.keys, [], args), writes=False)
    notes = [Note(flat[i].decode(), Millis(int(float(flat[i + 1]))), flat[i + 2]) for i in range(0, len(flat), 3)]
    if len(notes) < limit:
        return Slice(notes, None)
    return Slice(notes, encode(after._replace(score=str(notes[-1].at), key=notes[-1].id)))
