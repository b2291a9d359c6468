"""Flowli in Litestar: a plugin that opens the runtime, and provides it by its type under a name.

It knows Litestar's application configuration, and leaves routes to their owners.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

from flowli.asgi import EVENT_HEADERS, lifespan, progress_events
from flowli.handles import JobHandle
from flowli.runtime import Flowli

try:
    from litestar.config.app import AppConfig
    from litestar.di import Provide
    from litestar.plugins import InitPlugin
    from litestar.response import Stream
except ImportError as _missing:
    raise ImportError('flowli.litestar needs Litestar: pip install "flowli[litestar]".') from _missing

__all__ = ["FlowliPlugin", "progress_stream"]


class FlowliPlugin(InitPlugin):
    """``Litestar(plugins=[FlowliPlugin(flowli)])``: a handler takes ``flowli: App``, or the name given as ``name``.

    ``runner`` is a `Runner` that shall work inside this process too: for small deployments, and only when it is passed.
    """

    def __init__(
        self, flowli: Flowli[Any], *, name: str = "flowli", runner: AbstractAsyncContextManager[Any] | None = None
    ) -> None:
        self._flowli = flowli
        self._name = name
        self._live = lifespan(flowli, runner=runner)

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """As Litestar asks."""
        kind = type(self._flowli)
        app_config.signature_namespace[kind.__name__] = kind
        app_config.dependencies = {
            **app_config.dependencies,
            self._name: Provide(lambda: self._flowli, sync_to_thread=False, use_cache=True),
        }
        lives: list[Any] = getattr(app_config, "lifespan")  # noqa: B009
        lives.append(self._live)
        app_config.state[self._name] = self._flowli
        return app_config


def progress_stream(handle: JobHandle[Any], *, every: str = "500ms") -> Stream:
    """The progress of a job as server-sent events (`flowli.asgi.progress_events`)."""
    return Stream(progress_events(handle, every=every), media_type="text/event-stream", headers=EVENT_HEADERS)
