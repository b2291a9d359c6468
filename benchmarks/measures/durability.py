"""What `durability=` costs a caller: enqueueing on a primary with an append-only file and a replica, at each level."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.contestants import Contestant
from benchmarks.lab import Lab
from benchmarks.ledger import Ledger
from benchmarks.processes import ProducerProcess, environment
from benchmarks.servers import Server

__all__ = ["LEVELS", "measure"]

LEVELS = (
    ("server", "everysec"),
    ("server", "always"),
    ("fsync", "everysec"),
    ("fsync", "always"),
    ("replica", "everysec"),
    ("replica_fsync", "always"),
)
"""Each level with the ``appendfsync`` that it is measured under, of the primary and of the replica."""

_SECONDS = 2.0
_MOST = 100_000


def _wait_for(replica: Server) -> None:
    deadline = time.monotonic() + 60
    while not replica.is_linked:
        if time.monotonic() > deadline:
            raise RuntimeError("the replica did not get what its primary has within a minute")
        time.sleep(0.05)


def measure(lab: Lab, contestant: Contestant) -> dict[str, float]:
    figures: dict[str, float] = {}
    for level, fsync in LEVELS:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="flowli-bench-"))
            kept = ("--appendonly", "yes", "--appendfsync", fsync)
            primary = stack.enter_context(Server(lab.binary, *kept, "--repl-diskless-sync-delay", "0"))
            if "fsync" in level and primary.product.startswith("redis 7.0"):
                continue  # it has no WAITAOF
            replica = stack.enter_context(Server(lab.binary, *kept, "--replicaof", f"127.0.0.1 {primary.port}"))
            _wait_for(replica)
            env = environment(contestant, primary.url, Ledger.make(Path(folder) / "ledger", 1).path, "tuned")
            producer = stack.enter_context(ProducerProcess(contestant, {**env, "BENCH_DURABILITY": level}))
            for place, way in enumerate(("one", "concurrent", "bulk")):
                told = producer.ask(way, first=place * _MOST, limit=_MOST, seconds=lab.seconds(_SECONDS))
                figures[f"{level}, {fsync}: {way} jobs/s"] = told["count"] / told["seconds"]
    return figures
