"""What the pages promise of themselves: each is in the menu, each error has a section, each file in them parses."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import flowli.errors
from tests.packaging.checkout import VERSION

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if path.parent.name != "decisions")


def _leaves(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    entries: list[Any] = list(nav.values()) if hasattr(nav, "values") else list(nav)
    return [leaf for entry in entries for leaf in _leaves(entry)]


def _text(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def test_every_page_is_in_the_menu_once() -> None:
    nav = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    assert sorted(_leaves(nav)) == PAGES


def test_every_error_has_a_section_under_its_code() -> None:
    sections = re.findall(r"^## (FLOWLI_\w+)$", _text("troubleshooting.md"), flags=re.MULTILINE)
    assert sorted(sections) == sorted(getattr(flowli.errors, name).code for name in flowli.errors.__all__)


def test_the_files_of_the_production_page_parse() -> None:
    page = _text("production.md")
    [unit] = re.findall(r'```ini title="flowli.service"\n(.*?)```', page, flags=re.DOTALL)
    parsed = configparser.ConfigParser()
    parsed.read_string(unit)
    assert parsed["Service"]["ExecStart"].split()[0].endswith("bin/flowli")
    grace = int(re.findall(r"--grace (\d+)s", unit)[0])
    assert int(parsed["Service"]["TimeoutStopSec"]) >= grace + 2
    [compose] = re.findall(r'```yaml title="compose.yaml"\n(.*?)```', page, flags=re.DOTALL)
    assert set(yaml.safe_load(compose)["services"]) == {"valkey", "runner"}


def test_compose_and_the_workflow_that_publishes_parse() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    assert set(compose["services"]) == {"redis", "valkey"}
    assert all("127.0.0.1:" in port for one in compose["services"].values() for port in one["ports"])
    workflow = yaml.safe_load((ROOT / ".github/workflows/publish.yml").read_text(encoding="utf-8"))
    assert workflow["jobs"]["publish"]["permissions"] == {"id-token": "write"}
    assert any("nox -s release" in step.get("run", "") for step in workflow["jobs"]["build"]["steps"])


@pytest.mark.parametrize("path", [*sorted((ROOT / "examples").glob("*_app.py")), ROOT / "examples" / "newsletter.py"])
def test_an_example_says_what_it_needs_to_run_by_itself(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    [header] = re.findall(r"^# /// script\n(.*?)^# ///$", text, flags=re.DOTALL | re.MULTILINE)
    said = tomllib.loads(
        "".join(line[2:] if line.startswith("# ") else line[1:] for line in header.splitlines(keepends=True))
    )
    assert said["requires-python"] == ">=3.11"
    [own] = [one for one in said["dependencies"] if one.startswith("flowli")]
    extras = re.findall(r"\[(.*?)\]", own)[0].split(",")
    offered = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert own.endswith(f"=={VERSION}") and set(extras) <= set(offered)
    imports = set(re.findall(r"^(?:from|import) (\w+)", text, flags=re.MULTILINE))
    for framework in {"fastapi", "flask", "litestar"} & imports:
        assert framework in extras
    assert "flowli_redis" not in imports or "redis" in extras


def test_each_cell_of_ours_names_a_test_that_is_there() -> None:
    page = _text("comparison.md")
    rows = [line for line in page.splitlines() if line.startswith("| ") and "|---" not in line][1:]
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)
    assert len(named) == len(rows) >= 30, "every row has one"
    for path, name in named:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(?:async )?def {name}\b", text, flags=re.MULTILINE), f"{path}::{name}"
    assert {row.count("|") for row in rows} == {14}


def test_what_machines_read_names_pages_that_are_there() -> None:
    text = (DOCS / "llms.txt").read_text(encoding="utf-8")
    named = re.findall(r"\((.*?\.md)\)", text)
    assert len(named) > 20 and [name for name in named if not (DOCS / name).is_file()] == []
