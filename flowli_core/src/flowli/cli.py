"""The command line: its commands under one name, and the two that began it, ``flowli runner`` and ``flowli doctor``.

It configures logging and turns outcomes into exit statuses (`flowli.cli_target`). It refuses to know what a runner
does, and what makes a store healthy.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine, Mapping
from typing import Annotated, Any

import typer

from flowli import cli_acts, cli_dev, cli_reads, cli_schedules, cli_top
from flowli.cli_target import NEGATIVE, App, find_runtime, refuse, settings
from flowli.doctor import checkup
from flowli.durations import parse_span
from flowli.errors import DriverError, DriverUnavailable, FlowliError
from flowli.processes import ABANDONED, UNREACHABLE, USAGE, Processes, end_with_parent, own_number
from flowli.runner import Runner
from flowli.runtime import Flowli

__all__ = ["app", "configure", "doctor", "runner"]

_UNHEALTHY, _USAGE, _UNREACHABLE, _ABANDONED = NEGATIVE, USAGE, UNREACHABLE, ABANDONED

app: typer.Typer = typer.Typer(
    name="flowli",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"auto_envvar_prefix": "FLOWLI"},
)


@app.callback()
def configure(context: typer.Context) -> None:
    """Typed jobs: run what was enqueued, and look after the store."""
    context.default_map = settings()


app.command()(cli_reads.jobs)
app.command()(cli_reads.counts)
app.command("list")(cli_reads.list_jobs)
app.command()(cli_reads.show)
app.command()(cli_reads.explain)
app.command()(cli_acts.enqueue)
app.command()(cli_acts.retry)
app.command()(cli_acts.cancel)
app.command()(cli_acts.delete)
app.command()(cli_reads.acts)
app.add_typer(cli_schedules.schedules, name="schedules")
app.command()(cli_reads.check)
app.command()(cli_reads.health)
app.command("version")(cli_reads.versions)
app.command()(cli_dev.dev)
app.command()(cli_top.top)


@app.command()
def runner(
    where: App = None,
    concurrency: Annotated[int, typer.Option("--concurrency", "-c", min=1, help="Handlers in flight.")] = 100,
    queues: Annotated[
        str | None, typer.Option(help="Names, comma-separated, served in this order; all if not given.")
    ] = None,
    lease: Annotated[str, typer.Option(help="How long a job stays with a runner that is not heard of.")] = "30s",
    poll_interval: Annotated[str, typer.Option(help="How late due work may be found if a wake-up is lost.")] = "1s",
    grace: Annotated[str, typer.Option(help="How long running handlers may go on after a signal.")] = "30s",
    processes: Annotated[int, typer.Option("--processes", "-p", min=1, help="Runners, each a process.")] = 1,
    burst: Annotated[bool, typer.Option("--burst", "-b", help="Execute what is due, then end.")] = False,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Serve metrics for Prometheus there, on 127.0.0.1.")
    ] = None,
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
        raise refuse(
            _USAGE, f"{core.name} has no driver, so there is nothing to run. Pass driver= to {core.name}(...)."
        )
    if core.process_local:
        raise refuse(
            _USAGE,
            f"{core.name} keeps its jobs in this process ({core.driver_name}): a runner in another process would never "
            f"see one. Use RedisDriver, or Runner(...) inside the process that enqueues.",
        )
    names = None if queues is None else [name.strip() for name in queues.split(",") if name.strip()]
    try:
        worker = Runner(flowli, concurrency=concurrency, lease=lease, poll_interval=poll_interval, queues=names)
        if processes > 1:
            _refuse_alone(burst=burst, metrics=metrics_port is not None)
            options = {"--concurrency": concurrency, "--queues": queues, "--lease": lease, "--grace": grace}
            options |= {"--poll-interval": poll_interval, "--log-level": log_level}
            raise typer.Exit(_run_processes(where, options, processes, grace))
        if metrics_port is not None:
            _serve_metrics(flowli, metrics_port)
        _run(_burst(worker) if burst else _work(worker, grace))
    except DriverError as exc:
        raise refuse(_UNREACHABLE, str(exc)) from None
    except FlowliError as exc:
        raise refuse(_USAGE, str(exc)) from None


def _refuse_alone(*, burst: bool, metrics: bool) -> None:
    """What one process does alone."""
    if burst or metrics:
        what = "--burst" if burst else "--metrics-port"
        raise refuse(_USAGE, f"{what} is for one process: leave out --processes, or start several runners.")


def _serve_metrics(flowli: Flowli[Any], port: int) -> None:
    try:
        from prometheus_client import REGISTRY, start_http_server

        from flowli.prometheus import QueueCollector, instrument
    except ImportError:
        raise refuse(_USAGE, '--metrics-port needs: pip install "flowli[prometheus]".') from None
    instrument()
    REGISTRY.register(QueueCollector(flowli))
    server, _ = start_http_server(port, "127.0.0.1")
    logging.getLogger("flowli.runner").info("metrics at http://127.0.0.1:%d/metrics", server.server_port)


async def _burst(worker: Runner) -> None:
    done = await worker.run_until_idle()
    logging.getLogger("flowli.runner").info("nothing is due; %d attempt(s) made", done)


def _run_processes(where: str | None, options: Mapping[str, object], count: int, grace: str) -> int:
    """As many processes of the same command; the parent has looked at the runtime, and needs it no more."""
    command = [sys.executable, "-m", "flowli", "runner", *([where] if where else [])]
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
    where: App = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="A warning is not healthy either.")] = False,
) -> None:
    """Look for what is wrong in the store, and change nothing. Exit status 1 if it is not healthy."""
    from flowli import cli_doctor

    flowli = find_runtime(where)
    if flowli.__flowli__.hub is None:
        raise refuse(_USAGE, f"{flowli.__flowli__.name} has no driver, so there is no store to look at.")
    try:
        found = asyncio.run(checkup(flowli))
    except DriverUnavailable as exc:
        raise refuse(_UNREACHABLE, str(exc)) from None
    except DriverError as exc:  # a store that is refused was reached
        raise refuse(_UNHEALTHY, str(exc)) from None
    healthy = found.healthy and not (strict and found.findings)
    if as_json:
        typer.echo(cli_doctor.as_json(found, healthy=healthy))
    else:
        cli_doctor.show(found, healthy=healthy)
    if not healthy:
        raise typer.Exit(_UNHEALTHY)


def _configure_logging(level: str, which: str) -> None:
    """``which`` stands in front of each message: a process among several."""
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise refuse(_USAGE, f"There is no log level {level!r}. Levels: debug, info, warning, error.")
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
    logging.getLogger("asyncio").setLevel(max(number, logging.INFO))  # its debugging is nobody's who runs jobs
