"""Flowli in Flask: an extension, an application context for each job, and a group of commands.

It knows Flask's application context. Views call ``.sync``; it adds no form of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from flowli.errors import DefinitionError
from flowli.runner import Runner
from flowli.runtime import Flowli

try:
    import click
    from flask import Flask, current_app
    from flask.cli import AppGroup
except ImportError as _missing:
    raise ImportError('flowli.flask needs Flask: pip install "flowli[flask]".') from _missing

__all__ = ["FlowliFlask", "app_context", "runtime"]

_F = TypeVar("_F", bound=Flowli[Any])

_KEY = "flowli"


class FlowliFlask:
    """``FlowliFlask(app, flowli)``, or ``init_app`` later: the runtime is ``app.extensions["flowli"]``, typed by
    `runtime`, and ``flask flowli runner`` executes its jobs."""

    def __init__(self, app: Flask | None = None, flowli: Flowli[Any] | None = None) -> None:
        self._flowli = flowli
        if app is not None:
            self.init_app(app, flowli)

    def init_app(self, app: Flask, flowli: Flowli[Any] | None = None) -> None:
        """Put the runtime on an application; DefinitionError without one."""
        found = flowli or self._flowli
        if not isinstance(found, Flowli):
            raise DefinitionError("Pass the runtime, an instance of your Flowli class: FlowliFlask(app, flowli).")
        app.extensions[_KEY] = found
        app.cli.add_command(_commands(found))


def runtime(kind: type[_F], /) -> _F:
    """The current application's runtime, typed by its class. RuntimeError where it has none of this class."""
    found = current_app.extensions.get(_KEY)
    if isinstance(found, kind):
        return found
    raise RuntimeError(f"This application has no {kind.__name__}. Pass it to FlowliFlask(app, flowli).")


def app_context(app: Flask | Callable[[], Flask]) -> Callable[[], Generator[Flask]]:
    """``App(context=app_context(app))``: each execution of a job that takes ``ctx``, which is the application then, has
    an application context of its own. A function that makes it is called once, when it is first needed."""
    made: list[Flask] = [app] if isinstance(app, Flask) else []

    def context() -> Generator[Flask]:
        if not made:
            assert not isinstance(app, Flask)
            made.append(app())
        with made[0].app_context():
            yield made[0]

    return context


def _commands(flowli: Flowli[Any]) -> AppGroup:
    group = AppGroup("flowli", help="Typed jobs: execute what was enqueued.")

    @group.command("runner")
    @click.option("--concurrency", "-c", default=100, show_default=True, help="Handlers in flight.")
    @click.option("--queues", default=None, help="Names, comma-separated, served in this order; all if not given.")
    @click.option("--grace", default="30s", show_default=True, help="How long running handlers may go on at the end.")
    def run(concurrency: int, queues: str | None, grace: str) -> None:
        """Execute what was persisted, until SIGTERM or SIGINT; then drain."""
        names = None if queues is None else [name.strip() for name in queues.split(",") if name.strip()]
        asyncio.run(Runner(flowli, concurrency=concurrency, queues=names).run(grace))

    del run
    return group
