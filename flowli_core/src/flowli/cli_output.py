"""How commands show what they found, on stdout: JSON for programs, tables for readers, without colour in a pipe.

It knows records and their form as JSON. It refuses to look anything up.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer
from pydantic_core import from_json, to_json

from flowli.records import Tally

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["as_plain", "emit", "emit_lines", "pairs", "progress_bar", "say", "table"]

_PAYLOADS = {"input_json": "input", "meta_json": "meta", "result_json": "result"}
_PIPED_WIDTH = 10_000
"""Columns are as wide as what they hold where nobody's screen bounds them."""


def as_plain(record: Any) -> dict[str, Any]:
    """A record as JSON says it: payloads as what they hold, under ``input``, ``meta`` and ``result``."""
    found: dict[str, Any] = asdict(record)
    return {_PAYLOADS.get(name, name): _opened(value) if name in _PAYLOADS else value for name, value in found.items()}


def _opened(value: bytes | None) -> Any:
    if value is None:
        return None
    try:
        return from_json(value)
    except ValueError:
        return value.decode("utf-8", "backslashreplace")


def emit(value: Any) -> None:
    """One JSON value on one line."""
    typer.echo(to_json(value, fallback=str))


def emit_lines(values: Iterable[Any]) -> None:
    """One JSON value on each line."""
    for value in values:
        emit(value)


def say(text: str) -> None:
    """Prose, on stderr: stdout is for data."""
    typer.echo(text, err=True)


@contextmanager
def progress_bar(doing: str, total: int | None) -> Generator[Callable[[Tally], None]]:
    """Shows how far an act on many jobs is, on stderr, where that is a screen; nothing is left of it at the end."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda tally: bar.update(task, completed=tally.asked)


# Rich is imported by what prints with it: a runner whose log is a file starts without.
def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Rows under their names."""
    from rich.table import Table

    shown = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        shown.add_row(*(_cell(value) for value in row))
    _console().print(shown)


def pairs(found: Mapping[str, Any]) -> None:
    """A record, a field on each line; what is not there is left out."""
    from rich.table import Table
    from rich.text import Text

    shown = Table.grid(padding=(0, 2))
    for name, value in found.items():
        if value not in (None, "", (), []):
            shown.add_row(Text(name, style="bold"), _cell(value))
    _console().print(shown)


def _cell(value: Any) -> Text:
    from rich.text import Text

    match value:
        case None:
            return Text("")
        case datetime():
            return Text(value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ"))
        case str():
            return Text(value, style=_STYLES.get(value, ""))
        case tuple() | list():
            return Text(", ".join(map(str, value)))  # pyright: ignore[reportUnknownArgumentType]
        case dict():
            return Text(to_json(value, fallback=str).decode())
        case _:
            return Text(str(value))


_STYLES = {"failed": "red", "completed": "green", "active": "cyan", "cancelled": "yellow", "FAIL": "red", "OK": "green"}
