"""`flowli.flask`: the extension, a context for each job, the command; with the test client and with gunicorn."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

import flask_app
import pytest
from flask import Flask
from flask_app import App

from flowli import DefinitionError, Flowli, Runner
from flowli.flask import FlowliFlask, app_context, runtime
from flowli_memory import MemoryDriver
from tests.frameworks.serving import Served, serve
from tests.support.servers import ValkeyServer

_made: list[Flask] = []


def _app() -> Flask:
    """Called once, when the first job is executed."""
    _made.append(flask_app.create_app(App(context=Flask("unused"), driver=MemoryDriver())))
    return _made[-1]


def test_a_view_enqueues_and_each_job_has_an_application_context() -> None:
    _made.clear()
    flowli = App(context=app_context(_app), driver=MemoryDriver())
    client = flask_app.create_app(flowli).test_client()
    started = client.post("/greetings", json="Ada")
    assert started.status_code == 202
    assert client.post("/greetings", json=3).status_code == 422
    client.post("/greetings", json="Alan")
    assert asyncio.run(Runner(flowli).run_until_idle()) == 2

    assert client.get(f"/greetings/{started.get_json()['id']}").get_json() == "hello Ada"
    assert len(_made) == 1


def test_the_runtime_is_typed_by_its_class_and_missed_aloud() -> None:
    class Other(Flowli): ...

    app = Flask(__name__)
    with app.app_context(), pytest.raises(RuntimeError, match=r"has no Other\. Pass it to FlowliFlask"):
        runtime(Other)
    later = FlowliFlask()
    with pytest.raises(DefinitionError, match="an instance of your Flowli class"):
        later.init_app(app)
    later.init_app(app, Other(context=None))
    with app.app_context():
        assert isinstance(runtime(Other), Other)
        assert app.extensions["flowli"] is runtime(Other)


@pytest.fixture(scope="module", params=["preloaded", "each by itself"])
def served(
    request: pytest.FixtureRequest, valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    preload = ["--preload"] if request.param == "preloaded" else []
    command = [sys.executable, "-m", "gunicorn", "-w", "2", "-b", "127.0.0.1:{port}", *preload]
    runner = [sys.executable, "-m", "flask", "--app", "flask_app", "flowli", "runner", "--concurrency", "10"]
    folder = tmp_path_factory.mktemp("flask")
    with serve([*command, "flask_app:create_app()"], runner, valkey_server.url, folder) as served:
        yield served


@pytest.mark.slow
def test_two_workers_of_gunicorn_a_real_store_and_the_command_of_flask(served: Served) -> None:
    ids = [served.client.post("/greetings", json=f"caller {at}").json()["id"] for at in range(20)]
    assert [served.client.get(f"/greetings/{id}").json() for id in ids] == [f"hello caller {at}" for at in range(20)]
    assert "Traceback" not in served.said
