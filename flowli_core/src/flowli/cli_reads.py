"""The commands that look: jobs, counts, list, show, explain, acts, check, health, version. None changes anything."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

from flowli.cli_output import as_plain, emit, emit_lines, pairs, say, table
from flowli.cli_target import NEGATIVE, App, AppOption, Json, find_runtime, refuse, with_store
from flowli.errors import FlowliError
from flowli.filters import JobFilter
from flowli.job import Job
from flowli.processes import USAGE
from flowli.records import JobRecord
from flowli.runtime import Flowli

__all__ = [
    "ErrorOption",
    "JobOption",
    "QueueOption",
    "StateOption",
    "TagOption",
    "acts",
    "check",
    "counts",
    "explain",
    "filter_of",
    "health",
    "jobs",
    "list_jobs",
    "show",
    "versions",
]

_DISTRIBUTIONS = ("core", "memory", "redis", "glide", "conformance")
_STATES = ("scheduled", "queued", "active", "completed", "failed", "cancelled")

StateOption = Annotated[str, typer.Option("--state", "-s", help=f"One of {', '.join(_STATES)}.")]
JobOption = Annotated[str | None, typer.Option("--job", "-j", help="The name of a job.")]
QueueOption = Annotated[str | None, typer.Option("--queue", "-q", help="The name of a queue.")]
ErrorOption = Annotated[str | None, typer.Option("--error", "-e", help="The class of the last failure.")]
TagOption = Annotated[str | None, typer.Option("--tag", "-t", help="A tag of the job's definition.")]


def filter_of(state: str, job: str | None, queue: str | None, error: str | None, tag: str | None) -> JobFilter:
    """What the options of `flowli list` and of bulk acts mean."""
    try:
        return JobFilter(state=state, job=job, queue=queue, error=error, tag=tag)
    except FlowliError as exc:
        raise refuse(USAGE, str(exc)) from None


def jobs(app: App = None, as_json: Json = False) -> None:
    """The jobs of a runtime: names, options and what they take."""
    flowli = find_runtime(app)
    found = [_described(flowli, job) for _, job in sorted(flowli.jobs.items())]
    if as_json:
        emit_lines(found)
    else:
        names = ("name", "queue", "priority", "max_attempts", "timeout_ms", "tags", "description")
        table(names, ([_first_line(job[name]) for name in names] for job in found))


def _first_line(value: Any) -> Any:
    return value.partition("\n")[0] if isinstance(value, str) else value


def _described(flowli: Flowli[Any], job: Job[Any, Any, Any, Any]) -> dict[str, Any]:
    options = flowli.__flowli__.plan(job).options
    return {
        "name": job.name,
        "description": job.description,
        "tags": job.tags,
        "queue": options.queue,
        "priority": options.priority,
        "max_attempts": options.max_attempts,
        "timeout_ms": options.timeout,
        "heartbeat_ms": options.heartbeat,
        "is_async": job.is_async,
        "takes_ctx": job.takes_ctx,
        "input_schema": job.input_adapter.json_schema() if job.takes_input else None,
        "meta_schema": None if job.meta_adapter is None else job.meta_adapter.json_schema(),
    }


def counts(app: App = None, as_json: Json = False) -> None:
    """How many jobs stand in each state, by queue, and how long the first of each has been ready."""
    flowli = find_runtime(app)

    async def look() -> Any:
        driver = await flowli.__flowli__.driver("counts")
        return await driver.overview(None)

    view = with_store(flowli, look)
    rows = [
        {
            "queue": name,
            **{state: getattr(one, state) for state in _STATES},
            "oldest_ms": max(0, view.now - one.oldest_ready) if one.oldest_ready else None,
        }
        for name, one in sorted(view.queues.items())
    ]
    if as_json:
        emit({"queues": rows, "schedules": view.schedules, "runners": len(view.runners)})
        return
    table(("queue", *_STATES, "oldest_ms"), (tuple(row.values()) for row in rows))
    say(f"{view.schedules} schedule(s), {len(view.runners)} live runner(s)")


def list_jobs(
    app: App = None,
    state: StateOption = "failed",
    job: JobOption = None,
    queue: QueueOption = None,
    error: ErrorOption = None,
    tag: TagOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500)] = 25,
    cursor: Annotated[str | None, typer.Option(help="Where the last listing ended.")] = None,
    as_json: Json = False,
) -> None:
    """Jobs of one state, without their payloads."""
    flowli, where = find_runtime(app), filter_of(state, job, queue, error, tag)
    page = with_store(flowli, lambda: flowli.inspect.find_jobs(where, limit=limit, cursor=cursor))
    if as_json:
        emit_lines(as_plain(record) for record in page)
    else:
        columns = ("id", "name", "queue", "state", "attempts", "at", "error")
        table(columns, (_line(record) for record in page))
    if page.cursor is not None:
        say(f"there are more: --cursor {page.cursor}")


def _line(record: JobRecord) -> tuple[Any, ...]:
    error = None if record.error is None else f"{record.error.type}: {_first_line(record.error.message)}"
    at = record.finished_at or record.started_at or record.scheduled_for or record.created_at
    return (record.id, record.name, record.queue, record.state.value, record.attempts_made, at, error)


def show(id: Annotated[str, typer.Argument(help="Of a job.")], app: AppOption = None, as_json: Json = False) -> None:
    """One job with its payloads. Exit status 1 if there is none."""
    flowli = find_runtime(app)
    record = with_store(flowli, lambda: flowli.inspect.get_job(id))
    if record is None:
        raise refuse(NEGATIVE, f"There is no record of job {id!r}: its retention has passed, or it never was.")
    plain = as_plain(record)
    if as_json:
        emit(plain)
        return
    error = record.error
    pairs(plain | {"error": None if error is None else f"{error.type}: {error.message}"})
    if error is not None and error.traceback:
        typer.echo(error.traceback.rstrip())


def explain(id: Annotated[str, typer.Argument(help="Of a job.")], app: AppOption = None, as_json: Json = False) -> None:
    """Why a job is not running, a line for each reason. Exit status 1 if there is no such job."""
    flowli = find_runtime(app)
    found = with_store(flowli, lambda: flowli.inspect.explain(id))
    if found.state is None:
        raise refuse(NEGATIVE, str(found))
    if as_json:
        emit(as_plain(found))
    else:
        typer.echo(str(found))


def acts(
    app: App = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500)] = 25,
    as_json: Json = False,
) -> None:
    """What operators did, the latest first."""
    flowli = find_runtime(app)
    page = with_store(flowli, lambda: flowli.inspect.get_acts(limit=limit))
    if as_json:
        emit_lines(as_plain(act) for act in page)
        return
    rows = ((act.at, act.by, act.deed, act.where or act.schedule or act.ids, act.done, act.asked) for act in page)
    table(("at", "by", "deed", "on", "done", "asked"), rows)


def check(app: App = None, as_json: Json = False) -> None:
    """Whether this runtime could work: definitions, schedules, store. Exit status 1 if anything fails."""
    flowli = find_runtime(app)
    found = [*_checked_jobs(flowli), _checked_store(flowli)]
    if as_json:
        emit({"ok": all(one["ok"] for one in found), "checks": found})
    else:
        table(("", "what", "why"), (("OK" if one["ok"] else "FAIL", one["what"], one["why"]) for one in found))
    if not all(one["ok"] for one in found):
        raise typer.Exit(NEGATIVE)


def _checked_jobs(flowli: Flowli[Any]) -> Iterator[dict[str, Any]]:
    for name, job in sorted(flowli.jobs.items()):
        why = None
        try:
            _ = job.input_adapter, job.meta_adapter, job.result_adapter
        except FlowliError as exc:
            why = str(exc)
        yield {"what": f"job {name}", "ok": why is None, "why": why}


def _checked_store(flowli: Flowli[Any]) -> dict[str, Any]:
    core = flowli.__flowli__
    if core.hub is None:
        return {"what": "store", "ok": True, "why": "there is none: run() works, nothing can be persisted"}
    if core.process_local:
        return {"what": f"store {core.driver_name}", "ok": True, "why": "jobs live and end with the process"}
    try:
        with_store(flowli, lambda: flowli.inspect.get_queue_counts())
    except typer.Exit:  # why has been said on stderr
        return {"what": f"store {core.driver_name}", "ok": False, "why": "it cannot be used"}
    return {"what": f"store {core.driver_name}", "ok": True, "why": None}


def health(
    app: App = None,
    needs_runner: Annotated[bool, typer.Option("--runner", help="A live runner is needed, too.")] = False,
) -> None:
    """For probes: exit status 0 if the store answers, 3 if not. Nothing is printed on stdout."""
    flowli = find_runtime(app)
    runners = with_store(flowli, lambda: flowli.inspect.get_runners())
    if needs_runner and not runners:
        raise refuse(NEGATIVE, "No runner is alive.")


def versions(as_json: Json = False) -> None:
    """The versions of what is installed of Flowli."""
    found: dict[str, str] = {}
    for name in (f"flowli-{part}" for part in _DISTRIBUTIONS):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    if as_json:
        emit(found)
    else:
        table(("distribution", "version"), found.items())
