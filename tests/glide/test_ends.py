"""What a process is left with when nobody closed the driver, and how it takes its client library along."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.servers import ValkeyServer

_UNCLOSED = """
import asyncio, sys
from flowli.driver import Claim, Millis, Turn
from flowli_glide import GlideDriver

async def leave(driver):
    await driver.open()
    claim = Claim(runner="r", turn=Turn("r", 1), queues=None, limit=1, lease_for=Millis(1000), wait=Millis(60_000))
    waiting = asyncio.create_task(driver.exchange([], claim))
    for _ in range(20):
        await driver.get_jobs(["a"])
    print(str(driver).split(" ")[1])

async def use(driver):
    await driver.open()
    print(await driver.get_jobs(["a"]))
    await driver.close()

first = GlideDriver(sys.argv[1])
asyncio.run(leave(first))
asyncio.run(use(GlideDriver(sys.argv[1])))
print("end")
"""


def test_a_loop_that_ends_without_closing_its_driver_harms_nobody(valkey_server: ValkeyServer) -> None:
    done = _run(_UNCLOSED, valkey_server.url)
    assert (done.returncode, done.stdout.split()) == (0, ["prefix=default", "[None]", "end"]), done.stderr


def test_making_a_driver_starts_no_thread(tmp_path: Path) -> None:
    makes = "import threading; from flowli_glide import GlideDriver; GlideDriver('redis://h')"
    assert _run(f"{makes}; print(threading.active_count())", str(tmp_path)).stdout == "1\n", (
        "nothing runs before open: a process may fork until then"
    )


def _run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=50, check=False
    )
