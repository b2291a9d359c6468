"""The command line: ``flowli runner pkg.module:flowli``, ``flowli doctor pkg.module:flowli``.

It finds a runtime by name, configures logging and turns outcomes into exit statuses: 0 finished, drained or healthy, 1
not healthy, 2 usage or import error, 3 store unreachable, 4 a handler had to be abandoned. It refuses to know what a
runner does, and what makes a store healthy.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import sys
import traceback
from collections.abc import Coroutine, Mapping
from types import FunctionType, ModuleType
from typing import Annotated, Any, TypeGuard

import typer

from flowli.doctor import checkup
from flowli.durations import parse_span
from flowli.errors import DriverError, DriverUnavailable, FlowliError
from flowli.processes import ABANDONED, UNREACHABLE, USAGE, Processes, end_with_parent, own_number
from flowli.runner import Runner
from flowli.runtime import Flowli

__all__ = ["app", "doctor", "find_runtime", "runner"]

_UNHEALTHY, _USAGE, _UNREACHABLE, _ABANDONED = 1, USAGE, UNREACHABLE, ABANDONED

_Where = Annotated[
    str, typer.Argument(metavar="APP", envvar="FLOWLI_APP", help="The runtime, as pkg.module:attribute.")
]

app: typer.Typer = typer.Typer(
    name="flowli",
    help="Typed jobs: run what was enqueued, and look after the store.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def runner(
    where: _Where,
    concurrency: Annotated[int, typer.Option("--concurrency", "-c", min=1, help="Handlers in flight.")] = 100,
    queues: Annotated[
        str | None, typer.Option(help="Names, comma-separated, served in this order; all if not given.")
    ] = None,
    lease: Annotated[str, typer.Option(help="How long a job stays with a runner that is not heard of.")] = "30s",
    poll_interval: Annotated[str, typer.Option(help="How late due work may be found if a wake-up is lost.")] = "1s",
    grace: Annotated[str, typer.Option(help="How long running handlers may go on after a signal.")] = "30s",
    processes: Annotated[int, typer.Option("--processes", "-p", min=1, help="Runners, each a process.")] = 1,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Execute what was persisted, until SIGTERM or SIGINT; then drain. A second signal hands back at once."""
    number = own_number()
    _configure_logging(log_level, "" if number is None else f"[{number}] ")
    if number is not None:
        end_with_parent()
    flowli = find_runtime(where)
    core = flowli.__flowli__
    if core.hub is None:
        raise _refusal(_USAGE, f"{where} has no driver, so there is nothing to run. Pass driver= to {core.name}(...).")
    if core.process_local:
        raise _refusal(
            _USAGE,
            f"{where} keeps its jobs in this process ({core.driver_name}): a runner in another process would never "
            f"see one. Use RedisDriver, or Runner(...) inside the process that enqueues.",
        )
    names = None if queues is None else [name.strip() for name in queues.split(",") if name.strip()]
    try:
        worker = Runner(flowli, concurrency=concurrency, lease=lease, poll_interval=poll_interval, queues=names)
        if processes > 1:
            options = {"--concurrency": concurrency, "--queues": queues, "--lease": lease, "--grace": grace}
            options |= {"--poll-interval": poll_interval, "--log-level": log_level}
            raise typer.Exit(_run_processes(where, options, processes, grace))
        _run(_work(worker, grace))
    except DriverError as exc:
        raise _refusal(_UNREACHABLE, str(exc)) from None
    except FlowliError as exc:
        raise _refusal(_USAGE, str(exc)) from None


def _run_processes(where: str, options: Mapping[str, object], count: int, grace: str) -> int:
    """As many processes of the same command; the parent has looked at the runtime, and needs it no more."""
    command = [sys.executable, "-m", "flowli", "runner", where]
    command += [str(part) for option in options.items() if option[1] is not None for part in option]
    grace_s = parse_span(grace, what="grace").total_seconds()

    async def keep() -> int:
        return await Processes(command, count, grace_s).run()

    return asyncio.run(keep())


def _run(work: Coroutine[Any, Any, None]) -> None:
    """On uvloop where it is installed."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        asyncio.run(work)
        return
    with asyncio.Runner(loop_factory=new_event_loop) as loop:
        loop.run(work)


async def _work(worker: Runner, grace: str) -> None:
    await worker.run(grace)
    if worker.abandoned:
        # Here, and at once: the event loop would wait for the task of such a handler, the interpreter for its thread.
        logging.shutdown()
        os._exit(_ABANDONED)


@app.command()
def doctor(
    where: _Where,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="A warning is not healthy either.")] = False,
) -> None:
    """Look for what is wrong in the store, and change nothing. Exit status 1 if it is not healthy."""
    from flowli import cli_doctor

    flowli = find_runtime(where)
    if flowli.__flowli__.hub is None:
        raise _refusal(_USAGE, f"{where} has no driver, so there is no store to look at.")
    try:
        found = asyncio.run(checkup(flowli))
    except DriverUnavailable as exc:
        raise _refusal(_UNREACHABLE, str(exc)) from None
    except DriverError as exc:  # a store that is refused was reached
        raise _refusal(_UNHEALTHY, str(exc)) from None
    healthy = found.healthy and not (strict and found.findings)
    if as_json:
        typer.echo(cli_doctor.as_json(found, healthy=healthy))
    else:
        cli_doctor.show(found, healthy=healthy)
    if not healthy:
        raise typer.Exit(_UNHEALTHY)


def find_runtime(where: str) -> Flowli[Any]:
    """The runtime that ``pkg.module:attribute`` names, or that the function of this name makes. Ends the process with
    status 2 where there is none, and says which there are."""
    module_name, _, attribute = where.partition(":")
    module = _import(module_name)
    found = getattr(module, attribute, None) if attribute else None
    if isinstance(found, FunctionType):
        found = found()
    if _is_runtime(found):
        return found
    known = ", ".join(f"{module_name}:{name}" for name, value in vars(module).items() if _is_runtime(value))
    raise _refusal(_USAGE, f"{where!r} is no runtime. In this module: {known or 'none'}.")


def _import(name: str) -> ModuleType:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except Exception as exc:
        if isinstance(exc, ModuleNotFoundError) and exc.name and f"{name}.".startswith(f"{exc.name}."):
            advice = "APP is pkg.module:attribute, from the current directory."
            raise _refusal(_USAGE, f"There is no module {name!r} here. {advice}") from None
        traceback.print_exc()
        raise _refusal(_USAGE, f"The module {name!r} could not be imported; the traceback is above.") from None


def _is_runtime(value: object) -> TypeGuard[Flowli[Any]]:
    return isinstance(value, Flowli)


def _configure_logging(level: str, which: str) -> None:
    """``which`` stands in front of each message: a process among several."""
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise _refusal(_USAGE, f"There is no log level {level!r}. Levels: debug, info, warning, error.")
    handler: logging.Handler
    if sys.stderr.isatty():
        from rich.console import Console  # a tenth of a runner's start, and of no use to one whose log is a file
        from rich.logging import RichHandler

        handler = RichHandler(console=Console(stderr=True), show_path=False, markup=False)
        handler.setFormatter(logging.Formatter(f"{which}%(message)s"))
    else:
        handler = logging.StreamHandler()
        form = f"%(asctime)s %(levelname)-7s {which}%(message)s"
        handler.setFormatter(logging.Formatter(form, datefmt="%H:%M:%S"))
    logging.basicConfig(level=number, handlers=[handler])


def _refusal(status: int, message: str) -> typer.Exit:
    typer.echo(f"flowli: {message}", err=True)
    return typer.Exit(status)
