"""Is this store healthy? What `flowli doctor` asks, for everybody who asks from Python.

It adds to what the driver says of itself (`flowli.driver.Examines`) what can be seen through the verbs of every driver:
work that waits too long, and who could do it. It writes nothing, and refuses to repair.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from flowli.driver import (
    Ability,
    Driver,
    Examination,
    Fact,
    Finding,
    KeepsPauses,
    Millis,
    Overview,
    Pause,
    Severity,
    State,
)
from flowli.durations import format_span, from_millis
from flowli.errors import StrategyError
from flowli.reading import read_runner
from flowli.records import RunnerRecord

if TYPE_CHECKING:
    from flowli.runtime import Flowli

__all__ = ["Checkup", "checkup", "examine"]

_LATE = 60_000
"""Milliseconds that work which could be done may wait before an operator is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """What was found in a store, errors first."""

    store: str
    findings: Sequence[Finding]
    facts: Mapping[str, Fact]
    queues: Mapping[str, Mapping[str, int | None]]
    """Counts of each queue, and ``oldest_ms``: for how long the job at its head could have been started."""
    runners: Sequence[RunnerRecord]

    @property
    def healthy(self) -> bool:
        """Whether no finding is an error. Warnings leave it True."""
        return all(one.severity is not Severity.ERROR for one in self.findings)


@runtime_checkable
class _Examining(Protocol):
    async def examine(self, *, now: Millis | None = None) -> Examination: ...


async def checkup(flowli: Flowli[Any]) -> Checkup:
    """Look through the store of a runtime. StrategyError without a driver, DriverError if the store is refused."""
    hub = flowli.__flowli__.need_hub("a checkup is not possible")
    driver = await hub.hold()
    try:
        return await examine(driver)
    finally:
        await hub.release()


async def examine(driver: Driver, *, now: Millis | None = None) -> Checkup:
    """Look through the store of an open driver. It may take a minute for a million records; others are served."""
    findings: list[Finding] = []
    facts: Mapping[str, Fact] = {"examined": False}
    if Ability.EXAMINE in driver.abilities:
        if not isinstance(driver, _Examining):
            raise StrategyError(f"The driver of {driver} declares the ability examine and has no examine().")
        found = await driver.examine(now=now)
        findings, facts = list(found.findings), {"examined": True, **found.facts}
    if not any(one.code == "key-type" for one in findings):
        view = await driver.overview(now=now)
        pauses = await cast("KeepsPauses", driver).get_pauses() if Ability.PAUSES in driver.abilities else ()
        findings += [*_paused(pauses, view), *_waiting(view, pauses), *await _overdue(driver, view)]
    else:
        view = Overview(queues={}, schedules=0, runners=(), now=Millis(0))
    return Checkup(
        store=str(driver),
        findings=sorted(findings, key=lambda one: one.severity is not Severity.ERROR),
        facts=facts,
        queues={name: _counts(view, name) for name in sorted(view.queues)},
        runners=[read_runner(note) for note in view.runners],
    )


def _counts(view: Overview, name: str) -> Mapping[str, int | None]:
    queue = view.queues[name]
    counts: dict[str, int | None] = {state.value: getattr(queue, state.value) for state in State}
    # 0 is the instant of what a crash or a shutdown handed back: since when it waits is not known.
    return counts | {"oldest_ms": view.now - queue.oldest_ready if queue.oldest_ready else None}


def _paused(pauses: Sequence[Pause], view: Overview) -> Iterator[Finding]:
    for (kind, name), since in sorted(pauses):
        if view.now - since > _LATE:
            message = (
                f"the {kind} has been paused for {_span(view.now - since)}: nothing of it starts until it is resumed"
            )
            yield Finding("paused", Severity.WARNING, name, message)


def _waiting(view: Overview, pauses: Sequence[Pause]) -> Iterator[Finding]:
    paused = {what.name for what, _ in pauses if what.kind == "queue"}
    for name, queue in sorted(view.queues.items()):
        served = any(note.queues is None or name in note.queues for note in view.runners)
        if not served and (queue.queued or queue.scheduled or queue.active):
            unfinished = queue.queued + queue.scheduled + queue.active
            message = f"{unfinished} jobs are not over and no live runner serves the queue: start one"
            yield Finding("no-runner", Severity.WARNING if not queue.queued else Severity.ERROR, name, message)
        late = view.now - queue.oldest_ready if queue.oldest_ready else 0
        if late > _LATE and name not in paused:
            yield Finding("late", Severity.WARNING, name, f"its oldest job has waited {_span(late)}: add runners")


async def _overdue(driver: Driver, view: Overview) -> list[Finding]:
    """What an instant has come for and nobody has looked at."""
    found: list[Finding] = []
    for name in sorted(view.queues):
        page = await driver.list_jobs(State.SCHEDULED, queue=name, limit=1, now=view.now)
        late = view.now - (page.items[0].due or view.now) if page.items else 0
        if late > _LATE:
            message = f"its first scheduled job is overdue by {_span(late)}: no runner keeps house there"
            found.append(Finding("overdue", Severity.ERROR, name, message))
    due = (await driver.list_schedules(due=True, limit=1, now=view.now)).items
    late = view.now - (due[0].next_run_at or view.now) if due else 0
    if late > _LATE:
        message = f"it should have been fired {_span(late)} ago: start a runner"
        found.append(Finding("schedule-overdue", Severity.ERROR, due[0].key, message))
    return found


def _span(millis: int) -> str:
    return format_span(from_millis(millis - millis % 1000))
