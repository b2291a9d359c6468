"""Who takes part, and how each is set: the command of its worker, its concurrency, and its settings said aloud.

It knows command lines; it refuses to know how anything is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["CONTESTANTS", "Contestant", "Kind", "choose"]


class Kind(StrEnum):
    OURS = "flowli"
    BARE = "bare"
    PYTHON = "python"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class Contestant:
    """``worker`` is a command line: ``{bin}`` in it is the folder of the environment's programs, ``{concurrency}`` that
    of the run. ``peer`` names the file of ``benchmarks/peers`` that lists its packages; None is our own environment."""

    name: str
    kind: Kind
    adapter: str
    worker: str
    peer: str | None = None
    defaults: str | None = None
    """The worker at its defaults, also where the same command reads them from its environment; None: no such run."""
    sleeper: str | None = None
    """The worker of the jobs that sleep, where that is another command."""
    concurrency: int = 100
    sleep_concurrency: int = 200
    sleep_jobs: int = 2_000
    drain_jobs: int = 20_000
    default_jobs: int = 5_000
    measures: frozenset[str] | None = None
    """The measures that it takes part in; None is all that its adapter allows."""
    settings: str = ""
    versions: tuple[str, ...] = ()
    """The distributions whose versions the report names."""


_FLOWLI = "{bin}/flowli runner benchmarks.adapters.{module}:flowli --concurrency {concurrency}"


def _flowli(name: str, module: str, *versions: str) -> Contestant:
    worker = _FLOWLI.replace("{module}", module)
    return Contestant(
        name,
        Kind.OURS,
        f"benchmarks.adapters.{module}",
        worker,
        defaults=worker,
        drain_jobs=40_000,
        default_jobs=20_000,
        settings="tuned: `result_ttl='0s'`; defaults: as the README has it, results kept for an hour; concurrency 100.",
        versions=("pydantic", *versions),
    )


def _bare(client: str, loop: str, *versions: str) -> Contestant:
    name = f"bare-{client}" if loop == "plain" else f"bare-{client}-{loop}"
    return Contestant(
        name,
        Kind.BARE,
        f"benchmarks.adapters.bare_{client}",
        f"{{bin}}/python -m benchmarks.adapters.bare {client} {loop} {{concurrency}}",
        concurrency=200 if loop == "tasks" else 100,
        drain_jobs=150_000,
        settings=f"uvloop, batches of 100 in one script call, loop `{loop}`",
        versions=versions,
        measures=_BARE[loop],
    )


_BARE = {
    "plain": frozenset({"enqueue", "drain", "idle", "backlog"}),
    "overlap": frozenset({"drain"}),
    "tasks": frozenset({"drain", "idle", "sleep", "runners"}),
}

CONTESTANTS: tuple[Contestant, ...] = (
    _flowli("flowli-over-redispy", "flowli_redis", "redis", "hiredis"),
    _flowli("flowli-over-glide", "flowli_glide", "valkey-glide"),
    _bare("redispy", "plain", "redis", "hiredis", "uvloop"),
    _bare("redispy", "overlap"),
    _bare("redispy", "tasks"),
    _bare("glide", "plain", "valkey-glide", "uvloop"),
    _bare("glide", "overlap"),
)


def choose(names: list[str] | None) -> list[Contestant]:
    """Those whose name is given or begins with what is given and a dash; SystemExit for a name that fits none."""
    if names is None:
        return list(CONTESTANTS)
    for name in names:
        if not any(_fits(one.name, name) for one in CONTESTANTS):
            raise SystemExit(f"no contestant {name!r}. There are: {', '.join(one.name for one in CONTESTANTS)}.")
    return [one for one in CONTESTANTS if any(_fits(one.name, name) for name in names)]


def _fits(whole: str, part: str) -> bool:
    return whole == part or whole.startswith(f"{part}-")
