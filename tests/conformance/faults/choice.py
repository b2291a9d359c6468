"""A pytest plugin for the run over broken drivers: of what could be collected it keeps what a file lists."""

from __future__ import annotations

from pathlib import Path

import pytest

__all__ = ["Choice", "pytest_addoption", "pytest_configure"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--only-those-in", type=Path, help="a file with a line `Class` or `Class::test` for what is to run"
    )


def pytest_configure(config: pytest.Config) -> None:
    path: Path | None = config.getoption("--only-those-in")
    assert path is not None
    config.pluginmanager.register(Choice(path.read_text(encoding="utf-8").splitlines()))


class Choice:
    """Leaves out early what was not chosen: to collect it would take longer than to run the rest."""

    def __init__(self, lines: list[str]) -> None:
        self._chosen = set(lines)
        self._functions = {line.partition("[")[0] for line in lines}

    def pytest_pycollect_makeitem(self, collector: pytest.Collector, name: str) -> list[pytest.Item] | None:
        """Nothing, for a function of a class of which others were chosen."""
        is_chosen = {collector.name, f"{collector.name}::{name}"} & self._functions
        return [] if isinstance(collector, pytest.Class) and name.startswith("test_") and not is_chosen else None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Of the functions that are left, the parameters that were chosen."""
        items[:] = [
            item for item in items if {item.nodeid.partition("::")[2], item.nodeid.split("::")[1]} & self._chosen
        ]
