"""`Audits`, for drivers that declare it: notes of acts, bounded in number and in time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from flowli.driver import Ability, Millis, Note
from flowli_conformance.bench import HOUR, MINUTE, Bench, raises
from flowli_conformance.suite import Suite

__all__ = ["AuditSuite"]


def _store(bench: Bench) -> Any:
    if Ability.AUDIT not in bench.driver.abilities:
        pytest.skip("the driver does not declare the ability `audit`")
    return bench.driver


async def _note(bench: Bench, id: str, body: bytes = b"body", *, keep_for: int = HOUR, most: int = 100) -> None:
    await _store(bench).note(id, body, keep_for=Millis(keep_for), most=most, now=bench.clock)


async def _notes(bench: Bench, *, limit: int = 100) -> list[Note]:
    found: Sequence[Note] = (await _store(bench).list_notes(limit=limit, now=bench.clock)).items
    return list(found)


class AuditSuite(Suite):
    """Who did what is known afterwards, and does not fill the store."""

    async def test_there_are_no_notes_at_first(self, bench: Bench) -> None:
        assert await _notes(bench) == [], "nobody did anything yet"

    async def test_a_note_is_kept_as_it_is(self, bench: Bench) -> None:
        body = b"line\nline\x00\xff"
        await _note(bench, "a", body)
        assert await _notes(bench) == [Note("a", bench.now, body)], "its bytes are core's, its instant is the store's"

    async def test_the_latest_is_first(self, bench: Bench) -> None:
        for id in ("b", "a", "c"):
            await _note(bench, id)
            bench.advance(1)
        await _note(bench, "e")
        await _note(bench, "d")
        assert [note.id for note in await _notes(bench)] == ["e", "d", "c", "a", "b"], (
            "an operator looks for what was done last; of one instant the greater id is first"
        )

    async def test_a_note_is_replaced_at_its_place(self, bench: Bench) -> None:
        await _note(bench, "a", b"under way")
        bench.advance(MINUTE)
        await _note(bench, "b")
        await _note(bench, "a", b"done")
        await _note(bench, "a", b"done")
        assert await _notes(bench) == [Note("b", bench.now, b"body"), Note("a", bench.at(-MINUTE), b"done")], (
            "an act is one note, from its begin to its end, however often it is written"
        )

    async def test_only_the_last_ones_are_kept(self, bench: Bench) -> None:
        for number in range(12):
            await _note(bench, f"note-{number:02}", most=10)
            bench.advance(1)
        assert [note.id for note in await _notes(bench)] == [f"note-{number:02}" for number in range(11, 1, -1)], (
            "the record is bounded in number"
        )
        await _note(bench, "last", most=3)
        assert [note.id for note in await _notes(bench)] == ["last", "note-11", "note-10"], "whatever stood before"

    async def test_a_note_has_its_time(self, bench: Bench) -> None:
        await _note(bench, "a", keep_for=HOUR)
        bench.advance(MINUTE)
        await _note(bench, "b", keep_for=HOUR)
        bench.advance(HOUR - MINUTE)
        assert [note.id for note in await _notes(bench)] == ["b"], "what has expired is not seen, swept or not"
        bench.advance(MINUTE)
        await _note(bench, "c", keep_for=HOUR)
        assert [note.id for note in await _notes(bench)] == ["c"], "the record is bounded in time"

    async def test_a_listing_is_met_in_pieces(self, bench: Bench) -> None:
        for number in range(7):
            await _note(bench, f"note-{number}")
            bench.advance(number % 2)
        whole, pieces, cursor = await _notes(bench), list[Note](), None
        while True:
            found = await _store(bench).list_notes(limit=2, cursor=cursor, now=bench.clock)
            pieces += found.items
            cursor = found.cursor
            if cursor is None:
                break
            await _note(bench, f"later-{len(pieces)}")
        assert pieces == whole, "each note that is there throughout is met once, whatever comes meanwhile"

    async def test_a_cursor_that_the_store_did_not_make_is_refused(self, bench: Bench) -> None:
        store = _store(bench)
        for cursor in ("", "nonsense", "[1]"):
            with raises(ValueError, "a reader that goes on from nowhere would miss notes"):
                await store.list_notes(limit=1, cursor=cursor, now=bench.clock)
        with raises(ValueError, "a page of nothing has no end"):
            await store.list_notes(limit=0, now=bench.clock)
