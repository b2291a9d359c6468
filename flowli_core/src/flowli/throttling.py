"""Limits as a store keeps them: rules written, keys held and released, and who holds what.

It knows the driver's `Throttles`. It refuses to know how a job says what it draws on (`flowli.limiting`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flowli.core import Core
from flowli.driver import Ability, LimitView, Millis, Throttles
from flowli.durations import from_millis, millis_to_instant, parse_span, to_millis
from flowli.errors import StrategyError
from flowli.limiting import rules_of
from flowli.records import LimitRecord
from flowli.repeat import repeat

__all__ = ["hold_limit", "read_limit", "read_limits", "release_limit", "write_rules"]


async def write_rules(core: Core) -> None:
    """Have the store keep the limits of this runtime's jobs as its code says them; nothing where it has none."""
    rules = rules_of(core.jobs)
    if rules and core.hub is not None:
        throttles = await _throttles(core, "limits=")
        await repeat(lambda: throttles.set_rules(rules))


async def hold_limit(core: Core, limit: str, span: str | timedelta, key: str | None) -> None:
    """Lend nothing of a key, or of the whole limit, for a span from now on; what runs goes on."""
    throttles, wait = await _throttles(core, "hold()"), to_millis(parse_span(span, what="hold()"))
    driver = await core.driver("hold()")
    now = (await repeat(lambda: driver.overview(()))).now
    await repeat(lambda: throttles.hold(limit, key, Millis(now + wait)))


async def release_limit(core: Core, limit: str, key: str | None) -> None:
    """End a hold now."""
    throttles = await _throttles(core, "release()")
    await repeat(lambda: throttles.hold(limit, key, None))


async def read_limit(core: Core, limit: str, key: str) -> LimitRecord | None:
    """One key of a limit; None for a limit that the store does not know."""
    throttles = await _throttles(core, "get_limit()")
    view = await repeat(lambda: throttles.get_limit(limit, key))
    return None if view.rule is None else _record(limit, key, view)


async def read_limits(core: Core) -> list[LimitRecord]:
    """Every limit: up to 100 of its keys that are in use, or the limit by itself."""
    throttles = await _throttles(core, "get_limits()")
    found: list[LimitRecord] = []
    for rule in await repeat(throttles.get_rules):
        keys = await repeat(lambda limit=rule.limit: throttles.get_keys(limit))  # type: ignore[misc]
        found += [one for key in keys or [""] if (one := await read_limit(core, rule.limit, key)) is not None]
    return found


async def _throttles(core: Core, what: str) -> Throttles:
    driver: Any = await core.need_hub(what).here()  # a codec has nothing to do with limits
    if Ability.LIMITS not in driver.abilities:
        raise StrategyError(f"{what} needs a store that keeps limits, and {driver} does not.")
    throttles: Throttles = driver
    return throttles


def _record(limit: str, key: str, view: LimitView) -> LimitRecord:
    rule = view.rule
    return LimitRecord(
        name=limit,
        key=key,
        at_once=None if rule is None else rule.at_once,
        most=None if rule is None else rule.most,
        per=None if rule is None or rule.span is None else from_millis(rule.span),
        held=view.held,
        used=view.used,
        waiting=view.parked,
        held_until=None if view.closed_until is None else millis_to_instant(view.closed_until),
        holders=tuple(view.holders),
    )
