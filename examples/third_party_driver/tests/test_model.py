"""The SQLite driver goes with the reference through random sequences of verbs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from flowli_sqlite import SQLiteDriver

from flowli.driver import Driver
from flowli_conformance.model import DriverModelSuite


@pytest.mark.timeout(14_400)
class TestSQLiteModel(DriverModelSuite):
    @pytest.fixture
    def make_store(self, tmp_path: Path) -> Callable[[], Callable[[], Driver]]:
        def make() -> Callable[[], Driver]:
            path = tmp_path / f"{uuid4().hex}.db"
            return lambda: SQLiteDriver(path)

        return make

    @pytest.fixture(scope="session")
    @classmethod
    def store_name(cls) -> str:
        return f"SQLite {sqlite3.sqlite_version}, one file"
