"""What nine Python peers did under eleven faults, and ours beside it.

The peers' figures are theirs, not this run's: probes of their newest releases of November 2026 on redis-server 7.0.15
with AOF always, one run for each cell, leases tuned down to a few seconds where the peer allows it. Read them as
behaviour, not as a ranking. Ours are measured by the run that prints the table, with a lease of 1 s.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO

from rich.console import Console
from rich.table import Table

__all__ = ["PEERS", "ROWS", "table"]

PEERS = ("arq", "SAQ", "RQ", "Celery", "Huey", "Dramatiq", "taskiq-redis", "streaQ", "docket")

ROWS: Mapping[str, tuple[str, ...]] = {
    "kill -9 mid-job, new runner at once": (
        "done after 17 s",
        "13 s",
        "not in 100 s",
        "103 s",
        "lost",
        "7 s",
        "never while idle",
        "5 s",
        "5 s",
    ),
    "SIGTERM, 3-s job running": (
        "cancels, reruns",
        "cancels, reruns",
        "drains",
        "drains",
        "lost",
        "drains",
        "job ends, process stays",
        "cancels, reruns",
        "drains",
    ),
    "server kill -9, 4 s down": (
        "exits",
        "ok",
        "ok, 5 s",
        "exits",
        "ok",
        "ok",
        "ok, job restarted",
        "exits",
        "ok, 4 s, job restarted",
    ),
    "CLIENT KILL": ("ok", "ok", "ok", "ok", "ok", "ok", "1 of 3 twice", "ok", "3 of 3 twice"),
    "SCRIPT FLUSH": ("ok",) * 9,
    "SIGSTOP, other runner alive": (
        "taken over, 18 s",
        "not in 25 s, 3 runs",
        "not in 25 s, 2 starts",
        "not in 25 s",
        "not in 25 s",
        "8 s",
        "not in 25 s",
        "8 s",
        "6 s",
    ),
    "event loop blocked": (
        "1 run (lease 15 s)",
        "not comparable",
        "not comparable",
        "1 (process pool)",
        "1 (thread)",
        "1 (thread)",
        "2 runs",
        "2 runs",
        "2 runs",
    ),
    "one corrupt record in the queue": (
        "ok",
        "ok",
        "ok",
        "exits",
        "ok",
        "queue stuck 25 s",
        "ok",
        "ok",
        "exits",
    ),
    "job unknown to the old runner, then a new one": (
        "not run",
        "not run",
        "not run, failed list",
        "not run",
        "not run",
        "not run, dead letter",
        "not run",
        "not run",
        "not run",
    ),
    "maxmemory with 40 jobs queued": (
        "exits",
        "idles, recovers",
        "exits",
        "exits",
        "runs all 40",
        "idles, recovers",
        "0 of 40 done",
        "exits",
        "idles, recovers",
    ),
    "200 jobs done: what stays for good, per job": (
        "-",
        "-",
        "finished registry",
        "-",
        "results hash",
        "-",
        "stream",
        "results index",
        "-",
    ),
}
"""Fault: what each of `PEERS` did."""


def table(ours: Mapping[str, str]) -> str:
    """As text. A row that this run did not measure says so."""
    made = Table(show_lines=True, title="peers: their figures of November 2026; Flowli: this run, lease 1 s")
    made.add_column("fault", max_width=18)
    made.add_column("Flowli", max_width=18, style="bold")
    for peer in PEERS:
        made.add_column(peer, max_width=13)
    for row, theirs in ROWS.items():
        made.add_row(row, ours.get(row, "not in this run"), *theirs)
    said = StringIO()
    Console(file=said, width=180, no_color=True).print(made)
    return said.getvalue()
