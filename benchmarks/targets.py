"""The targets, as ratios in one run or as bounds, and whether they were reached."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
    only: str = ""
    """The contestant of ours that it holds for; any, by default."""
    phase: str = ""
    """The phase of the measure `profile` that tells where the time goes."""

    def holds_in(self, raw: Raw) -> bool:
        """False where its measure was taken on another server."""
        taken: str = raw["measures"].get(self.measure, {}).get("about", {}).get("server", "")
        return taken.startswith(self.server)

    @property
    def demand(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g} {self.unit}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``value`` is None where one of the figures was not measured, or the target is another contestant's."""

    value: float | None
    unit: str = ""
    reached: bool = False
    is_meant: bool = True

    @property
    def missed(self) -> bool:
        return self.value is not None and not self.reached

    def __str__(self) -> str:
        if not self.is_meant:
            return "-"
        if self.value is None:
            return "not measured"
        return f"{plain(self.value)} {self.unit}, {'reached' if self.reached else '**missed**'}"


_PYTHON, _NODE, _PEERS = (Kind.PYTHON,), (Kind.NODE,), (Kind.PYTHON, Kind.NODE)
_TASKS, _REDISPY = "bare-redispy-tasks", "flowli-over-redispy"

_DRAIN = Target("drain, results off", "drain", "jobs/s", 8, at_least=True, against=_PYTHON, phase="drain")
_ALONE = Target("enqueue one by one", "enqueue", "one jobs/s", 0.7, at_least=True, against="bare-redispy", phase="one")
_TOGETHER = Target(
    "enqueue, 100 concurrent", "enqueue", "concurrent jobs/s", 5, at_least=True, against=_PYTHON, phase="concurrent"
)
_STRETCH = "drain, results off, stretch"
_SERVER, _STALLS = "server CPU for each job, drain", "longest command"

TARGETS: tuple[Target, ...] = (
    _DRAIN,
    replace(_DRAIN, bound=2.5, against=_NODE),
    replace(_DRAIN, bound=0.35, against=_TASKS),
    replace(_DRAIN, what=_STRETCH, bound=10),
    replace(_DRAIN, what=_STRETCH, bound=3, against=_NODE),
    replace(_DRAIN, what=_STRETCH, bound=0.45, against=_TASKS),
    replace(_DRAIN, what="drain at the README's defaults", measure="defaults", bound=10, phase="defaults"),
    _ALONE,
    _TOGETHER,
    replace(_TOGETHER, bound=2, against=_NODE),
    replace(_TOGETHER, what="enqueue_many", figure="bulk jobs/s", bound=4, against=_PEERS, phase="bulk"),
    Target("idle latency p50", "idle", "p50 ms", 1.5, against="bare-redispy", phase="idle"),
    Target("idle latency p99", "idle", "p99 ms", 2, against="bare-redispy", phase="idle"),
    Target("commands of an idle runner", "idle", "idle commands/s", 2, "/s", phase="idle"),
    Target("CPU of an idle runner", "idle", "idle cpu %", 1, "%", phase="idle"),
    Target("2,000 jobs that sleep 0.1 s, of the ideal", "sleep", "total/ideal", 1.05, phase="drain"),
    Target("memory for each pending job", "drain", "pending B", 300, "B"),
    Target("memory left for each finished job, results off", "drain", "left B", 2, "B"),
    Target(_SERVER, "drain", "server us", 15, "µs", phase="drain"),
    Target("start to first job", "drain", "start s", 0.35, "s", only=_REDISPY, phase="start"),
    Target("RSS of an idle runner", "idle", "rss MB", 45, "MB", only=_REDISPY, phase="start"),
    *(
        Target(
            f"{what}, 1,000,000 waiting to 1,000",
            "backlog",
            f"{what} kept",
            bound,
            at_least=True,
            server=server,
            phase=phase,
        )
        for what, phase in (("enqueue", "bulk"), ("drain", "drain"))
        for server, bound in (("redis", 0.85), ("valkey", 0.75))
    ),
    Target(f"{_STALLS}, backlog to 1,000,000", "backlog", "longest ms", 5, "ms", phase="drain"),
    Target(f"{_STALLS}, 100,000 jobs due at once", "due", "longest ms", 5, "ms", phase="drain"),
    Target(f"{_STALLS}, 50 runners that reconnect", "reconnect", "longest ms", 5, "ms", phase="drain"),
    *(
        Target(
            f"drain under limits of 1,000 keys, of that without, {settings}",
            "limits",
            f"{settings}: kept",
            0.8,
            at_least=True,
        )
        for settings in ("tuned", "defaults")
    ),
    Target("commands of a runner with 10,000 schedules", "schedules", "idle commands/s", 2, "/s", phase="idle"),
)


def judge(raw: Raw, target: Target, ours: str) -> Verdict:
    """What one of our contestants made of a target."""
    if target.only not in ("", ours):
        return Verdict(None, is_meant=False)
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
