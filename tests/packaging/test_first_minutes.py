"""A new user who knows the README alone: from an empty directory to an executed job on a real Valkey."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.frameworks.serving import free_port
from tests.packaging.checkout import ROOT, VERSION
from tests.support.polling import eventually_sync

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_MOST_COMMANDS, _BUDGET_S = 5, 60.0


def test_five_commands_and_a_minute(installed: Callable[..., Path], tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [path] = [block for block in re.findall(r"```text\n(.*?)```", readme, flags=re.DOTALL) if "flowli dev" in block]
    commands = [line.partition("#")[0].strip() for line in path.splitlines()]
    assert len(commands) <= _MOST_COMMANDS
    [requirement] = re.findall(r'pip install "(.*?)"', path)
    began = time.monotonic()
    python = installed(f"{requirement}=={VERSION}")
    port = free_port()
    for name in ("shop.py", "checkout.py"):
        [program] = re.findall(rf"```python\n(# {name}\n.*?)```", readme, flags=re.DOTALL)
        (tmp_path / name).write_text(program.replace("localhost:6379", f"localhost:{port}"), encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    env["PATH"] = f"{python.parent}{os.pathsep}{env['PATH']}"
    log = tmp_path / "dev.log"
    with log.open("wb") as out:
        dev = subprocess.Popen(
            [*commands[2].split(), "--port", str(port)], cwd=tmp_path, env=env, stdout=out, stderr=out
        )
    try:
        eventually_sync(lambda: "runner started" in log.read_text(), what=f"a runner; see {log}", within=40)
        done = subprocess.run(
            commands[3].split(), cwd=tmp_path, env=env, capture_output=True, text=True, timeout=40, check=False
        )
    finally:
        dev.send_signal(signal.SIGTERM)
        dev.wait(30)
    took = time.monotonic() - began
    assert done.stdout.splitlines() == ["sent to sam@example.org: 19.90 received (r-1)"] * 2, (
        done.stderr + log.read_text()
    )
    assert took < _BUDGET_S, took
