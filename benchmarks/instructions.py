"""Instructions of the Python process on a fixed workload, counted by valgrind: of this tree, and of a commit before.

    python -m benchmarks.instructions [--against COMMIT] [--jobs 2000]

Counts, not seconds: the same whatever else the machine does. Memory driver, one runner, so many jobs enqueued one by one
and drained; what a process without jobs needs is taken off.
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

_SOURCES = ("flowli_core/src", "flowli_memory/src")
_WORKLOAD = """
import asyncio, sys
from flowli import Defaults, Flowli, Runner, job
from flowli_memory import MemoryDriver

@job
async def nothing(number: int) -> None: ...

class App(Flowli):
    nothing = nothing

async def main(jobs):
    flowli = App(context=None, driver=MemoryDriver(), defaults=Defaults(result_ttl="0s"))
    async with flowli:
        for number in range(jobs):
            await flowli.nothing.enqueue(number)
        await Runner(flowli).run_until_idle()

asyncio.run(main(int(sys.argv[1])))
"""


def count(tree: Path, jobs: int) -> int:
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
        subprocess.run([*plain, "1"], env=env, check=True)  # so that no run compiles
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *plain, str(jobs)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found is not None, done.stderr
    return int(found[1])


def _of(tree: Path, jobs: int) -> float:
    """Thousands of instructions for each job."""
    return (count(tree, jobs) - count(tree, 1)) / (jobs - 1) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--against", help="a commit")
    parser.add_argument("--jobs", type=int, default=2_000)
    given = parser.parse_args()
    now = _of(ROOT, given.jobs)
    sys.stdout.write(f"this tree: {now:.2f} thousand instructions for each job\n")
    if given.against:
        with tempfile.TemporaryDirectory() as folder:
            archive = subprocess.run(
                ["git", "archive", given.against, *_SOURCES], cwd=ROOT, capture_output=True, check=True
            )
            subprocess.run(["tar", "x", "-C", folder], input=archive.stdout, check=True)
            before = _of(Path(folder), given.jobs)
        sys.stdout.write(f"{given.against}: {before:.2f}; {100 * (now / before - 1):+.2f} %\n")


if __name__ == "__main__":
    main()
