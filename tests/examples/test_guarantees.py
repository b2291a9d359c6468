"""docs/guarantees.md, and every page that names a test: what is named is there, and nothing is promised without one."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_DOCS = _ROOT / "docs"
_NAMED = re.compile(r"`([\w./-]+\.py)::(\w+)`")
_BACKING = re.compile(r"^- `([\w./-]+\.py)::(\w+)`$", re.MULTILINE)
_PROMISE = re.compile(r"^## (G\d+) .*$", re.MULTILINE)
_DEFECT = re.compile(r"^\| (\d+) \| .* \| (.*) \|$", re.MULTILINE)


def _text(page: str) -> str:
    return (_DOCS / page).read_text(encoding="utf-8")


def _promises() -> dict[str, str]:
    """By number: the text of each promise."""
    _, *parts = _PROMISE.split(_text("guarantees.md"))
    return {number: text.partition("\n## ")[0] for number, text in zip(parts[::2], parts[1::2], strict=True)}


@cache
def _defined(path: str) -> frozenset[str]:
    """Functions, methods and classes of a file."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    tree = ast.parse((_ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


@pytest.mark.parametrize("page", sorted(path.name for path in _DOCS.glob("*.md")))
def test_every_test_that_a_page_names_is_there(page: str) -> None:
    named = _NAMED.findall(_text(page))
    assert [
        f"{path}::{name}" for path, name in named if not (_ROOT / path).is_file() or name not in _defined(path)
    ] == []


def test_every_promise_is_there_and_each_has_a_test() -> None:
    promises = _promises()
    assert list(promises) == [f"G{number}" for number in range(1, 12)]
    assert [number for number, text in promises.items() if not _BACKING.search(text)] == []


def test_a_test_that_backs_a_promise_is_never_skipped_or_expected_to_fail() -> None:
    """As a mark on it would: a promise is backed by what runs."""
    for path in {path for path, _ in _BACKING.findall(_text("guarantees.md"))}:
        source = (_ROOT / path).read_text(encoding="utf-8")
        assert "mark.xfail" not in source, path
        assert "mark.skip(" not in source, path


def test_the_table_of_durability_is_the_one_of_its_page() -> None:
    rows = [line for line in _text("durability.md").splitlines() if line.startswith("|")]
    assert len(rows) == 7
    assert "\n".join(rows) in _text("guarantees.md")


def test_no_figure_is_left_open() -> None:
    assert re.findall(r"\u2026|\?\?|\| *\|", _text("guarantees.md")) == []


def test_each_defect_of_the_original_has_a_test() -> None:
    defects = dict(_DEFECT.findall(_text("faults.md").partition("vocabulary first")[2]))
    assert list(defects) == [str(number) for number in range(1, 15)]
    assert [number for number, cell in defects.items() if not _NAMED.search(cell)] == []
