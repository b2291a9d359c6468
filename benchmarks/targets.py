"""The targets, as ratios in one run or as bounds, and whether they were reached."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.contestants import Kind
from benchmarks.figures import best, figure_of, plain
from benchmarks.rounds import Raw

__all__ = ["TARGETS", "Target", "Verdict", "judge", "reference_of"]


@dataclass(frozen=True, slots=True)
class Target:
    """``against`` is a contestant, a kind (the best of it counts), or None where ``bound`` is absolute."""

    what: str
    measure: str
    figure: str
    bound: float
    unit: str = "x"
    at_least: bool = False
    against: str | tuple[Kind, ...] | None = None
    server: str = ""
    """The servers that it holds for, by the beginning of their names."""

    def holds_in(self, raw: Raw) -> bool:
        """False where its measure was taken on another server."""
        taken: str = raw["measures"].get(self.measure, {}).get("about", {}).get("server", "")
        return taken.startswith(self.server)

    @property
    def demand(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g} {self.unit}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``value`` is None where one of the figures was not measured."""

    value: float | None
    unit: str = ""
    reached: bool = False

    def __str__(self) -> str:
        if self.value is None:
            return "not measured"
        return f"{plain(self.value)} {self.unit}, {'reached' if self.reached else '**missed**'}"


_PYTHON, _NODE, _PEERS = (Kind.PYTHON,), (Kind.NODE,), (Kind.PYTHON, Kind.NODE)
_TASKS = "bare-redispy-tasks"

TARGETS: tuple[Target, ...] = (
    Target("drain, results off", "drain", "jobs/s", 8, at_least=True, against=_PYTHON),
    Target("drain, results off", "drain", "jobs/s", 2.5, at_least=True, against=_NODE),
    Target("drain, results off", "drain", "jobs/s", 0.35, at_least=True, against=_TASKS),
    Target("drain, results off, stretch", "drain", "jobs/s", 10, at_least=True, against=_PYTHON),
    Target("drain, results off, stretch", "drain", "jobs/s", 3, at_least=True, against=_NODE),
    Target("drain, results off, stretch", "drain", "jobs/s", 0.45, at_least=True, against=_TASKS),
    Target("drain at the README's defaults", "defaults", "jobs/s", 10, at_least=True, against=_PYTHON),
    Target("enqueue one by one", "enqueue", "one jobs/s", 0.7, at_least=True, against="bare-redispy"),
    Target("enqueue, 100 concurrent", "enqueue", "concurrent jobs/s", 5, at_least=True, against=_PYTHON),
    Target("enqueue, 100 concurrent", "enqueue", "concurrent jobs/s", 2, at_least=True, against=_NODE),
    Target("enqueue_many", "enqueue", "bulk jobs/s", 4, at_least=True, against=_PEERS),
    Target("idle latency p50", "idle", "p50 ms", 1.5, against="bare-redispy"),
    Target("idle latency p99", "idle", "p99 ms", 2, against="bare-redispy"),
    Target("commands of an idle runner", "idle", "idle commands/s", 2, "/s"),
    Target("CPU of an idle runner", "idle", "idle cpu %", 1, "%"),
    Target("2,000 jobs that sleep 0.1 s, of the ideal", "sleep", "total/ideal", 1.05),
    Target("memory for each pending job", "drain", "pending B", 300, "B"),
    Target("memory left for each finished job, results off", "drain", "left B", 2, "B"),
    Target("server CPU for each job, drain", "drain", "server us", 15, "µs"),
    Target("start to first job", "drain", "start s", 0.35, "s"),
    Target("RSS of an idle runner", "idle", "rss MB", 45, "MB"),
    *(
        Target(
            f"{what}, 1,000,000 waiting to 1,000",
            "backlog",
            f"{what} kept",
            bound,
            at_least=True,
            server=server,
        )
        for what in ("enqueue", "drain")
        for server, bound in (("redis", 0.85), ("valkey", 0.75))
    ),
    Target("longest command, backlog to 1,000,000", "backlog", "longest ms", 5, "ms"),
    Target("longest command, 100,000 jobs due at once", "due", "longest ms", 5, "ms"),
)


def judge(raw: Raw, target: Target, ours: str) -> Verdict:
    """What one of our contestants made of a target."""
    own = figure_of(raw, target.measure, ours, target.figure)
    unit = _reference(raw, target) if target.against else ("", 1.0)
    if own is None or unit is None:
        return Verdict(None)
    value = own.median / unit[1]
    return Verdict(value, target.unit, value >= target.bound if target.at_least else value <= target.bound)


def reference_of(raw: Raw, target: Target) -> str:
    """What a ratio is taken to: the contestant and its figure."""
    found = _reference(raw, target)
    return f"{found[0]}: {plain(found[1])}" if found else ""


def _reference(raw: Raw, target: Target) -> tuple[str, float] | None:
    if isinstance(target.against, str):
        found = figure_of(raw, target.measure, target.against, target.figure)
        return None if found is None else (target.against, found.median)
    return best(raw, target.measure, target.figure, target.against or (), least=not target.at_least)
