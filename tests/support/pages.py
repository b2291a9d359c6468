"""Pages with the same program twice: their files, written and run beside a worker, on a server of one's own."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

from tests.support.polling import eventually_sync

__all__ = ["files_of", "greetings"]

_BLOCK = re.compile(r'```\w+ title="(before|after)/([\w.]+)"\n(.*?)```', flags=re.DOTALL)


def files_of(page: Path, half: str) -> dict[str, str]:
    """The files of the half ``before`` or ``after``, by name; ``worker`` is a command."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return {name: text for which, name, text in found if which == half}


def greetings(page: Path, half: str, folder: Path, url: str, programs: Path) -> list[str]:
    """What ``send.py`` prints while the worker works. ``programs`` is the folder of the environment's commands."""
    files = files_of(page, half)
    for name, text in files.items():
        (folder / name).write_text(text.replace("redis://localhost:6379/0", url), encoding="utf-8")
    env = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(folder)}
    env.pop("VIRTUAL_ENV", None)
    first, *rest = files["worker"].replace("redis://localhost:6379/0", url).split()
    log = folder / "worker.log"
    with log.open("wb") as out:
        worker = subprocess.Popen([programs / first, *rest], cwd=folder, env=env, stdout=out, stderr=out)
    try:
        if half == "after":
            eventually_sync(lambda: "runner started" in log.read_text(), what=f"a runner; see {log}", within=30)
        done = subprocess.run(
            [programs / "python", "send.py"],
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stderr + log.read_text(errors="replace")
        return done.stdout.splitlines()
    finally:
        worker.terminate()
        _gone(worker)


def _gone(worker: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 15
    while worker.poll() is None and time.monotonic() < until:
        try:
            worker.wait(1)
        except subprocess.TimeoutExpired:
            worker.terminate()  # some want to be asked twice
    if worker.poll() is None:
        worker.kill()
        worker.wait()
