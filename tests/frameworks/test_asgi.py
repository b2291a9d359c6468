"""`flowli.asgi`: lifespan, middleware, and progress as events, on bare ASGI and on Starlette."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import starlette_app
from starlette.applications import Starlette
from starlette.testclient import TestClient

from flowli import DefinitionError, DriverUnavailable, Flowli, Runner, job
from flowli.asgi import FlowliMiddleware, lifespan
from flowli_memory import MemoryDriver
from flowli_redis import RedisDriver
from tests.frameworks.serving import Served, serve
from tests.support.polling import eventually_sync
from tests.support.servers import ValkeyServer


@job
async def echo(text: str) -> str:
    return text


class Other(Flowli):
    echo = echo


def test_a_request_finds_the_runtime_in_its_state_and_enqueues() -> None:
    runtime = starlette_app.App(context=None, driver=MemoryDriver())
    with TestClient(starlette_app.create_app(runtime)) as client:
        answer = client.post("/shouts", json="hello")
        assert answer.status_code == 202
        client.portal.call(Runner(runtime).run_until_idle)  # type: ignore[union-attr] # pyright: ignore[reportOptionalMemberAccess]
        assert client.get(f"/shouts/{answer.json()['id']}").json() == "HELLO"
        assert client.post("/shouts", json=3).status_code == 422


async def _bare(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http", "it knows no lifespan"
    flowli = scope["state"]["flowli"]
    handle = await flowli.echo.enqueue("x", id="one")
    body = json.dumps([handle.id, sorted(scope["state"])]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


def test_the_middleware_serves_an_application_that_knows_no_lifespan() -> None:
    runtime = Other(context=None, driver=MemoryDriver())
    with TestClient(FlowliMiddleware(_bare, runtime)) as client:
        assert client.get("/").json() == ["one", ["flowli", "flowli_runtimes"]]


def test_the_middleware_leaves_an_applications_own_lifespan_alone() -> None:
    lived: list[str] = []

    @asynccontextmanager
    async def own(app: Any) -> AsyncGenerator[dict[str, Any]]:
        lived.append("began")
        yield {"own": 1}
        lived.append("ended")

    with TestClient(FlowliMiddleware(Starlette(lifespan=own), Other(context=None, driver=MemoryDriver()))):
        assert lived == ["began"]
    assert lived == ["began", "ended"]


def test_a_store_that_is_away_fails_the_start() -> None:
    away = Other(context=None, driver=RedisDriver("redis://127.0.0.1:1/0", prefix="away"))
    with pytest.raises(DriverUnavailable), TestClient(Starlette(lifespan=lifespan(away))):
        pass
    said: list[Any] = []

    async def start() -> None:
        async def receive() -> Any:
            return {"type": "lifespan.startup"}

        async def send(message: Any) -> None:
            said.append(message)

        await FlowliMiddleware(_bare, away)({"type": "lifespan"}, receive, send)

    asyncio.run(start())
    assert [message["type"] for message in said] == ["lifespan.startup.failed"]
    assert "Cannot connect to redis://127.0.0.1:1/0" in said[0]["message"]


class _Closing(MemoryDriver):
    """Says when it was closed."""

    def __init__(self, said: list[str]) -> None:
        super().__init__()
        self._said = said

    async def close(self) -> None:
        await super().close()
        self._said.append("closed")


@pytest.mark.parametrize("app", [_bare, Starlette()])
def test_the_shutdown_is_complete_when_the_runtimes_are_closed(app: Any) -> None:
    """A server ends its process then."""
    closed: list[str] = []
    middleware = FlowliMiddleware(app, Other(context=None, driver=_Closing(closed)))
    ended: list[list[str]] = []

    async def live() -> None:
        asked = iter(["lifespan.startup", "lifespan.shutdown"])

        async def receive() -> Any:
            return {"type": next(asked)}

        async def send(message: Any) -> None:
            if message["type"] == "lifespan.shutdown.complete":
                ended.append(list(closed))

        await middleware({"type": "lifespan"}, receive, send)

    asyncio.run(live())
    assert ended == [["closed"]]


def test_whatever_fails_at_the_start_fails_the_start_and_its_text_is_not_told() -> None:
    class Broken(MemoryDriver):
        async def open(self) -> None:
            raise OSError("secret-7")

    said: list[Any] = []

    async def start() -> None:
        async def receive() -> Any:
            return {"type": "lifespan.startup"}

        async def send(message: Any) -> None:
            said.append(message)

        await FlowliMiddleware(_bare, Other(context=None, driver=Broken()))({"type": "lifespan"}, receive, send)

    with pytest.raises(OSError, match="secret-7"):
        asyncio.run(start())
    assert [message["type"] for message in said] == ["lifespan.startup.failed"]
    assert "OSError" in said[0]["message"] and "secret-7" not in said[0]["message"]


def test_an_application_that_fails_to_start_has_the_last_word() -> None:
    @asynccontextmanager
    async def failing(app: Any) -> AsyncGenerator[None]:
        if app is not None:
            raise LookupError("no such table")
        yield

    said: list[str] = []

    async def start() -> None:
        async def receive() -> Any:
            return {"type": "lifespan.startup"}

        async def send(message: Any) -> None:
            said.append(message["type"])

        app = FlowliMiddleware(Starlette(lifespan=failing), Other(context=None, driver=MemoryDriver()))
        await app({"type": "lifespan", "state": {}}, receive, send)

    with pytest.raises(LookupError):
        asyncio.run(start())
    assert said == ["lifespan.startup.failed"]


def test_what_is_no_runtime_is_refused_when_the_application_is_made() -> None:
    for wrong in ((), (Other,)):
        with pytest.raises(DefinitionError, match="an instance of your Flowli class"):
            lifespan(*wrong)  # pyright: ignore[reportArgumentType]


def test_a_runner_works_in_the_process_only_when_it_is_passed() -> None:
    runtime = starlette_app.App(context=None, driver=MemoryDriver())
    app = starlette_app.create_app(runtime)
    app.router.lifespan_context = lifespan(runtime, runner=Runner(runtime))
    with TestClient(app) as client:
        id = client.post("/shouts", json="hello").json()["id"]
        assert client.get(f"/shouts/{id}").json() == "HELLO"


@pytest.fixture(scope="module")
def served(valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    command = [sys.executable, "-m", "uvicorn", "starlette_app:app", "--port", "{port}"]
    runner = [sys.executable, "-m", "flowli", "runner", "starlette_app:flowli"]
    with serve(command, runner, valkey_server.url, tmp_path_factory.mktemp("starlette")) as served:
        yield served


@pytest.mark.slow
def test_a_real_server_a_real_store_and_a_runner(served: Served) -> None:
    id = served.client.post("/shouts", json="hello").json()["id"]
    assert served.client.get(f"/shouts/{id}").json() == "HELLO"
    events = served.client.get(f"/shouts/{id}/progress")
    assert events.headers["content-type"].startswith("text/event-stream")
    assert events.text == 'event: ended\ndata: {"state": "completed"}\n\n'


@pytest.mark.slow
def test_a_server_that_is_told_to_end_closes_the_runtime(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "uvicorn", "starlette_app:app", "--port", "{port}"]
    with serve(
        command, [sys.executable, "-m", "flowli", "runner", "starlette_app:flowli"], valkey_server.url, tmp_path
    ) as served:
        served.client.post("/shouts", json="hello")
        served.client.close()
        served.stop()
        eventually_sync(lambda: "Finished server process" in served.said, what="the end of uvicorn")
        assert "Traceback" not in served.said and "ResourceWarning" not in served.said
