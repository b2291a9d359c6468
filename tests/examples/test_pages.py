"""The programs in the pages of docs run as they stand there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [
    "attempts.md",
    "chains.md",
    "context-and-meta.md",
    "dead-letters.md",
    "explain.md",
    "frameworks/asgi.md",
    "frameworks/fastapi.md",
    "frameworks/flask.md",
    "frameworks/litestar.md",
    "index.md",
    "limits.md",
    "queues.md",
    "results.md",
    "schedules.md",
    "security.md",
    "sync.md",
    "telemetry.md",
    "testing.md",
    "unique.md",
]
PROGRAMS = [
    pytest.param(program, id=f"{page}-{number}")
    for page in PAGES
    for number, program in enumerate(
        re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    )
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_of_a_page_runs(program: str, tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(program, encoding="utf-8")
    command = [sys.executable, "-W", "error", path.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
