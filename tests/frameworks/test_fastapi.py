"""`flowli.fastapi`: the dependency, the outboxes, progress as events; with the test client and with uvicorn."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Any, assert_type

import fastapi_app
import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from flowli import BoundJob, Flowli, JobNotFoundError, Runner, job
from flowli.fastapi import lifespan, provide
from flowli_memory import MemoryDriver
from tests.frameworks.serving import Served, serve
from tests.support.polling import eventually_sync
from tests.support.servers import ValkeyServer


@job
async def echo(text: str) -> str:
    return text


class Other(Flowli):
    echo = echo


@pytest.fixture
def runtime() -> fastapi_app.App:
    return fastapi_app.App(context=None, driver=MemoryDriver())


@pytest.fixture
def client(runtime: fastapi_app.App) -> Iterator[TestClient]:
    with TestClient(fastapi_app.create_app(runtime)) as client:
        yield client


def _call(client: TestClient, function: Any, *args: Any) -> Any:
    """On the loop of the application."""
    assert client.portal is not None
    return client.portal.call(function, *args)


def test_the_body_of_a_request_is_the_input_of_the_job(client: TestClient, runtime: fastapi_app.App) -> None:
    accepted = client.post("/reports", json={"customer": "Ada", "pages": 2})
    assert accepted.status_code == 202
    assert client.post("/reports", json={"pages": "many"}).status_code == 422
    _call(client, Runner(runtime).run_until_idle)
    assert client.get(f"/reports/{accepted.json()['id']}").json() == "2 pages for Ada"


def test_the_dependency_is_typed_by_the_class() -> None:
    def handler(flowli: Annotated[fastapi_app.App, Depends(provide(fastapi_app.App))]) -> None:
        assert_type(flowli.render, BoundJob[fastapi_app.Report, None, str])

    app = FastAPI(lifespan=lifespan(fastapi_app.App(context=None, driver=MemoryDriver())))
    app.get("/")(handler)
    with TestClient(app) as client:
        assert client.get("/").status_code == 200


def test_without_its_runtime_an_application_says_what_to_pass(runtime: fastapi_app.App) -> None:
    app = FastAPI(lifespan=lifespan(runtime))

    @app.get("/")
    def read(other: Annotated[Other, Depends(provide(Other))]) -> None: ...

    with TestClient(app) as client, pytest.raises(RuntimeError, match=r"has no Other\. Pass FastAPI\(lifespan="):
        client.get("/")
    with pytest.raises(RuntimeError, match="enter the lifespan in tests"):
        TestClient(fastapi_app.create_app(runtime)).post("/reports", json={"customer": "Ada"})


def test_the_dependency_can_be_overridden(runtime: fastapi_app.App) -> None:
    app = fastapi_app.create_app(runtime)
    other = fastapi_app.App(context=None, driver=MemoryDriver())
    app.dependency_overrides[provide(fastapi_app.App)] = lambda: other
    with TestClient(app) as client:
        id = client.post("/reports", json={"customer": "Ada"}).json()["id"]
        assert _call(client, other.render.handle(id).record).state == "queued"


def test_an_application_may_have_several_runtimes(runtime: fastapi_app.App) -> None:
    other = Other(context=None, driver=MemoryDriver())
    app = FastAPI(lifespan=lifespan(runtime, other))

    @app.get("/")
    def read(
        first: Annotated[fastapi_app.App, Depends(provide(fastapi_app.App))],
        second: Annotated[Other, Depends(provide(Other))],
    ) -> list[str]:
        return [type(first).__name__, type(second).__name__]

    with TestClient(app) as client:
        assert client.get("/").json() == ["App", "Other"]


def test_an_order_that_is_refused_enqueues_nothing(client: TestClient, runtime: fastapi_app.App) -> None:
    assert client.post("/orders/0").status_code == 422
    assert client.post("/orders/7").json() == "ordered"

    record = _call(client, runtime.render.handle("order-7").record)
    assert record.state == "queued"
    with pytest.raises(JobNotFoundError):
        _call(client, runtime.render.handle("order-0").record)


def test_what_waits_for_the_response_is_enqueued_behind_it(client: TestClient, runtime: fastapi_app.App) -> None:
    assert client.post("/visits/start").json() == "welcome"

    assert _call(client, runtime.render.handle("visit-start").record).state == "queued"


def test_a_job_that_cannot_be_stored_fails_the_request_that_asked_for_it() -> None:
    """The client is told, where a background task would fail unheard."""
    without_driver = fastapi_app.create_app(fastapi_app.App(context=None))
    with TestClient(without_driver, raise_server_exceptions=False) as client:
        assert client.post("/orders/7").status_code == 500


@pytest.fixture(scope="module")
def served(valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    command = [sys.executable, "-m", "uvicorn", "fastapi_app:app", "--port", "{port}"]
    runner = [sys.executable, "-m", "flowli", "runner", "fastapi_app:flowli"]
    with serve(command, runner, valkey_server.url, tmp_path_factory.mktemp("fastapi")) as served:
        yield served


@pytest.mark.slow
def test_a_real_server_a_real_store_and_a_runner(served: Served) -> None:
    id = served.client.post("/reports", json={"customer": "Ada", "pages": 100}).json()["id"]
    with served.client.stream("GET", f"/reports/{id}/progress") as events:
        lines = [line for line in events.iter_lines() if line]
    assert served.client.get(f"/reports/{id}").json() == "100 pages for Ada"
    assert lines[-2:] == ["event: ended", 'data: {"state": "completed"}']
    assert "event: progress" in lines, "it was seen on its way"


@pytest.mark.slow
def test_both_outboxes_reach_the_runner(served: Served) -> None:
    assert served.client.post("/orders/9").json() == "ordered"
    assert served.client.get("/reports/order-9").json() == "3 pages for order 9"
    assert served.client.post("/visits/home").json() == "welcome"
    eventually_sync(
        lambda: served.client.get("/reports/visit-home").status_code == 200, what="a job behind the response"
    )
