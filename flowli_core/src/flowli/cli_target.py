"""What a command acts on, and how it ends: the runtime that APP names, its store for as long as the command lasts, and
the exit status.

Statuses: 0 done; 1 a command's own negative answer; 2 usage or import error; 3 store unreachable; 4 a handler had to be
abandoned. It refuses to know what a command does.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import tomllib
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Annotated, Any, TypeAlias, TypeGuard, TypeVar

import typer

from flowli.errors import DriverError, FlowliError
from flowli.processes import UNREACHABLE, USAGE
from flowli.runtime import Flowli

__all__ = ["NEGATIVE", "App", "AppOption", "Json", "find_runtime", "refuse", "settings", "with_store"]

T = TypeVar("T")

NEGATIVE = 1
"""The exit status of a command whose own answer is no."""

_HELP = "The runtime, as pkg.module:attribute; else what pyproject.toml names as app of tool.flowli."
_ENV = "FLOWLI_APP"

App: TypeAlias = Annotated[str | None, typer.Argument(metavar="APP", envvar=_ENV, help=_HELP)]
AppOption: TypeAlias = Annotated[str | None, typer.Option("--app", "-a", metavar="APP", envvar=_ENV, help=_HELP)]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="JSON: one object, or one a line for a list.")]


def settings() -> dict[str, Any]:
    """``[tool.flowli]`` of the pyproject.toml in the current directory; empty without one."""
    path = Path("pyproject.toml")
    if not path.is_file():
        return {}
    try:
        found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("flowli", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise refuse(USAGE, "The pyproject.toml of this directory cannot be read.") from None
    return found


def refuse(status: int, message: str) -> typer.Exit:
    """Say why on stderr; raise what comes back."""
    typer.echo(f"flowli: {message}", err=True)
    return typer.Exit(status)


def find_runtime(where: str | None) -> Flowli[Any]:
    """The runtime that ``pkg.module:attribute`` names, or that the function of this name makes. Ends the process with
    status 2 where there is none, and says which there are."""
    where = where or settings().get("app")
    if not where:
        raise refuse(USAGE, f'Which runtime? Pass APP, set {_ENV}, or write app = "..." into [tool.flowli].')
    module_name, _, attribute = where.partition(":")
    module = _import(module_name)
    found = getattr(module, attribute, None) if attribute else None
    if isinstance(found, FunctionType):
        found = found()
    if _is_runtime(found):
        return found
    known = ", ".join(f"{module_name}:{name}" for name, value in vars(module).items() if _is_runtime(value))
    raise refuse(USAGE, f"{where!r} is no runtime. In this module: {known or 'none'}.")


def _import(name: str) -> ModuleType:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except Exception as exc:
        if isinstance(exc, ModuleNotFoundError) and exc.name and f"{name}.".startswith(f"{exc.name}."):
            advice = "APP is pkg.module:attribute, from the current directory."
            raise refuse(USAGE, f"There is no module {name!r} here. {advice}") from None
        traceback.print_exc()
        raise refuse(USAGE, f"The module {name!r} could not be imported; the traceback is above.") from None


def _is_runtime(value: object) -> TypeGuard[Flowli[Any]]:
    return isinstance(value, Flowli)


def with_store(flowli: Flowli[Any], work: Callable[[], Awaitable[T]]) -> T:
    """The answer of ``work`` while the store is open; without the lifespan, for no handler runs here."""
    core = flowli.__flowli__
    hub = core.hub
    if hub is None:
        raise refuse(USAGE, f"{core.name} has no driver, so there is no store. Pass driver= to it.")
    if core.process_local:
        raise refuse(
            USAGE, f"{core.name} keeps its jobs in its own process ({core.driver_name}): nobody else sees one."
        )

    async def within() -> T:
        await hub.hold(certain=True)
        try:
            return await work()
        finally:
            await hub.release()

    try:
        return asyncio.run(within())
    except DriverError as exc:
        raise refuse(UNREACHABLE, str(exc)) from None
    except FlowliError as exc:
        raise refuse(USAGE, str(exc)) from None
