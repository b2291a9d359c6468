"""What an editor offers: the jobs and the five names of a runtime, the strategies of a job, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

_PROGRAM = """from flowli import Flowli, job


@job
async def send_email(to: str) -> str:
    return to


class App(Flowli):
    send_email = send_email


flowli = App(context=None)
flowli.
flowli.send_email.
"""
_RUNTIME = {"send_email", "jobs", "use", "slot", "inspect", "control"}
_JOB = {"run", "enqueue", "enqueue_many", "delay", "schedule", "then", "map", "handle", "sync", "job"}


class _Server:
    """A language server, spoken to over its pipes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._number = 0

    def tell(self, method: str, params: Any, number: int | None = None) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        if number is not None:
            message["id"] = number
        self._send(message)

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps(message).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def ask(self, method: str, params: Any) -> Any:
        self._number += 1
        self.tell(method, params, self._number)
        while True:
            message = self._read()
            if message.get("id") == self._number and "method" not in message:
                return message["result"]
            if "id" in message:  # a question of the server's: it gets no settings
                items = message.get("params", {}).get("items", [])
                self._send({"jsonrpc": "2.0", "id": message["id"], "result": [None] * len(items)})

    def _read(self) -> dict[str, Any]:
        out, size = self._process.stdout, 0
        assert out is not None
        while line := out.readline().strip():
            if line.lower().startswith(b"content-length:"):
                size = int(line.split(b":")[1])
        found: dict[str, Any] = json.loads(out.read(size))
        return found


@contextmanager
def _server(folder: Path) -> Generator[_Server]:
    command = [str(Path(sys.executable).with_name("pyright-langserver")), "--stdio"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        server = _Server(process)
        uri = folder.as_uri()
        folders = [{"uri": uri, "name": "app"}]
        asked: Any = {"processId": None, "rootUri": uri, "capabilities": {}, "workspaceFolders": folders}
        server.ask("initialize", asked)
        server.tell("initialized", {})
        yield server
        process.kill()


def _public(completion: Any) -> set[str]:
    labels: set[str] = {item["label"] for item in completion["items"]}
    return {label for label in labels if not label.startswith("_")}


def test_an_editor_offers_jobs_and_strategies_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text(_PROGRAM, encoding="utf-8")
    (tmp_path / "pyrightconfig.json").write_text(
        json.dumps({"venvPath": str(Path(sys.prefix).parent), "venv": Path(sys.prefix).name})
    )
    lines = str(_PROGRAM).splitlines()
    with _server(tmp_path) as server:
        document = {"uri": path.as_uri(), "languageId": "python", "version": 1, "text": _PROGRAM}
        server.tell("textDocument/didOpen", {"textDocument": document})

        def offered(line: str) -> set[str]:
            place = {"line": lines.index(line), "character": len(line)}
            return _public(
                server.ask("textDocument/completion", {"textDocument": {"uri": path.as_uri()}, "position": place})
            )

        assert offered("flowli.") == _RUNTIME
        assert offered("flowli.send_email.") == _JOB
