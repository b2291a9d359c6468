"""How `flowli doctor` shows what was found: one JSON object, or lines for a reader. It refuses to look and to judge."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flowli.doctor import Checkup
from flowli.driver import Severity

__all__ = ["as_json", "show"]

_FACTS = ("product", "version", "maxmemory_policy", "aof", "rdb_saves", "clock_offset_ms", "records", "schedules")
_COUNTS = ("queued", "scheduled", "active", "completed", "failed", "cancelled")


def as_json(found: Checkup, *, healthy: bool) -> str:
    """Everything that was found, on one line."""
    plain = {
        "healthy": healthy,
        "store": found.store,
        "findings": [one._asdict() for one in found.findings],
        "facts": dict(found.facts),
        "queues": {name: dict(counts) for name, counts in found.queues.items()},
        "runners": [asdict(runner) for runner in found.runners],
    }
    return json.dumps(plain, default=str)


def show(found: Checkup, *, healthy: bool) -> None:
    """Print it for a reader, on stdout."""
    console = Console(soft_wrap=True, highlight=False)
    console.print(escape(found.store), style="bold")
    console.print(escape(", ".join(f"{name} {found.facts[name]}" for name in _FACTS if name in found.facts)))
    table = Table("queue", *_COUNTS, "oldest", box=None)
    for name, counts in found.queues.items():
        oldest = counts["oldest_ms"]
        table.add_row(escape(name), *(str(counts[one]) for one in _COUNTS), "" if oldest is None else f"{oldest} ms")
    console.print(table)
    console.print(f"{len(found.runners)} live runner(s)")
    for one in found.findings:
        style = "red" if one.severity is Severity.ERROR else "yellow"
        console.print(escape(f"{one.severity} {one.code} {one.subject}: {one.message}"), style=style)
    console.print("healthy" if healthy else "not healthy", style="green" if healthy else "red")
