"""The whole suite over SQLite: this is all that an author writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from pathlib import Path
from typing import ClassVar

import pytest
from flowli_sqlite import SQLiteDriver

from flowli.driver import Ability, Driver
from flowli_conformance import DriverSuite


class TestSQLiteDriver(DriverSuite):
    abilities: ClassVar[Collection[Ability]] = [Ability.AUDIT, Ability.EXAMINE, Ability.PAUSES, Ability.UNIQUE]

    @pytest.fixture
    def make_driver(self, tmp_path: Path) -> Callable[[], Driver]:
        return lambda: SQLiteDriver(tmp_path / "jobs.db")

    @pytest.fixture(scope="session")
    @classmethod
    def store_name(cls) -> str:
        return f"SQLite {sqlite3.sqlite_version}, one file"
