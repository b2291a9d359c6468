"""The commands that act: enqueue, retry, cancel, delete, and what is done to schedules.

They go through `flowli.control`, so each is on record. What is done to many jobs is counted and asked about first.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError

from flowli.cli_output import emit, progress_bar, say
from flowli.cli_reads import ErrorOption, JobOption, QueueOption, TagOption, filter_of
from flowli.cli_target import NEGATIVE, AppOption, Json, find_runtime, refuse, with_store
from flowli.desk import Many
from flowli.filters import JobFilter
from flowli.job import Job
from flowli.processes import USAGE
from flowli.records import Tally
from flowli.runtime import Flowli
from flowli.schema import issues_of
from flowli.schema import refuse as refusal_of

__all__ = [
    "By",
    "Ids",
    "State",
    "Yes",
    "cancel",
    "delete",
    "enqueue",
    "retry",
]

_MOST_COUNTED = 10_000

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Of jobs; without any, options choose.")]
State = Annotated[str | None, typer.Option("--state", "-s", help="Chooses all jobs of this state.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
By = Annotated[str | None, typer.Option("--by", envvar="FLOWLI_BY", help="Who acts; this user, if not given.")]


def _parsed(job: Job[Any, Any, Any, Any], what: str, adapter: TypeAdapter[Any], text: str) -> Any:
    try:
        return adapter.validator.validate_json(text)
    except PydanticError as exc:
        issues = issues_of(exc, what, adapter=adapter)
        raise refuse(USAGE, str(refusal_of(job.name, what, issues))) from None


def _job(flowli: Flowli[Any], name: str) -> Job[Any, Any, Any, Any]:
    found = flowli.jobs.get(name)
    if found is None:
        known = ", ".join(sorted(flowli.jobs)) or "none"
        raise refuse(USAGE, f"There is no job {name!r}. Jobs: {known}.")
    return found


def _read(text: str | None) -> str:
    return sys.stdin.read() if text == "-" else "null" if text is None else text


def enqueue(
    name: Annotated[str, typer.Argument(metavar="JOB", help="The name of a job.")],
    input: Annotated[str | None, typer.Argument(metavar="[JSON]", help="Its input; - reads stdin.")] = None,
    app: AppOption = None,
    meta: Annotated[str | None, typer.Option(help="Its meta, as JSON.")] = None,
    delay: Annotated[str | None, typer.Option(help="How long it waits, such as 10m.")] = None,
    id: Annotated[str | None, typer.Option(help="Enqueued again with the same one, it is stored once.")] = None,
    queue: QueueOption = None,
    as_json: Json = False,
) -> None:
    """Store a job, validated by its definition; prints its id."""
    flowli = find_runtime(app)
    job = _job(flowli, name)
    data = _parsed(job, "input", job.input_adapter, _read(input))
    checked = None if job.meta_adapter is None else _parsed(job, "meta", job.meta_adapter, _read(meta))
    if job.meta_adapter is None and meta is not None:
        raise refuse(USAGE, f"Job {name!r} takes no meta.")
    given: dict[str, Any] = {key: value for key, value in (("id", id), ("queue", queue)) if value is not None}
    bound: Any = flowli.use(job)

    async def store() -> Any:
        if delay is None:
            return await bound.enqueue(data, meta=checked, **given)
        return await bound.delay(delay, data, meta=checked, **given)

    handle = with_store(flowli, store)
    if as_json:
        emit({"id": handle.id, "name": name, "state": handle.state, "deduplicated": handle.deduplicated})
    else:
        typer.echo(handle.id)


def retry(
    ids: Ids = None,
    app: AppOption = None,
    state: State = None,
    job: JobOption = None,
    queue: QueueOption = None,
    error: ErrorOption = None,
    tag: TagOption = None,
    input: Annotated[str | None, typer.Option(help="A new input for one job, as JSON; - reads stdin.")] = None,
    rate: Annotated[str | None, typer.Option(help="So many in a span, such as 10/s.")] = None,
    yes: Yes = False,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Have failed, cancelled or completed jobs run once more. Exit status 1 if one could not."""
    flowli = find_runtime(app)
    which = _which(ids, state or ("failed" if job or queue or error or tag else None), job, queue, error, tag)
    if input is not None and (isinstance(which, JobFilter) or len(which) != 1):
        raise refuse(USAGE, "--input is for one job.")

    number = _confirmed(flowli, which, "Retry", yes=yes)
    with progress_bar("retrying", number) as told:

        async def act() -> Tally:
            new = None if input is None else await _new_input(flowli, ids, input)
            return await flowli.control.replay(which, new, rate=rate, by=by, on_progress=told)

        tally = with_store(flowli, act)
    _answer(tally, "retried", as_json=as_json)


async def _new_input(flowli: Flowli[Any], ids: list[str] | None, text: str) -> Any:
    record = await flowli.inspect.get_job((ids or [""])[0])
    if record is None:
        raise refuse(NEGATIVE, "There is no record of this job.")
    job = _job(flowli, record.name)
    return _parsed(job, "input", job.input_adapter, _read(text))


def cancel(
    ids: Ids = None,
    app: AppOption = None,
    state: State = None,
    job: JobOption = None,
    queue: QueueOption = None,
    error: ErrorOption = None,
    tag: TagOption = None,
    yes: Yes = False,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Cancel jobs that wait, and ask those that run to stop. Exit status 1 if one was over, or unknown."""
    flowli = find_runtime(app)
    which = _which(ids, state, job, queue, error, tag)
    number = _confirmed(flowli, which, "Cancel", yes=yes)
    with progress_bar("cancelling", number) as told:
        tally = with_store(flowli, lambda: flowli.control.cancel(which, by=by, on_progress=told))
    _answer(tally, "cancelled", as_json=as_json)


def delete(
    ids: Ids = None,
    app: AppOption = None,
    state: State = None,
    job: JobOption = None,
    queue: QueueOption = None,
    error: ErrorOption = None,
    tag: TagOption = None,
    yes: Yes = False,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Remove jobs that wait or have ended, with all that is kept of them. Exit status 1 if one runs, or is unknown."""
    flowli = find_runtime(app)
    which = _which(ids, state, job, queue, error, tag)
    number = _confirmed(flowli, which, "Delete", yes=yes)
    with progress_bar("deleting", number) as told:
        tally = with_store(flowli, lambda: flowli.control.delete(which, by=by, on_progress=told))
    _answer(tally, "deleted", as_json=as_json)


def _which(ids: list[str] | None, state: str | None, *chosen: str | None) -> Many:
    """Ids, or a filter; one of both has to be there."""
    if ids and (state or any(chosen)):
        raise refuse(USAGE, "Pass ids, or options that choose jobs, not both.")
    if ids:
        return list(ids)
    if state is None:
        raise refuse(USAGE, "Which jobs? Pass ids, or --state and what else they have in common.")
    return filter_of(state, *chosen)


def _confirmed(flowli: Flowli[Any], which: Many, verb: str, *, yes: bool) -> int | None:
    """How many are meant, as far as that is known, if it was said or is answered that all are. Aborts otherwise."""
    if not isinstance(which, JobFilter):
        return len(which)
    if yes:
        return None
    number = with_store(flowli, lambda: _count(flowli, which))
    shown = f"{number} or more" if number >= _MOST_COUNTED else str(number)
    typer.confirm(f"{verb} {shown} job(s) with {which}?", abort=True, err=True)
    return number if number < _MOST_COUNTED else None


async def _count(flowli: Flowli[Any], where: JobFilter) -> int:
    number, cursor = 0, None
    while number < _MOST_COUNTED:
        page = await flowli.inspect.find_jobs(where, limit=500, cursor=cursor)
        number, cursor = number + len(page), page.cursor
        if cursor is None:
            break
    return number


def _answer(tally: Tally, done: str, *, as_json: bool) -> None:
    if as_json:
        emit({"asked": tally.asked, "done": tally.done, "not_done": tally.not_done})
    else:
        say(f"{tally.done} of {tally.asked} job(s) {done}")
        for id in tally.not_done:
            say(f"not {done}: {id}")
    if tally.not_done:
        raise typer.Exit(NEGATIVE)
