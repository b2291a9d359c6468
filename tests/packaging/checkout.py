"""What the packaging tests know of the checkout: its distributions, its tracked files, its Python sources."""

from __future__ import annotations

import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["MEMBERS", "ROOT", "VERSION", "project_of", "python_files", "run", "sources", "text_files"]

ROOT = Path(__file__).resolve().parents[2]


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


_WORKSPACE = _toml(ROOT / "pyproject.toml")
MEMBERS: tuple[Path, ...] = tuple(ROOT / member for member in _WORKSPACE["tool"]["uv"]["workspace"]["members"])
"""The folders of the distributions that hold code."""
VERSION: str = _WORKSPACE["project"]["version"]


def project_of(folder: Path) -> dict[str, Any]:
    """The table ``[project]`` of a distribution."""
    table: dict[str, Any] = _toml(folder / "pyproject.toml")["project"]
    return table


def run(*command: str | Path, cwd: Path = ROOT, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; AssertionError, with all it said, unless it exits with ``code``."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    said = f"{' '.join(map(str, command))} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.returncode == code, said
    return done


def sources() -> list[Path]:
    """The modules of all distributions."""
    return sorted(path for member in MEMBERS for path in (member / "src").rglob("*.py"))


@cache
def text_files() -> dict[str, str]:
    """Each file of the checkout that git keeps or would keep, by its path from the root."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z").stdout.split("\0")
    texts: dict[str, str] = {}
    for name in filter(None, listed):
        path = ROOT / name
        content = path.read_bytes() if path.is_file() else b"\0"
        if b"\0" not in content:
            texts[name] = content.decode("utf-8")
    return texts


def python_files() -> dict[str, str]:
    """`text_files`, Python alone."""
    return {name: text for name, text in text_files().items() if name.endswith(".py")}
