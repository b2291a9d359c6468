# /// script
# requires-python = ">=3.11"
# dependencies = ["flowli[flask,redis,cli]==0.1.0", "gunicorn"]
# ///
"""A web application on Flask: `gunicorn "flask_app:create_app()"`, beside it `flask --app flask_app flowli runner`."""

from __future__ import annotations

import os

from flask import Flask, current_app, jsonify, request
from flask.typing import ResponseReturnValue

from flowli import Flowli, ValidationError, job
from flowli.flask import FlowliFlask, app_context, runtime
from flowli_redis import RedisDriver


@job
def greet(name: str, *, ctx: Flask) -> str:
    assert current_app.name == ctx.name  # a job that takes ctx has an application context
    return f"{ctx.config['GREETING']} {name}"


class App(Flowli[Flask]):
    greet = greet


def create_app(flowli: App | None = None) -> Flask:
    """The application; tests pass a runtime on the memory driver."""
    app = Flask(__name__)
    app.config["GREETING"] = "hello"
    FlowliFlask(app, flowli or make_runtime(app))

    @app.post("/greetings")
    def start() -> ResponseReturnValue:
        try:
            handle = runtime(App).greet.sync.enqueue(request.get_json())
        except ValidationError:
            return jsonify(error="a name is a string"), 422
        return jsonify(id=handle.id), 202

    @app.get("/greetings/<id>")
    def read(id: str) -> ResponseReturnValue:
        return jsonify(runtime(App).greet.sync.handle(id).result(timeout=10))

    return app


def make_runtime(app: Flask) -> App:
    """On a real store."""
    driver = RedisDriver(os.environ.get("REDIS_URL", "redis://localhost:6379/0"), prefix="greetings")
    return App(context=app_context(app), driver=driver)
