"""The suite on a server of one's own: FLOWLI_TEST_URL, and nothing but a fresh prefix is touched there."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from tests.support.outside import outside
from tests.support.runners import ROOT
from tests.support.servers import ValkeyServer

pytestmark = [pytest.mark.slow, pytest.mark.anyio]


async def test_the_suite_runs_on_the_server_that_is_named(valkey_server: ValkeyServer) -> None:
    async with outside(valkey_server.url) as operator:
        await operator.ask("SET", "somebody-elses", "key")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "tests/redis/test_conformance_valkey.py",
            "-k",
            "second_time or twice",
        ]
        env = {**os.environ, "FLOWLI_TEST_URL": valkey_server.url, "FLOWLI_TEST_SERVER": "none-is-started"}
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=50, check=False
        )
        assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr
        assert "the server of FLOWLI_TEST_URL" in done.stdout
        names = await operator.keys("*")
        assert "somebody-elses" in names
        await operator.ask("DEL", "somebody-elses")
