"""Stopping the work of a queue or of a job name, for all runners, until somebody lets it go on.

It knows what may be named and that the driver keeps it. It refuses to know schedules (`flowli.steering`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias, cast

from flowli.core import Core
from flowli.driver import Ability, Driver, KeepsPauses, Pause, Paused
from flowli.errors import StrategyError, ValidationError
from flowli.ids import check_name
from flowli.job import Job
from flowli.repeat import repeat

__all__ = ["JobNames", "change_pauses", "get_pauses", "paused_of"]

JobNames: TypeAlias = str | Job[Any, Any, Any, Any] | Iterable[str | Job[Any, Any, Any, Any]]
"""One job or many, each as its name or its definition."""

_MOST_NAME = 200


def paused_of(kind: Literal["queue", "job"], given: object) -> list[Paused]:
    """What is named, one or many. ValidationError for what no store can hold, and for nothing at all."""
    is_one = isinstance(given, str | Job) or not isinstance(given, Iterable)
    several: list[object] = [given] if is_one else list(cast("Iterable[object]", given))
    if not several:
        raise ValidationError(f"{kind}= names nothing. Pass a name, or a list with at least one.")
    names = [one.name if isinstance(one, Job) else cast("Any", one) for one in several]
    check = check_name if kind == "queue" else _check_job
    return [Paused(kind, check(name)) for name in names]


def _check_job(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name.encode("utf-8", "replace")) <= _MOST_NAME:
        raise ValidationError(f"job= takes names of 1 to {_MOST_NAME} bytes, or jobs; got {type(name).__name__}.")
    return name


async def change_pauses(core: Core, verb: Literal["pause", "resume"], what: Sequence[Paused]) -> bool:
    """Pause or resume these, which then stands. StrategyError where the driver keeps no pauses."""
    pauses = _pauses(core, await core.driver(f"{verb}()"), f"{verb}()")
    await repeat(lambda: pauses.pause(what) if verb == "pause" else pauses.resume(what))
    return True


async def get_pauses(core: Core, what: str) -> Sequence[Pause]:
    """All that stand; none where the driver keeps none."""
    driver = await core.driver(what)
    if Ability.PAUSES not in driver.abilities:
        return ()
    pauses = _pauses(core, driver, what)
    return await repeat(pauses.get_pauses)


def _pauses(core: Core, driver: Driver, what: str) -> KeepsPauses:
    if Ability.PAUSES not in driver.abilities:
        raise StrategyError(f"{what} needs a driver with the ability 'pauses', which {core.driver_name} has not.")
    return cast("KeepsPauses", driver)
