"""The command line, through real processes: what it refuses, and the exit status of each refusal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUNTIMES = """
from flowli import Flowli
from flowli_memory import MemoryDriver
from flowli_redis import RedisDriver

in_memory = Flowli(context=None, driver=MemoryDriver())
nowhere = Flowli(context=None, driver=RedisDriver("redis://:secret@127.0.0.1:1/0"))
without = Flowli(context=None)
number = 7
"""


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "runtimes.py").write_text(RUNTIMES, encoding="utf-8")
    (folder / "broken.py").write_text("import no_such_module_anywhere", encoding="utf-8")
    line = [sys.executable, "-m", "flowli", *arguments]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=50, check=False)


@pytest.mark.parametrize(
    ("where", "status", "says"),
    [
        ("runtimes:in_memory", 2, "keeps its jobs in this process"),
        ("runtimes:without", 2, "has no driver"),
        ("runtimes:number", 2, "In this module: runtimes:in_memory, runtimes:nowhere, runtimes:without."),
        ("runtimes", 2, "is no runtime"),
        ("missing:flowli", 2, "There is no module 'missing' here"),
        ("broken:flowli", 2, "no_such_module_anywhere"),
        ("runtimes:nowhere", 3, "127.0.0.1:1"),
    ],
)
def test_the_runner_refuses_with_a_reason_and_a_status(tmp_path: Path, where: str, status: int, says: str) -> None:
    done = command(tmp_path, "runner", where)
    assert done.returncode == status, done.stderr
    assert says in done.stderr
    assert "secret" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("option", [("--lease", "30"), ("--concurrency", "0"), ("--log-level", "loud")])
def test_a_wrong_option_is_a_usage_error(tmp_path: Path, option: tuple[str, str]) -> None:
    done = command(tmp_path, "runner", "runtimes:nowhere", *option)
    assert done.returncode == 2, done.stderr


def test_the_runtime_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWLI_APP", "runtimes:without")
    done = command(tmp_path, "runner")
    assert (done.returncode, "has no driver" in done.stderr) == (2, True)
