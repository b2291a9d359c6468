"""The memory of answers: what the last call of each sender was told. It refuses to know what an answer means."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import TypeAlias

from flowli.driver import Millis, Turn

__all__ = ["Answer", "recall", "remember"]

Answer: TypeAlias = Sequence[Sequence[str | int]]

_MEMORY = 10 * 60 * 1000
"""Milliseconds for which an answer is kept."""


def recall(db: sqlite3.Connection, now: Millis, turn: Turn) -> Answer | None:
    row = db.execute(
        "SELECT answer FROM turns WHERE sender = ? AND number = ? AND until > ?", (turn.sender, turn.number, now)
    ).fetchone()
    answer: Answer | None = row and json.loads(row[0])
    return answer


def remember(db: sqlite3.Connection, now: Millis, turn: Turn, answer: Answer) -> None:
    db.execute("DELETE FROM turns WHERE until <= ?", (now,))
    db.execute(
        "REPLACE INTO turns (sender, number, answer, until) VALUES (?, ?, ?, ?)",
        (turn.sender, turn.number, json.dumps(answer), now + _MEMORY),
    )
