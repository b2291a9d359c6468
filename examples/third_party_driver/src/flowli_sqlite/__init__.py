"""A Flowli driver that keeps jobs in one SQLite file: durable, shared by the processes of one machine, no server."""

from __future__ import annotations

from flowli_sqlite.driver import SQLiteDriver

__all__ = ["SQLiteDriver"]
