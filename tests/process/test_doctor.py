"""`flowli doctor` as an operator runs it: what it prints, and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from flowli_redis import RedisDriver
from tests.support.jobs import job_of
from tests.support.outside import outside
from tests.support.servers import ValkeyServer

pytestmark = pytest.mark.anyio

Doctor = Callable[..., subprocess.CompletedProcess[str]]

RUNTIMES = """
from contextlib import asynccontextmanager

from flowli import Flowli
from flowli_redis import RedisDriver

@asynccontextmanager
async def lifespan():
    raise RuntimeError("a checkup needs no pool of the application's")
    yield

live = Flowli(context=None, driver=RedisDriver("{url}", prefix="{prefix}"), lifespan=lifespan)
nowhere = Flowli(context=None, driver=RedisDriver("redis://:secret@127.0.0.1:1/0"))
without = Flowli(context=None)
"""


@pytest.fixture
def prefix() -> str:
    return uuid4().hex


@pytest.fixture
def doctor(tmp_path: Path, valkey_server: ValkeyServer, prefix: str) -> Doctor:
    (tmp_path / "runtimes.py").write_text(RUNTIMES.format(url=valkey_server.url, prefix=prefix), encoding="utf-8")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "flowli", "doctor", *arguments]
        return subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False)

    return run


async def _store(server: ValkeyServer, prefix: str) -> None:
    driver = RedisDriver(server.url, prefix=prefix)
    await driver.open()
    await driver.enqueue([job_of("a")._replace(delay=None), job_of("b", queue="later")])
    await driver.close()


async def test_a_healthy_store(doctor: Doctor) -> None:
    done = doctor("runtimes:live")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.rstrip().endswith("\nhealthy")
    assert doctor("runtimes:live", "--strict").returncode == 1, "a server without persistence is a warning"


async def test_a_store_with_damage(doctor: Doctor, valkey_server: ValkeyServer, prefix: str) -> None:
    await _store(valkey_server, prefix)
    async with outside(valkey_server.url) as client:
        await client.ask("DEL", f"flowli:{{{prefix}}}:line:mail")
    done = doctor("runtimes:live", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["healthy"]) == (1, False)
    errors = [(one["code"], one["subject"]) for one in found["findings"] if one["severity"] == "error"]
    assert ("unreachable", "a") in errors and ("no-runner", "later") in errors
    assert {"product", "version", "maxmemory_policy", "clock_offset_ms", "records"} <= set(found["facts"])
    shown = doctor("runtimes:live")
    assert (shown.returncode, "error unreachable a: " in shown.stdout) == (1, True)


@pytest.mark.parametrize(
    ("where", "status", "says"),
    [
        ("runtimes:without", 2, "has no driver"),
        ("runtimes:nothing", 2, "In this module: runtimes:live"),
        ("runtimes:nowhere", 3, "127.0.0.1:1"),
    ],
)
async def test_what_cannot_be_looked_at(doctor: Doctor, where: str, status: int, says: str) -> None:
    done = doctor(where)
    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr and "secret" not in done.stderr


async def test_a_store_that_is_refused_is_not_healthy(doctor: Doctor, valkey_server: ValkeyServer, prefix: str) -> None:
    async with outside(valkey_server.url) as client:
        await client.ask("HSET", f"flowli:{{{prefix}}}:meta", "layout", "999")
    done = doctor("runtimes:live", "--json")
    assert (done.returncode, "layout 999" in done.stderr) == (1, True)
