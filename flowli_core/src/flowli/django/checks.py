"""``manage.py check``: whether the settings name a runtime, and one that can do what they ask of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.checks import register as register_check
from django.core.exceptions import ImproperlyConfigured

from flowli.django.runtime import runtime

__all__ = ["check_runtime", "register"]

_BACKEND = "flowli.django.tasks.FlowliBackend"


def check_runtime(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E001: no runtime. E002: the backend of tasks needs a job that it has not. W001: it has no driver, or one whose
    jobs no other process sees."""
    del app_configs, kwargs
    try:
        found = runtime()
    except ImproperlyConfigured as exc:
        return [Error(str(exc), id="flowli.E001")]
    said: list[CheckMessage] = []
    core = found.__flowli__
    if core.hub is None or core.process_local:
        hint = 'Pass driver=RedisDriver("redis://...", prefix="shop") where it is deployed.'
        said.append(Warning(f"{core.name} has no driver that other processes share.", hint=hint, id="flowli.W001"))
    backends: dict[str, dict[str, Any]] = getattr(settings, "TASKS", {})
    if any(one.get("BACKEND") == _BACKEND for one in backends.values()) and "django.task" not in core.jobs:
        hint = "Write `run_task = run_task` into its class body: from flowli.django.tasks import run_task."
        said.append(Error(f"TASKS uses Flowli, and {core.name} has no job for it.", hint=hint, id="flowli.E002"))
    return said


def register() -> None:
    """With Django's checks."""
    register_check(check_runtime)
