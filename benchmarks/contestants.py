"""What a contestant is: its adapter, its environment, the commands of its worker, its counts and settings.

It refuses to know who they are (`benchmarks.lineup`) and how anything is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Contestant", "Kind"]


class Kind(StrEnum):
    OURS = "flowli"
    BARE = "bare"
    PYTHON = "python"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class Contestant:
    """``worker`` is a command line: ``{bin}`` in it is the folder of the environment's programs, ``{url}`` the server,
    ``{concurrency}`` that of the run. ``peer`` names the list of its packages in ``benchmarks/peers``; None is our own
    environment."""

    name: str
    kind: Kind
    adapter: str
    worker: str
    peer: str | None = None
    defaults: str | None = None
    """The worker at its defaults, also where the same command reads them from its environment; None: no such run."""
    concurrency: int = 100
    sleep_concurrency: int = 200
    sleep_jobs: int = 2_000
    drain_jobs: int = 20_000
    default_jobs: int = 5_000
    measures: frozenset[str] = frozenset({"enqueue", "drain", "defaults", "idle", "sleep"})
    """The measures that it takes part in."""
    settings: str = ""
    versions: tuple[str, ...] = ()
    """The distributions whose versions the report names."""
