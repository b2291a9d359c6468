"""One connection to one file: how it is opened, what a step is, what its errors mean. It knows no verb and no loop.

It serves one thread at a time: the worker, and whoever forks.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib.resources import files
from typing import TypeVar

from flowli.driver import Millis
from flowli.errors import DriverClosed, DriverError, DriverUnavailable, QueueFull
from flowli_sqlite.forks import suspend_at_forks

__all__ = ["Connection", "Step"]

T = TypeVar("T")
Step = Callable[[sqlite3.Connection, Millis], T]
"""What a verb does within one transaction, at one instant."""

_OLDEST = (3, 35)
"""The first release of SQLite that has RETURNING."""
_APPLICATION, _LAYOUT = 1179406195, 2
_REFUSED = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY)
"""What a commit says that left nothing in the file for certain; after any other error that is unknown."""
_UNBOUNDED = 1_073_741_823


class Connection:
    """The file, one step at a time. ``max_bytes`` bounds the steps that make it grow, and no other; ``patience`` is
    for how many seconds a step waits for those of other connections before the file counts as unavailable."""

    def __init__(self, path: str, max_bytes: int | None, patience: float) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._patience = patience
        self._is_open = False
        self._db: sqlite3.Connection | None = None
        self.gate = threading.Lock()
        suspend_at_forks(self)

    def open(self) -> None:
        """Connect, and make the tables where there are none; nothing if it is open already."""
        with self.gate, self._told("be opened"):
            self._db = self._db or self._connect()
            self._is_open = True

    def close(self) -> None:
        with self.gate:
            self._is_open = False
            self.suspend()

    def suspend(self) -> None:
        """Let go of the file until the next step; for whoever holds the gate."""
        if self._db is not None:
            self._db.close()
        self._db = None

    def read(self, step: Step[T], now: Millis | None) -> T:
        """Do a step that sees one state of the file throughout, and changes nothing."""
        with self.gate, self._told("be read"), self._between("BEGIN", "ROLLBACK") as db:
            return step(db, _instant(now))

    def write(self, step: Step[T], now: Millis | None, *, grows: bool = False) -> T:
        """Do a step that is written whole or not at all, and is on the disk when this returns."""
        with self.gate, self._told("be written", grows=grows), self._between("BEGIN IMMEDIATE", "COMMIT") as db:
            self._bound(db, grows=grows)
            return step(db, _instant(now))

    @contextmanager
    def _between(self, begin: str, end: str) -> Generator[sqlite3.Connection]:
        if not self._is_open:
            raise DriverClosed(f"The file {self._path} is not open. Await open() first.")
        db = self._db = self._db or self._connect()
        db.execute(begin)
        try:
            yield db
            self._finish(db, end)
        finally:
            if db.in_transaction:
                db.rollback()

    def _finish(self, db: sqlite3.Connection, end: str) -> None:
        try:
            db.execute(end)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in _REFUSED:
                raise
            raise DriverUnavailable(
                f"{self._path} did not confirm a step ({error}). Check the disk; the call may be repeated.",
                maybe_written=True,
            ) from error

    def _bound(self, db: sqlite3.Connection, *, grows: bool) -> None:
        if self._max_bytes is not None:
            (size,) = db.execute("PRAGMA page_size").fetchone()
            pages = max(1, self._max_bytes // size) if grows else _UNBOUNDED
            db.execute(f"PRAGMA max_page_count = {pages}").fetchone()

    def _connect(self) -> sqlite3.Connection:
        if sqlite3.sqlite_version_info < _OLDEST:
            raise DriverError(f"SQLite {sqlite3.sqlite_version} is too old for {self._path}: 3.35 or newer is needed.")
        # The thread that forks closes what the worker opened; the gate keeps them apart.
        db = sqlite3.connect(self._path, timeout=self._patience, isolation_level=None, check_same_thread=False)
        db.row_factory = sqlite3.Row
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        db.execute("BEGIN")  # one snapshot: another process may be making the tables
        (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (layout,) = db.execute("PRAGMA user_version").fetchone()
        db.execute("COMMIT")
        if tables and (application, layout) != (_APPLICATION, _LAYOUT):
            raise DriverError(
                f"{self._path} has tables of another program or another version of this driver. "
                "Name another file, or move this one away."
            )
        (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise DriverError(f"{self._path} cannot have a write-ahead log here ({mode}). Put it on a local disk.")
        db.execute("PRAGMA synchronous = FULL")
        if not tables:
            db.executescript(files("flowli_sqlite").joinpath("schema.sql").read_text(encoding="utf-8"))

    @contextmanager
    def _told(self, what: str, *, grows: bool = False) -> Generator[None]:
        """Raise what SQLite says as what it means to core. Errors in our own statements pass through."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if grows and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL:
                raise QueueFull(f"{self._path} is full: nothing was stored. Make room, or settle jobs.") from error
            raise DriverUnavailable(
                f"{self._path} could not {what}, and nothing was written ({error}). The call may be repeated."
            ) from error
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:
                raise
            raise DriverError(f"{self._path} is no SQLite file, or damaged ({error}). Name another one.") from error


def _instant(now: Millis | None) -> Millis:
    return Millis(time.time_ns() // 1_000_000) if now is None else now
