"""The runtime that the settings name, and the jobs of the installed applications."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeGuard, TypeVar, overload

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from flowli.job import Job
from flowli.runtime import Flowli

__all__ = ["find_jobs", "runtime"]

_F = TypeVar("_F", bound=Flowli[Any])


@overload
def runtime() -> Flowli[Any]: ...
@overload
def runtime(kind: type[_F], /) -> _F: ...
def runtime(kind: type[Flowli[Any]] = Flowli) -> Flowli[Any]:
    """What ``settings.FLOWLI`` names as a dotted path, typed by its class if that is passed.

    ImproperlyConfigured where there is none, or it is of another class.
    """
    where: object = getattr(settings, "FLOWLI", None)
    found: Any = where
    if isinstance(where, str):
        try:
            module, _, attribute = where.rpartition(".")
            found = getattr(import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as exc:
            raise ImproperlyConfigured(f"FLOWLI names {where!r}, which cannot be imported: {exc}") from exc
    if not _is_one(found, kind):
        raise ImproperlyConfigured(
            f'FLOWLI has to name the runtime, an instance of {kind.__name__}: FLOWLI = "shop.jobs.flowli".'
        )
    return found


def find_jobs() -> list[Job[Any, Any, Any, Any]]:
    """The jobs of the module ``jobs`` of each installed application: ``Flowli(context=..., jobs=find_jobs())``.

    Where types matter name them in a class body instead.
    """
    found: dict[int, Job[Any, Any, Any, Any]] = {}
    for config in apps.get_app_configs():
        if find_spec(f"{config.name}.jobs") is not None:
            values: Iterable[Any] = vars(import_module(f"{config.name}.jobs")).values()
            found |= {id(value): value for value in values if _is_job(value)}
    return list(found.values())


def _is_one(value: object, kind: type[Flowli[Any]]) -> TypeGuard[Flowli[Any]]:
    return isinstance(value, kind)


def _is_job(value: object) -> TypeGuard[Job[Any, Any, Any, Any]]:
    return isinstance(value, Job)
