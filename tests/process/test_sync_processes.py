"""``.sync`` in processes of their own: how they end, and what becomes of a fork."""

from __future__ import annotations

import subprocess
import sys
from uuid import uuid4

import pytest

from tests.support.runners import ROOT
from tests.support.servers import ValkeyServer

pytestmark = pytest.mark.slow

_SETUP = """
import os, sys
from flowli import Flowli, close_sync, job
from tests.faults.clients import driver_of

@job
def echo(text: str) -> str:
    return text

class App(Flowli):
    echo = echo

client, url, prefix = sys.argv[1:]
app = App(context=None, driver=driver_of(client, url, prefix))
"""


def _run(code: str, client: str, url: str) -> str:
    command = [sys.executable, "-W", "error", "-c", _SETUP + code, client, url, uuid4().hex]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@pytest.mark.parametrize("client", ["redis", "glide"])
def test_a_process_ends_by_itself_and_leaves_nothing_to_warn_of(valkey_server: ValkeyServer, client: str) -> None:
    said = _run("print(app.echo.sync.enqueue('x', id='one').id)", client, valkey_server.url)

    assert said == "one\n"


@pytest.mark.parametrize("client", ["redis", "glide"])
def test_after_a_fork_parent_and_child_each_have_a_portal(valkey_server: ValkeyServer, client: str) -> None:
    """As gunicorn does with --preload: the parent has used it before."""
    code = """
app.echo.sync.enqueue("x", id="before")
child = os.fork()
if child == 0:
    assert app.echo.sync.enqueue("x", id="child").state == "queued"
    close_sync()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert app.echo.sync.enqueue("x", id="parent").state == "queued"
print(sorted(id for id in ("before", "child", "parent") if app.echo.sync.handle(id).record().state == "queued"))
"""
    assert _run(code, client, valkey_server.url) == "['before', 'child', 'parent']\n"


def test_a_store_that_is_away_does_not_keep_a_process_from_its_end(valkey_server: ValkeyServer) -> None:
    code = """
from flowli import DriverUnavailable
try:
    app.echo.sync.enqueue("x")
except DriverUnavailable:
    print("unavailable")
"""
    said = _run(code, "redis", "redis://127.0.0.1:1/0")

    assert said == "unavailable\n"
