"""The commands below ``flowli schedules``: list, show, preview, pause, resume, trigger, delete."""

from __future__ import annotations

from typing import Annotated

import typer

from flowli.cli_acts import By
from flowli.cli_output import as_plain, emit, emit_lines, pairs, say, table
from flowli.cli_target import NEGATIVE, App, AppOption, Json, find_runtime, refuse, with_store

__all__ = [
    "delete",
    "list_schedules",
    "pause",
    "preview",
    "resume",
    "schedules",
    "show",
    "trigger",
]

schedules: typer.Typer = typer.Typer(help="Look at and act on schedules.", no_args_is_help=True)

_Key = Annotated[str, typer.Argument(metavar="KEY", help="Of a schedule.")]


def _unknown(key: str) -> typer.Exit:
    return refuse(NEGATIVE, f"There is no schedule {key!r}.")


@schedules.command("list")
def list_schedules(
    app: App = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500)] = 100,
    cursor: Annotated[str | None, typer.Option(help="Where the last listing ended.")] = None,
    as_json: Json = False,
) -> None:
    """Schedules, by key."""
    flowli = find_runtime(app)
    page = with_store(flowli, lambda: flowli.inspect.get_schedules(limit=limit, cursor=cursor))
    if as_json:
        emit_lines(as_plain(one) for one in page)
    else:
        rows = (
            (one.key, one.name, one.when, one.tz, "paused" if one.is_paused else one.next_run_at, one.last_run_at)
            for one in page
        )
        table(("key", "job", "when", "tz", "next", "last"), rows)
    if page.cursor is not None:
        say(f"there are more: --cursor {page.cursor}")


@schedules.command()
def show(key: _Key, app: AppOption = None, as_json: Json = False) -> None:
    """One schedule with its payloads. Exit status 1 if there is none."""
    flowli = find_runtime(app)
    found = with_store(flowli, lambda: flowli.inspect.get_schedule(key))
    if found is None:
        raise _unknown(key)
    if as_json:
        emit(as_plain(found))
    else:
        pairs(as_plain(found))


@schedules.command()
def preview(
    key: _Key,
    app: AppOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500)] = 5,
    as_json: Json = False,
) -> None:
    """The next instants of a schedule."""
    flowli = find_runtime(app)
    instants = with_store(flowli, lambda: flowli.inspect.get_next_runs(key, limit=limit))
    if as_json:
        emit(instants)
        return
    for instant in instants:
        typer.echo(instant.isoformat())


@schedules.command()
def pause(key: _Key, app: AppOption = None, by: By = None) -> None:
    """Fire nothing of it until it is resumed. Exit status 1 if there is no such schedule."""
    flowli = find_runtime(app)
    if not with_store(flowli, lambda: flowli.control.pause(schedule=key, by=by)):
        raise _unknown(key)
    say(f"paused: {key}")


@schedules.command()
def resume(key: _Key, app: AppOption = None, by: By = None) -> None:
    """Fire it again from its next instant on. Exit status 1 if there is no such schedule."""
    flowli = find_runtime(app)
    if not with_store(flowli, lambda: flowli.control.resume(schedule=key, by=by)):
        raise _unknown(key)
    say(f"resumed: {key}")


@schedules.command()
def trigger(key: _Key, app: AppOption = None, by: By = None) -> None:
    """Make one job of it now; prints its id. Exit status 1 if there is no such schedule."""
    flowli = find_runtime(app)
    id = with_store(flowli, lambda: flowli.control.trigger(key, by=by))
    if id is None:
        raise _unknown(key)
    typer.echo(id)


@schedules.command()
def delete(
    key: _Key,
    app: AppOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    by: By = None,
) -> None:
    """Remove it; jobs that it made go on. Exit status 1 if there is no such schedule."""
    flowli = find_runtime(app)
    if not yes:
        typer.confirm(f"Delete schedule {key!r}?", abort=True, err=True)
    if not with_store(flowli, lambda: flowli.control.delete(schedule=key, by=by)):
        raise _unknown(key)
    say(f"deleted: {key}")
