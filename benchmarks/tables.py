"""The tables of the report: which figures stand in which column, and by which one the rows are ordered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.contestants import Kind
from benchmarks.figures import best, figure_of, kind_of, names_in
from benchmarks.measures.durability import LEVELS
from benchmarks.rounds import Raw

__all__ = ["TABLES", "Column", "Table", "markdown", "render"]


@dataclass(frozen=True, slots=True)
class Column:
    """``ratio`` adds how this stands to the best peer; ``also`` is a second measure whose figure is added to it."""

    title: str
    measure: str
    figure: str
    ratio: bool = False
    also: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """The first column orders the rows: the greatest first, or the least."""

    title: str
    columns: tuple[Column, ...]
    least: bool = False
    note: str = ""


_SIZES = ("1,000", "10,000", "100,000", "1,000,000")

_DURABILITY = tuple(
    Table(
        f"Enqueue by `durability=`, appendfsync {fsync}, with a replica: {title}, jobs/s",
        tuple(Column(level, "durability", f"{level}, {fsync}: {way} jobs/s") for level, on in LEVELS if on == fsync),
    )
    for fsync in ("everysec", "always")
    for way, title in (("one", "one by one"), ("concurrent", "100 concurrent"), ("bulk", "bulk of 100"))
)

TABLES: tuple[Table, ...] = (
    Table(
        "Enqueue, jobs/s, one producer process",
        (
            Column("one by one", "enqueue", "one jobs/s", ratio=True),
            Column("100 concurrent", "enqueue", "concurrent jobs/s", ratio=True),
            Column("bulk of 100", "enqueue", "bulk jobs/s", ratio=True),
            Column("CPU µs/job, one by one", "enqueue", "one cpu us"),
            Column("CPU µs/job, concurrent", "enqueue", "concurrent cpu us"),
            Column("CPU µs/job, bulk", "enqueue", "bulk cpu us"),
        ),
    ),
    Table(
        "Drain, tuned (no results), one worker process",
        (
            Column("jobs/s", "drain", "jobs/s", ratio=True),
            Column("worker CPU µs/job", "drain", "worker us"),
            Column("server CPU µs/job", "drain", "server us"),
            Column("jobs", "drain", "jobs"),
            Column("executions/job", "drain", "executions"),
        ),
    ),
    Table(
        "Drain, default settings (results kept), one worker process",
        (
            Column("jobs/s", "defaults", "jobs/s", ratio=True),
            Column("worker CPU µs/job", "defaults", "worker us"),
            Column("server CPU µs/job", "defaults", "server us"),
            Column("memory B left/job", "defaults", "left B"),
            Column("jobs", "defaults", "jobs"),
            Column("executions/job", "defaults", "executions"),
        ),
    ),
    Table(
        "Latency of an idle worker, ms, tuned, one job each 20 ms",
        (
            Column("p50", "idle", "p50 ms", ratio=True),
            Column("p90", "idle", "p90 ms"),
            Column("p99", "idle", "p99 ms"),
            Column("max", "idle", "max ms"),
        ),
        least=True,
    ),
    Table(
        "Jobs that sleep 0.1 s",
        (
            Column("total/ideal", "sleep", "total/ideal", ratio=True),
            Column("total s", "sleep", "total s"),
            Column("ideal s", "sleep", "ideal s"),
            Column("jobs", "sleep", "jobs"),
            Column("concurrency", "sleep", "concurrency"),
        ),
        least=True,
    ),
    Table(
        "What one job costs the server: enqueue one by one + tuned drain",
        (
            Column("server CPU µs, life", "enqueue", "one server us", ratio=True, also=("drain", "server us")),
            Column("commands, scripts' own too, life", "enqueue", "one commands", also=("drain", "commands")),
            Column("of it enqueue", "enqueue", "one commands"),
            Column("socket reads, life", "enqueue", "one reads", also=("drain", "reads")),
            Column("bytes on the wire, life", "enqueue", "one wire B", also=("drain", "wire B")),
            Column("memory B/pending", "drain", "pending B"),
            Column("memory B left/done", "drain", "left B"),
            Column("keys left", "drain", "left keys"),
        ),
        least=True,
    ),
    Table(
        "Start-up and idle",
        (
            Column("start to first job s", "drain", "start s", ratio=True),
            Column("import s", "enqueue", "import s"),
            Column("RSS MB", "idle", "rss MB"),
            Column("processes", "idle", "processes"),
            Column("idle commands/s", "idle", "idle commands/s"),
            Column("idle CPU %", "idle", "idle cpu %"),
            Column("idle server CPU %", "idle", "idle server cpu %"),
        ),
        least=True,
    ),
    Table(
        "Worker processes on one queue, jobs/s",
        tuple(Column(f"{number}", "runners", f"{number} jobs/s") for number in (1, 2, 4)),
    ),
    *(
        Table(
            f"Backlog: {title}",
            tuple(Column(f"{size} waiting", "backlog", f"{size} {figure}") for size in _SIZES),
            least=least,
        )
        for title, figure, least in (
            ("enqueue in bulk on top of it, jobs/s", "enqueue", False),
            ("drain, jobs/s", "drain", False),
            ("server CPU µs/job, drain", "server us", True),
            ("longest command while draining, ms", "longest ms", True),
        )
    ),
    Table(
        "Delayed jobs that are due in the same millisecond",
        (
            Column("longest command, ms", "due", "longest ms"),
            Column("jobs", "due", "jobs"),
            Column("delay, 100 concurrent, jobs/s", "due", "delay jobs/s"),
            Column("first after s", "due", "first after s"),
            Column("last after s", "due", "last after s"),
            Column("jobs/s", "due", "jobs/s"),
        ),
        least=True,
    ),
    Table(
        "50 runners in 2 processes, all cut off as the jobs are due",
        (
            Column("longest command, ms", "reconnect", "longest ms"),
            Column("jobs", "reconnect", "jobs"),
            Column("executions/job", "reconnect", "executions"),
            Column("first after s", "reconnect", "first after s"),
            Column("last after s", "reconnect", "last after s"),
            Column("jobs/s", "reconnect", "jobs/s"),
        ),
        least=True,
    ),
    Table(
        "Schedules, 10,000 of them",
        (
            Column("fires/s, due each second", "schedules", "fires/s"),
            Column("of what was due", "schedules", "of demand"),
            Column("longest command, ms", "schedules", "longest ms"),
            Column("stored/s", "schedules", "put/s"),
            Column("memory B", "schedules", "memory B"),
            Column("idle commands/s", "schedules", "idle commands/s"),
            Column("idle CPU %", "schedules", "idle cpu %"),
            Column("idle server CPU %", "schedules", "idle server cpu %"),
        ),
    ),
    Table(
        "Limits: 1,000 keys of which each may have one job at once, beside none",
        tuple(
            Column(figure, "limits", figure)
            for settings in ("tuned", "defaults")
            for figure in (
                f"{settings}: jobs/s",
                f"{settings}, limited: jobs/s",
                f"{settings}: kept",
                f"{settings}: server us",
                f"{settings}, limited: server us",
            )
        ),
    ),
    *_DURABILITY,
)


def render(raw: Raw, table: Table) -> list[str]:
    """Its lines in Markdown; none where nothing of it was measured."""
    first = table.columns[0]
    sized = {name: _value(raw, first, name) for name in names_in(raw, first.measure)}
    measured = [name for name, value in sized.items() if value is not None]
    if not measured:
        return []
    measured.sort(key=lambda name: (kind_of(name) is Kind.BARE, (sized[name] or 0) * (1 if table.least else -1)))
    rows = [[name, *(_cell(raw, table, column, name) for column in table.columns)] for name in measured]
    lines = markdown(["", *(column.title for column in table.columns)], rows)
    return [f"### {table.title}", "", *([table.note, ""] if table.note else []), *lines, ""]


def markdown(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table."""
    return [f"| {' | '.join(row)} |" for row in (titles, ["---"] * len(titles), *rows)]


def _value(raw: Raw, column: Column, name: str) -> float | None:
    found = figure_of(raw, column.measure, name, column.figure)
    more = figure_of(raw, *_place(column, name)) if column.also else None
    if found is None or (column.also and more is None):
        return None
    return found.median + (more.median if more else 0)


def _place(column: Column, name: str) -> tuple[str, str, str]:
    assert column.also is not None
    return column.also[0], name, column.also[1]


def _cell(raw: Raw, table: Table, column: Column, name: str) -> str:
    found = figure_of(raw, column.measure, name, column.figure)
    if found is None:
        return "-"
    if column.also:
        more = figure_of(raw, *_place(column, name))
        if more is None:
            return "-"
        found = found._replace(median=found.median + more.median, low=found.low + more.low, high=found.high + more.high)
    leader = best(raw, column.measure, column.figure, least=table.least) if column.ratio and not column.also else None
    return f"{found} {found.median / leader[1]:.2f}x" if leader else str(found)
