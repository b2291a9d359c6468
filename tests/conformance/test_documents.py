"""What "Write a driver" shows is what works, and the pages of the drivers answer the same questions."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import flowli_conformance
from flowli.driver import Driver
from flowli_conformance import DriverSuite

_DOCS = Path(__file__).parents[2] / "docs"
_PAGE = (_DOCS / "write-a-driver.md").read_text(encoding="utf-8")
_README = (_DOCS.parent / "conformance" / "README.md").read_text(encoding="utf-8")
_DRIVERS = sorted((_DOCS / "drivers").glob("*.md"))
_ACME = '''
"""The memory driver under the name that the page uses."""

from flowli_memory import MemoryDriver
from flowli_memory.clock import Timekeeper
from flowli_memory.presence import Presence
from flowli_memory.store import Store

STORES = {}


class AcmeDriver(MemoryDriver):
    def __init__(self, path, *, days=None):
        super().__init__()
        self._presence = Presence(STORES.setdefault(path, Store()), Timekeeper(None))
        self._days = days

    async def exchange(self, settlements, claim=None, *, now=None):
        if self._days is not None:
            span = self._days * 86_400_000
            settlements = [one._replace(keep_for=min(one.keep_for, span)) for one in settlements]
        return await super().exchange(settlements, claim, now=now)
'''


def _blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def _headings(text: str) -> list[str]:
    return re.findall(r"^## (.+)$", text, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("text", [_PAGE, _README], ids=["page", "readme"])
def test_the_modules_that_are_shown_run(tmp_path: Path, text: str) -> None:
    (tmp_path / "acme_driver.py").write_text(_ACME, encoding="utf-8")
    blocks = _blocks(text)
    for index, block in enumerate(blocks):
        (tmp_path / f"test_block_{index}.py").write_text(block, encoding="utf-8")
    options = ["-q", "-c", "/dev/null", f"--rootdir={tmp_path}", "-k", "priority or very_long_time or wakes_a_waiting"]
    command = [sys.executable, "-m", "pytest", *options]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    classes = sum("class TestAcme" in block for block in blocks)
    assert run.stdout.count("acme_driver.AcmeDriver") == classes > 0, (
        "each class that is shown ran, and is in the table"
    )
    assert "records are pruned after thirty days" in run.stdout


def test_a_test_module_has_at_most_twelve_lines() -> None:
    first = _blocks(_PAGE)[0]
    assert "class TestAcme(DriverSuite)" in first
    assert len(first.strip().splitlines()) <= 12


def test_the_page_names_every_verb() -> None:
    verbs = [name for name in vars(Driver) if not name.startswith("_")]
    assert [verb for verb in verbs if f"`{verb}`" not in _PAGE] == []


def test_the_page_and_the_readme_name_every_group() -> None:
    groups = [group.__name__ for group in DriverSuite.__bases__]
    assert [name for name in groups if f"`{name}`" not in _PAGE or f"`{name}`" not in _README] == []


def test_every_group_that_is_named_exists() -> None:
    named = set(re.findall(r"`(\w+Suite)`", _PAGE + _README))
    assert named <= set(flowli_conformance.__all__) | {"DriverModelSuite"}


def test_every_import_that_is_shown_is_public() -> None:
    imported = {
        alias.name
        for block in _blocks(_PAGE + _README)
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.ImportFrom) and node.module == "flowli_conformance"
        for alias in node.names
    }
    assert imported and imported <= set(flowli_conformance.__all__)


@pytest.mark.parametrize("page", _DRIVERS, ids=[page.stem for page in _DRIVERS])
def test_the_pages_of_the_drivers_have_the_same_headings(page: Path) -> None:
    assert _headings(page.read_text(encoding="utf-8")) == _headings(_DRIVERS[0].read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "page", [_DOCS / "write-a-driver.md", _DOCS / "support.md", *_DRIVERS], ids=lambda page: page.stem
)
def test_every_file_that_a_page_points_to_is_there(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_page_of_what_ran_on_what_has_the_marks_of_the_report() -> None:
    text = (_DOCS / "support.md").read_text(encoding="utf-8")
    assert re.search("<!-- what ran on what: begin -->.*<!-- what ran on what: end -->", text, re.DOTALL)
