"""The commands of docs/command-line.md run as they stand there, one after the other, on the program of the page."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flowli.cli import app
from tests.support.servers import ValkeyServer

PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_commands_of_the_page_do_what_it_says(
    tmp_path: Path, valkey_server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    [program], [settings] = _blocks("python"), _blocks("toml")
    (tmp_path / "shop.py").write_text(program, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(settings, encoding="utf-8")
    monkeypatch.setenv("STORE", valkey_server.url)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    lines = [line for block in _blocks("bash") for line in block.splitlines()]
    assert len(lines) > 15
    try:
        for line in lines:
            result = CliRunner().invoke(app, shlex.split(line)[1:])
            assert result.exit_code == 0, (line, result.stderr, result.exception)
    finally:
        sys.modules.pop("shop", None)


def test_every_command_stands_on_the_page() -> None:
    names = {command.name or (command.callback and command.callback.__name__) for command in app.registered_commands}
    assert [name for name in sorted(map(str, names)) if f"flowli {name}" not in PAGE and f"`{name}`" not in PAGE] == [
        "doctor"
    ]
