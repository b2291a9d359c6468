"""A pytest plugin for the run over broken drivers: of all that is collected it keeps the tests that a file lists."""

from __future__ import annotations

from pathlib import Path

import pytest

__all__ = ["pytest_addoption", "pytest_collection_modifyitems"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--only-those-in", type=Path, help="a file with a line `Class::test` for each test to run")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    path: Path = config.getoption("--only-those-in")
    wanted = set(path.read_text(encoding="utf-8").splitlines())
    chosen = [item for item in items if {item.nodeid.partition("::")[2], item.nodeid.split("::")[1]} & wanted]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
    items[:] = chosen
