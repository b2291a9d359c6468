"""`flowli.django`: settings, commit, connections, tasks, checks, the command; with the test client and gunicorn."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.frameworks.django_kit import FOLDER

from bakery.jobs import Bakery, confirm  # isort: skip
from bakery.models import Order  # isort: skip
from bakery.tasks import send_mail  # isort: skip
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection
from django.test import Client, override_settings

from flowli import Flowli, JobNotFoundError, Runner
from flowli.django import find_jobs, fresh_connections, runtime
from flowli.django.tasks import run_task
from flowli_memory import MemoryDriver
from tests.frameworks.serving import EXAMPLES, Served, serve
from tests.support.servers import ValkeyServer

_PROJECT = EXAMPLES / "django_bakery"


@pytest.fixture(scope="module", autouse=True)
def database() -> Iterator[None]:
    call_command("migrate", verbosity=0)
    yield
    connection.close()
    shutil.rmtree(FOLDER)


@pytest.fixture
def flowli() -> Iterator[Bakery]:
    """The runtime of the settings, in memory."""
    made = Bakery(context=None, driver=MemoryDriver())
    Order.objects.all().delete()
    with override_settings(FLOWLI=made):
        yield made


def _post(path: str, **body: Any) -> Any:
    return Client().post(path, json.dumps(body), content_type="application/json")


def _work(flowli: Flowli[Any]) -> int:
    return asyncio.run(Runner(flowli).run_until_idle())


def test_what_is_committed_is_enqueued_and_executed(flowli: Bakery) -> None:
    assert _post("/orders", number="one").json() == {"id": "confirm-one"}
    assert _work(flowli) == 1
    assert Client().get("/orders/confirm-one").json() == {"said": "one is confirmed"}
    assert Order.objects.get(number="one").confirmed


def test_a_transaction_that_is_rolled_back_enqueues_nothing(flowli: Bakery) -> None:
    assert _post("/orders", number="two", regret=True).status_code == 409
    assert not Order.objects.exists()
    with pytest.raises(JobNotFoundError):
        flowli.confirm.sync.handle("confirm-two").record()
    assert _work(flowli) == 0


def test_a_task_of_django_is_stored_executed_and_read(flowli: Bakery) -> None:
    result = send_mail.using(priority=100).enqueue("ada@example.org", text="hello")
    assert (result.status, result.args, result.kwargs) == ("READY", ["ada@example.org"], {"text": "hello"})
    record = flowli.run_task.sync.handle(result.id).record()
    assert (record.queue, record.priority) == ("mail", 9)
    assert _work(flowli) == 1

    result.refresh()
    assert (result.status, result.return_value, result.attempts) == ("SUCCESSFUL", "hello -> ada@example.org", 1)
    assert send_mail.get_result(result.id).is_finished


def test_a_path_that_is_no_task_is_never_imported(flowli: Bakery) -> None:
    from flowli.django.tasks import TaskCall

    call = TaskCall(path="antigravity.anything", backend="default", args=[], kwargs={})
    handle = flowli.run_task.sync.enqueue(call, max_attempts=1)
    _work(flowli)

    record = handle.record()
    assert record.state == "failed" and record.error is not None
    assert "There is no task 'antigravity.anything' here" in record.error.message
    assert "antigravity" not in sys.modules


def test_a_task_awaits_where_a_loop_runs(flowli: Bakery) -> None:
    async def enqueue() -> Any:
        result = await send_mail.aenqueue("ada@example.org", text="hello")
        return (await send_mail.aget_result(result.id)).status

    assert asyncio.run(enqueue()) == "READY"
    assert _work(flowli) == 1


def test_connections_are_renewed_around_handlers_in_threads_and_on_loops(flowli: Bakery) -> None:
    closed: list[str] = []

    @fresh_connections
    def plain() -> str:
        closed.append("ran")
        return connection.alias

    @fresh_connections
    async def awaited() -> None:
        await Order.objects.acount()
        closed.append("awaited")

    async def twice() -> None:
        await awaited()
        await awaited()

    def close(self: object) -> None:
        closed.append("closed")

    from django.db import connections

    with pytest.MonkeyPatch.context() as patch:
        wrapper = type(connections["default"])
        patch.setattr(wrapper, "close_if_unusable_or_obsolete", close)
        assert plain() == "default"
        asyncio.run(twice())
    assert closed == ["closed", "ran", "closed", "awaited", "closed", "closed", "awaited", "closed"]
    flowli.count.sync.enqueue("")
    assert _work(flowli) == 1


def test_checks_say_what_is_missing(flowli: Bakery) -> None:
    class Bare(Flowli): ...

    assert [found.id for found in run_checks()] == ["flowli.W001"]
    with override_settings(FLOWLI=Bare(context=None)):
        assert [found.id for found in run_checks()] == ["flowli.W001", "flowli.E002"]
    with override_settings(FLOWLI="bakery.jobs.nothing"):
        assert [found.id for found in run_checks()] == ["flowli.E001"]
        with pytest.raises(ImproperlyConfigured, match=r"FLOWLI names 'bakery\.jobs\.nothing'"):
            runtime()


def test_the_jobs_of_installed_applications_are_found() -> None:
    assert {one.name for one in find_jobs()} == {"confirm", "count", "django.task"}
    assert confirm in find_jobs() and run_task in find_jobs()


@pytest.fixture(scope="module")
def served(valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("django")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAKERY_DB", str(folder / "served.sqlite3"))
        _manage("migrate", "--verbosity", "0")
        command = [sys.executable, "-m", "gunicorn", "-w", "2", "--preload", "-b", "127.0.0.1:{port}"]
        runner = [sys.executable, str(_PROJECT / "manage.py"), "flowli", "runner", "--concurrency", "10"]
        with serve([*command, "site_of_bakery.wsgi"], runner, valkey_server.url, folder, places=[_PROJECT]) as served:
            yield served


def _manage(*arguments: str) -> str:
    command = [sys.executable, str(_PROJECT / "manage.py"), *arguments]
    return subprocess.run(command, env={**os.environ}, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_two_workers_of_gunicorn_a_real_store_and_manage_py(served: Served) -> None:
    def post(path: str, **body: Any) -> Any:
        return served.client.post(path, json=body)

    assert post("/orders", number="a").json() == {"id": "confirm-a"}
    assert post("/orders", number="b", regret=True).status_code == 409
    assert served.client.get("/orders/confirm-a").json() == {"said": "a is confirmed"}
    assert served.client.get("/orders/confirm-b").status_code == 500, "there is no such job"
    assert post("/mails", to="ada@example.org").json()["status"] in ("READY", "RUNNING", "SUCCESSFUL")


def test_the_command_names_the_runtime_of_the_settings(tmp_path: Path, valkey_server: ValkeyServer) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDIS_URL", valkey_server.url)
        patch.setenv("BAKERY_DB", str(tmp_path / "none.sqlite3"))
        said = json.loads(_manage("flowli", "jobs", "--json").splitlines()[0])
    assert said["name"] == "confirm"
