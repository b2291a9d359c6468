"""The README and the page on how a job travels say what is so: their programs are run, their picture is compared."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flowli.driver import State
from flowli.lifecycle import MOVES
from tests.support.servers import ValkeyServer

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL) for line in block.splitlines()]


def run(program: Path) -> str:
    command = [sys.executable, "-W", "error", program.name]
    done = subprocess.run(command, cwd=program.parent, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_program_says_hello_twice(tmp_path: Path) -> None:
    program = tmp_path / "first.py"
    program.write_text(PROGRAMS[0], encoding="utf-8")
    assert run(program).splitlines() == ["hello Sam", "hello Sam"]


def test_the_web_application_takes_a_receipt(tmp_path: Path, server: ValkeyServer) -> None:
    _, shop, _, web = PROGRAMS
    (tmp_path / "shop.py").write_text(shop.replace("redis://localhost:6379/0", server.url), encoding="utf-8")
    asks = """
from fastapi.testclient import TestClient
with TestClient(app) as client:
    print(client.post("/receipts", json={"to": "sam@example.org", "cents": 3}).status_code)
"""
    (tmp_path / "web.py").write_text(web + asks, encoding="utf-8")
    assert run(tmp_path / "web.py") == "202\n"


def test_the_shop_runs_with_the_command_that_stands_there(tmp_path: Path, server: ValkeyServer) -> None:
    _, shop, checkout, _ = PROGRAMS
    (tmp_path / "shop.py").write_text(shop.replace("redis://localhost:6379/0", server.url), encoding="utf-8")
    (tmp_path / "checkout.py").write_text(checkout, encoding="utf-8")
    [command] = [line for line in COMMANDS if line.startswith("flowli ")]
    arguments = command.split()[1:]
    runner = subprocess.Popen([sys.executable, "-m", "flowli", *arguments], cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        lines = run(tmp_path / "checkout.py").splitlines()
    finally:
        runner.send_signal(signal.SIGTERM)
        assert runner.wait(timeout=40) == 0
    assert lines == ["sent to sam@example.org: 19.90 received (r-1)"] * 2


def test_the_two_commands_are_those_of_the_gate() -> None:
    session = "python -m pip install -q nox && python -m nox -s {}"
    assert [line for line in COMMANDS if "nox" in line] == [session.format("demo"), session.format("tests")]
    assert COMMANDS[0] == "python -m venv .venv && . .venv/bin/activate"
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "-m pip install -q nox" in gate
    assert "-m nox -s tests" in gate


def test_every_link_of_the_readme_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_picture_of_the_states_is_the_table_that_core_reads() -> None:
    page = (ROOT / "docs" / "how-a-job-travels.md").read_text(encoding="utf-8")
    drawn = set(re.findall(r"^    (\w+) --> (\w+): (\w+)$", page, flags=re.MULTILINE))
    assert drawn == {(before.value, after.value, move.value) for (before, move), after in MOVES.items()}
    assert set(re.findall(r"\[\*\] --> (\w+)", page)) == {State.SCHEDULED.value, State.QUEUED.value}


def test_every_module_that_the_page_names_exists() -> None:
    page = (ROOT / "docs" / "how-a-job-travels.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`flowli\.(\w+)`", page))
    source = ROOT / "flowli_core" / "src" / "flowli"
    assert len(named) >= 10
    assert [name for name in named if not (source / f"{name}.py").exists() and not (source / name).is_dir()] == []


@pytest.mark.timeout(120)
def test_the_demo_shows_every_scene() -> None:
    environment = {**os.environ, "COLUMNS": "200"}
    command = [sys.executable, "-W", "error", "demo.py"]
    folder = ROOT / "examples"
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=110, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for sign in ("in memory", "on Valkey", "one lost runner is counted, and no failure", "exited with 0", "done"):
        assert sign in done.stdout
    assert done.stdout.count("every job is accounted for") == 2
