"""`flowli.litestar`: the plugin provides the runtime by its type; with the test client and with uvicorn."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import litestar_app
import pytest
from litestar import Litestar, get
from litestar.di import NamedDependency
from litestar.testing import TestClient

from flowli import Runner
from flowli.litestar import FlowliPlugin
from flowli_memory import MemoryDriver
from tests.frameworks.serving import Served, serve
from tests.support.servers import ValkeyServer


def test_a_handler_takes_the_runtime_and_a_runner_may_work_inside() -> None:
    runtime = litestar_app.App(context=None, driver=MemoryDriver())
    app = Litestar([litestar_app.start, litestar_app.read], plugins=[FlowliPlugin(runtime, runner=Runner(runtime))])
    with TestClient(app) as client:
        started = client.post("/sums", json={"numbers": [1, 2, 3]})
        assert started.status_code == 202
        assert client.get(f"/sums/{started.text}").json() == 6
        assert client.post("/sums", json={"numbers": "none"}).status_code == 400


def test_the_name_is_the_users_choice() -> None:
    @get("/", signature_namespace={"App": litestar_app.App})
    async def read(jobs: NamedDependency[litestar_app.App]) -> str:
        return type(jobs).__name__

    runtime = litestar_app.App(context=None, driver=MemoryDriver())
    with TestClient(Litestar([read], plugins=[FlowliPlugin(runtime, name="jobs")])) as client:
        assert client.get("/").text == "App"


@pytest.fixture(scope="module")
def served(valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    command = [sys.executable, "-m", "uvicorn", "litestar_app:app", "--port", "{port}"]
    runner = [sys.executable, "-m", "flowli", "runner", "litestar_app:flowli"]
    with serve(command, runner, valkey_server.url, tmp_path_factory.mktemp("litestar")) as served:
        yield served


@pytest.mark.slow
def test_a_real_server_a_real_store_and_a_runner(served: Served) -> None:
    id = served.client.post("/sums", json={"numbers": [1, 2, 3]}).text
    assert served.client.get(f"/sums/{id}").json() == 6
    assert served.client.get(f"/sums/{id}/progress").text == 'event: ended\ndata: {"state": "completed"}\n\n'
