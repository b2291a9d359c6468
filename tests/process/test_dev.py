"""`flowli dev`, `flowli top`, `--burst` and `--metrics-port`, through real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.frameworks.serving import free_port
from tests.support.polling import eventually_sync
from tests.support.servers import ValkeyServer

pytestmark = pytest.mark.slow

_APP = """
import os
from flowli import Flowli, job
from flowli_redis import RedisDriver

@job
def greet(name: str) -> str:
    return f"hello {name}"

class App(Flowli):
    greet = greet

flowli = App(context=None, driver=RedisDriver(os.environ["STORE"], prefix="dev"))
"""
Start = Callable[..., "Started"]


class Started:
    """A process, and what it said."""

    def __init__(self, folder: Path, *arguments: str, **env: str) -> None:
        self.log = folder / f"{arguments[0]}.log"
        command = [sys.executable, "-m", "flowli", *arguments]
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                command, cwd=folder, env={**os.environ, **env}, stdout=out, stderr=out, start_new_session=True
            )

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def says(self, text: str, times: int = 1) -> None:
        eventually_sync(lambda: self.said.count(text) >= times, what=f"{text!r} in {self.log}", within=30)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    begun: list[Started] = []

    def make(*arguments: str, **env: str) -> Started:
        begun.append(Started(tmp_path, *arguments, **env))
        return begun[-1]

    (tmp_path / "app.py").write_text(_APP, encoding="utf-8")
    yield make
    for one in begun:
        with suppress(ProcessLookupError):
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait(10)


def _flowli(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flowli", *arguments]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, timeout=50, check=False
    )


def test_dev_brings_a_durable_store_and_begins_anew_when_a_file_changes(start: Start, tmp_path: Path) -> None:
    port = free_port()
    env = {"STORE": f"redis://127.0.0.1:{port}/0"}
    dev = start("dev", "app:flowli", "--port", str(port), **env)
    dev.says("runner started")
    assert f"valkey at redis://127.0.0.1:{port}/0, which keeps its data in .flowli" in dev.said
    first = json.loads(_flowli(tmp_path, "enqueue", "greet", '"Ada"', "--app", "app:flowli", "--json", **env).stdout)
    dev.says(f"✓ greet {first['id']}")

    (tmp_path / "app.py").write_text(_APP.replace("hello", "goodbye"), encoding="utf-8")
    dev.says("changed: app.py")
    dev.says("runner started", times=2)
    second = json.loads(_flowli(tmp_path, "enqueue", "greet", '"Ada"', "--app", "app:flowli", "--json", **env).stdout)
    dev.says(f"✓ greet {second['id']}")
    shown = json.loads(_flowli(tmp_path, "show", second["id"], "--app", "app:flowli", "--json", **env).stdout)
    assert shown["result"] == "goodbye Ada"
    assert dev.end() == 0
    assert any((tmp_path / ".flowli").rglob("*.aof")), "what was stored outlives it"

    again = start("dev", "app:flowli", "--port", str(port), **env)
    again.says("runner started")
    shown = json.loads(_flowli(tmp_path, "show", first["id"], "--app", "app:flowli", "--json", **env).stdout)
    assert shown["result"] == "hello Ada"
    again.end()


def test_dev_uses_what_is_there_and_refuses_production(
    start: Start, tmp_path: Path, valkey_server: ValkeyServer
) -> None:
    dev = start("dev", "app:flowli", "--port", str(valkey_server.port), STORE=valkey_server.url)
    dev.says("runner started")
    assert "valkey at" not in dev.said
    dev.end()
    taken = _flowli(tmp_path, "dev", "app:flowli", "--embedded", "--port", str(valkey_server.port), STORE="x")
    assert taken.returncode == 2 and "Something answers at" in taken.stderr
    refused = _flowli(tmp_path, "dev", "app:flowli", FLOWLI_ENV="production", STORE=valkey_server.url)
    assert refused.returncode == 2 and "use flowli runner" in refused.stderr


def test_a_burst_executes_what_is_due_and_ends(start: Start, tmp_path: Path, valkey_server: ValkeyServer) -> None:
    del start
    env = {"STORE": valkey_server.url}
    for name in ("Ada", "Alan"):
        assert _flowli(tmp_path, "enqueue", "greet", json.dumps(name), "--app", "app:flowli", **env).returncode == 0
    done = _flowli(tmp_path, "runner", "app:flowli", "--burst", **env)
    assert done.returncode == 0 and "nothing is due; 2 attempt(s) made" in done.stderr
    assert "0 attempt(s) made" in _flowli(tmp_path, "runner", "app:flowli", "--burst", **env).stderr
    both = _flowli(tmp_path, "runner", "app:flowli", "--burst", "--processes", "2", **env)
    assert both.returncode == 2 and "leave out --processes" in both.stderr


def test_a_runner_serves_its_metrics_to_this_machine(start: Start, valkey_server: ValkeyServer) -> None:
    runner = start("runner", "app:flowli", "--metrics-port", "0", STORE=valkey_server.url)
    runner.says("runner started")
    [url] = re.findall(r"metrics at (http://127\.0\.0\.1:\d+/metrics)", runner.said)
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    assert "flowli_up 1.0" in text and "flowli_runners" in text
    assert runner.end() == 0


def test_top_shows_queues_once_and_as_json(start: Start, tmp_path: Path, valkey_server: ValkeyServer) -> None:
    del start
    env = {"STORE": valkey_server.url}
    _flowli(tmp_path, "enqueue", "greet", '"Ada"', "--queue", "mail", "--app", "app:flowli", **env)
    found = json.loads(_flowli(tmp_path, "top", "app:flowli", "--json", **env).stdout)
    [mail] = [row for row in found["queues"] if row["queue"] == "mail"]
    assert mail["queued"] == 1 and mail["oldest_s"] >= 0 and mail["is_paused"] is False
    shown = _flowli(tmp_path, "top", "app:flowli", "--once", **env)
    assert shown.returncode == 0 and "mail" in shown.stdout and "\x1b[" not in shown.stdout
    assert _flowli(tmp_path, "top", "app:flowli", STORE="redis://127.0.0.1:1/0").returncode == 3
    wrong = _flowli(tmp_path, "top", "app:flowli", "--interval", "soon", **env)
    assert wrong.returncode == 2 and "--interval" in wrong.stderr and "Traceback" not in wrong.stderr
