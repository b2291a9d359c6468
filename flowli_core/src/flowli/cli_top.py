"""``flowli top``: the queues of a store, again and again.

It knows counts and how they change. It refuses to act.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowli.cli_output import emit
from flowli.cli_target import App, Json, find_runtime, refuse, with_store
from flowli.driver import State
from flowli.durations import parse_span
from flowli.errors import FlowliError
from flowli.processes import USAGE
from flowli.runtime import Flowli

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["top"]

_STATES = tuple(str(state) for state in State)


def top(
    app: App = None,
    interval: Annotated[str, typer.Option(help="Between two looks.")] = "1s",
    once: Annotated[bool, typer.Option("--once", help="One look, for a pipe.")] = False,
    as_json: Json = False,
) -> None:
    """Queues, how old their heads are, how many jobs end a second, runners. Ctrl-C ends it."""
    flowli = find_runtime(app)
    try:
        pause = parse_span(interval, what="--interval").total_seconds()
    except FlowliError as exc:
        raise refuse(USAGE, str(exc)) from None
    if as_json:
        emit(with_store(flowli, lambda: _look(flowli)))
        return
    from rich.console import Console
    from rich.live import Live

    console = Console()
    if once or not console.is_terminal:
        console.print(_table(with_store(flowli, lambda: _look(flowli)), None, 0.0))
        return

    async def show() -> None:
        before, at = None, time.monotonic()
        with Live(console=console, auto_refresh=False, screen=True) as live:
            while True:
                now = await _look(flowli)
                live.update(_table(now, before, time.monotonic() - at), refresh=True)
                before, at = now, time.monotonic()
                await asyncio.sleep(pause)

    try:
        with_store(flowli, show)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


async def _look(flowli: Flowli[Any]) -> dict[str, Any]:
    queues, runners = await flowli.inspect.get_queues(), await flowli.inspect.get_runners()
    rows = [
        {
            "queue": one.name,
            **{state: getattr(one, state) for state in _STATES},
            "oldest_s": None if one.oldest_age is None else one.oldest_age.total_seconds(),
            "is_paused": one.is_paused,
        }
        for one in queues
    ]
    return {"queues": rows, "runners": len(runners)}


def _table(now: dict[str, Any], before: dict[str, Any] | None, passed_s: float) -> Table:
    from rich.table import Table

    shown = Table(title=f"{now['runners']} runner(s)", title_justify="left")
    shown.add_column("queue")
    for name in (*_STATES, "ended/s", "oldest"):
        shown.add_column(name, justify="right")
    ended = {row["queue"]: _ended(row) for row in before["queues"]} if before else {}
    for row in now["queues"]:
        rate = (_ended(row) - ended[row["queue"]]) / passed_s if row["queue"] in ended and passed_s > 0 else None
        shown.add_row(
            f"{row['queue']} (paused)" if row["is_paused"] else row["queue"],
            *(f"{row[state]:,}" for state in _STATES),
            "" if rate is None else f"{max(0.0, rate):,.0f}",
            "" if row["oldest_s"] is None else f"{row['oldest_s']:,.1f}s",
        )
    return shown


def _ended(row: dict[str, Any]) -> int:
    return sum(int(row[str(state)]) for state in State if state.is_terminal)
